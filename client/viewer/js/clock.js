/**
 * From the browser's media times to the API's PTS and back.
 *
 * The API's times are those of the stream, unshifted. Browsers agree, but for those that let a video which begins later
 * begin at zero: then its first frame says by how much.
 */

/** Chromium gives whole microseconds; half a millisecond tells any two frames apart. */
export const SAME_FRAME_SECONDS = 0.0006;

export class FrameClock {
  /** @param {number} tickSeconds @param {number} firstPts of the video's first frame */
  constructor(tickSeconds, firstPts) {
    this.tickSeconds = tickSeconds;
    this.firstSeconds = firstPts * tickSeconds;
    /** Added to a media time. */
    this.shiftSeconds = 0;
  }

  /** Media time of the first frame that the browser showed after loading. @param {number} mediaTime */
  setFirstMediaTime(mediaTime) {
    const isShifted = Math.abs(mediaTime) < SAME_FRAME_SECONDS && this.firstSeconds > SAME_FRAME_SECONDS;
    this.shiftSeconds = isShifted ? this.firstSeconds - mediaTime : 0;
  }

  /** When the first frame of a file that begins at zero is in the stream. @param {number} seconds @param {number} mediaTime of that frame */
  setFirstFrame(seconds, mediaTime) {
    this.shiftSeconds = seconds - mediaTime;
  }

  /** @param {number} mediaTime */
  toSeconds(mediaTime) {
    return mediaTime + this.shiftSeconds;
  }

  /** @param {number} mediaTime */
  toPts(mediaTime) {
    return Math.round(this.toSeconds(mediaTime) / this.tickSeconds);
  }

  /** @param {number} seconds */
  toMediaTime(seconds) {
    return seconds - this.shiftSeconds;
  }

  /** Whether two PTS are of the same frame. @param {number} a @param {number} b */
  isSame(a, b) {
    return Math.abs(a - b) * this.tickSeconds < SAME_FRAME_SECONDS;
  }
}
