/** The video element, with exact frames: which one is shown, the next, the one before. */

/** @typedef {import("./clock.js").FrameClock} FrameClock */

const SEEK_PATIENCE_MS = 1500;
/** Into the frame that is meant, since times are rounded. */
const INTO_FRAME_SECONDS = 0.0002;
const RATES = [1, 2, 4, 8];

/** What is shown. @typedef {{seconds: number, pts: number, mediaTime: number}} Shown */

/**
 * Tells: `frame` (another frame is shown: `shown`), `play` (began or stopped), `rate`, `failed`.
 */
export class Player extends EventTarget {
  /**
   * @param {HTMLVideoElement} video
   * @param {FrameClock} clock
   * @param {number} frameSeconds how long a frame lasts on average
   */
  constructor(video, clock, frameSeconds) {
    super();
    this.video = video;
    this.clock = clock;
    this.frameSeconds = frameSeconds;
    /** @type {Shown} */
    this.shown = { seconds: 0, pts: 0, mediaTime: 0 };
    this.isExact = "requestVideoFrameCallback" in video;
    this.isReady = false;
    /** @type {number | null} */
    this.pendingSeek = null;
    this.rate = 1;
    /** Steps that were asked for, one after the other. */
    this.stepping = Promise.resolve();
    this.reverse = 0;
    this.isDisposed = false;
    for (const name of ["play", "pause", "ended"]) video.addEventListener(name, () => this.tell("play"));
    video.addEventListener("seeked", () => this.afterSeek());
    video.addEventListener("error", () => this.tell("failed"));
    this.watch();
  }

  get isPlaying() {
    return !this.video.paused && !this.video.ended;
  }

  /** Load; resolves when the first frame is shown and its time known. @param {string} url */
  async load(url) {
    const first = this.nextFrame();
    this.video.src = url;
    const mediaTime = await first;
    if (mediaTime !== null) this.clock.setFirstMediaTime(mediaTime);
    this.isReady = true;
    this.take(this.shown.mediaTime);
    if (this.pendingSeek !== null) this.seek(this.pendingSeek);
  }

  watch() {
    const see = (/** @type {number} */ mediaTime) => {
      if (this.isDisposed) return;
      this.take(mediaTime);
      this.watch();
    };
    if (this.isExact) this.video.requestVideoFrameCallback((_, about) => see(about.mediaTime));
    else requestAnimationFrame(() => see(this.video.currentTime));
  }

  /** @param {number} mediaTime */
  take(mediaTime) {
    this.shown = { mediaTime, seconds: this.clock.toSeconds(mediaTime), pts: this.clock.toPts(mediaTime) };
    this.tell("frame");
  }

  /** The media time of the next frame that is shown; null when none is. @returns {Promise<number | null>} */
  nextFrame() {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(this.isExact ? null : this.video.currentTime), this.isReady ? SEEK_PATIENCE_MS : 20_000);
      if (!this.isExact) return;
      this.video.requestVideoFrameCallback((_, about) => {
        clearTimeout(timer);
        resolve(about.mediaTime);
      });
    });
  }

  /** Show the frame of a time; of many calls in a row the last one counts. @param {number} seconds */
  seek(seconds) {
    if (!this.isReady || this.video.seeking) {
      this.pendingSeek = seconds;
      return;
    }
    this.pendingSeek = null;
    this.video.currentTime = Math.max(0, this.clock.toMediaTime(seconds) + INTO_FRAME_SECONDS);
  }

  afterSeek() {
    if (this.pendingSeek !== null) this.seek(this.pendingSeek);
    else if (this.reverse) this.runBackwards();
  }

  toggle() {
    if (this.isPlaying || this.reverse) this.pause();
    else this.play(1);
  }

  /** @param {number} rate */
  async play(rate) {
    this.reverse = 0;
    this.setRate(rate);
    // A browser may refuse to play with sound before the page was touched.
    await this.video.play().catch(async () => {
      this.video.muted = true;
      await this.video.play().catch(() => {});
    });
  }

  pause() {
    this.reverse = 0;
    this.video.pause();
    this.setRate(1);
  }

  /** L: play; again: faster. */
  faster() {
    this.play(this.isPlaying ? RATES[Math.min(RATES.indexOf(this.rate) + 1, RATES.length - 1)] : 1);
  }

  /** J: run backwards; again: faster. */
  backwards() {
    this.video.pause();
    this.reverse = this.reverse ? Math.min(this.reverse * 2, RATES[RATES.length - 1]) : 1;
    this.setRate(-this.reverse);
    this.reverseSince = { wall: performance.now(), seconds: this.shown.seconds };
    this.runBackwards();
  }

  runBackwards() {
    requestAnimationFrame(() => {
      if (!this.reverse || !this.reverseSince) return;
      const passed = ((performance.now() - this.reverseSince.wall) / 1000) * this.reverse;
      const target = this.reverseSince.seconds - Math.max(passed, this.frameSeconds);
      if (target <= 0) this.pause();
      this.seek(Math.max(0, target));
    });
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate = rate;
    if (rate > 0) this.video.playbackRate = rate;
    this.tell("rate");
  }

  /**
   * Show the next frame (1) or the one before (-1), whatever the frame rate.
   * @param {1 | -1} direction
   */
  step(direction) {
    this.pause();
    this.stepping = this.stepping.then(() => (direction < 0 ? this.stepBack() : this.stepOn()));
    return this.stepping;
  }

  async stepBack() {
    // The last frame that begins before this one does.
    await this.show(this.shown.mediaTime - 0.0008);
  }

  async stepOn() {
    // The frame of a time is the last one that begins before it: look further until it is another one, in steps that are
    // too short to leave one out.
    const { mediaTime: from } = this.shown;
    let nothingUntil = from;
    for (let reach = this.frameSeconds * 1.02; ; reach *= 1.5) {
      const target = from + reach;
      if (target > this.video.duration && nothingUntil > this.video.duration - this.frameSeconds / 4) return;
      const found = await this.show(Math.min(target, this.video.duration - this.frameSeconds / 8));
      if (found === null || target >= this.video.duration) return;
      if (found > from + 0.0001) break;
      nothingUntil = target;
    }
    // After a longer gap several frames may begin within the last step: go back to the first of them.
    while (nothingUntil > from && this.shown.mediaTime > nothingUntil) {
      const reached = this.shown.mediaTime;
      const before = await this.show(reached - 0.0008);
      if (before === null) return;
      if (before <= nothingUntil) {
        await this.show(reached + INTO_FRAME_SECONDS);
        return;
      }
    }
  }

  /** Go to a media time. @param {number} mediaTime @returns {Promise<number | null>} that of the frame shown then */
  async show(mediaTime) {
    const next = this.nextFrame();
    this.video.currentTime = Math.max(0, mediaTime);
    const found = await next;
    if (found !== null) this.take(found);
    return found;
  }

  dispose() {
    this.isDisposed = true;
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** @param {string} name */
  tell(name) {
    this.dispatchEvent(new Event(name));
  }
}
