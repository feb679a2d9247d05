/** The video element, with exact frames: which one is shown, the next, the one before. */

/** @typedef {import("./clock.js").FrameClock} FrameClock */

const SEEK_PATIENCE_MS = 1500;
/** Into the frame that is meant, since times are rounded. */
const INTO_FRAME_SECONDS = 0.0002;
/** Media times of two frames differ by more than this. */
const FRAMES_DIFFER_SECONDS = 0.0003;
/** Slow enough that every frame is shown; slower where the machine is busy. */
const CREEP_RATES = [0.25, 0.0625];
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
    this.shown = { seconds: clock.firstSeconds, pts: clock.toPts(clock.firstSeconds), mediaTime: 0 };
    this.isExact = "requestVideoFrameCallback" in video;
    this.isReady = false;
    /** Whether what was loaded last cannot be played. */
    this.isBroken = false;
    /** How often something was to be loaded, and failed to. */
    this.loads = 0;
    /** @type {number | null} */
    this.pendingSeek = null;
    /** What was to be shown, and lies behind what the browser takes for the end. @type {number | null} */
    this.beyond = null;
    this.rate = 1;
    /** Steps that were asked for, one after the other. */
    this.stepping = Promise.resolve();
    this.reverse = 0;
    this.isDisposed = false;
    for (const name of ["play", "pause", "ended"]) video.addEventListener(name, () => this.tell("play"));
    video.addEventListener("seeked", () => this.afterSeek());
    video.addEventListener("durationchange", () => this.reach());
    video.addEventListener("error", () => this.fail());
    // Of a file whose codec it does not know a browser may play the sound.
    video.addEventListener("loadedmetadata", () => video.videoWidth || this.fail());
    this.watch();
  }

  get isPlaying() {
    return !this.video.paused && !this.video.ended;
  }

  /**
   * Load; resolves when the first frame is shown and its time known, or something else was loaded or failed meanwhile.
   * @param {string} url
   * @param {number | null} [firstSeconds] when its first frame is in the stream, where that is known of this file
   */
  async load(url, firstSeconds = null) {
    const load = ++this.loads;
    this.isReady = this.isBroken = false;
    const first = this.nextFrame();
    this.video.src = url;
    const mediaTime = await first;
    if (load !== this.loads) return;
    if (mediaTime !== null && firstSeconds !== null) this.clock.setFirstFrame(firstSeconds, mediaTime);
    else if (mediaTime !== null) this.clock.setFirstMediaTime(mediaTime);
    this.isReady = true;
    this.take(this.shown.mediaTime);
    if (this.pendingSeek !== null) this.seek(this.pendingSeek);
  }

  fail() {
    // A source that is taken away, when the page is left, is no failure.
    if (!this.video.getAttribute("src")) return;
    this.loads++;
    this.isReady = false;
    this.isBroken = true;
    this.video.pause();
    if (this.pendingSeek !== null) this.seek(this.pendingSeek);
    this.tell("failed");
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
      const timer = setTimeout(
        () => resolve(this.isExact ? null : this.video.currentTime),
        this.isReady ? SEEK_PATIENCE_MS : 20_000,
      );
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
      // Without a picture there is still a moment that everything else is about.
      if (this.isBroken) this.take(this.clock.toMediaTime(seconds));
      return;
    }
    this.pendingSeek = null;
    const target = Math.max(0, this.clock.toMediaTime(seconds) + INTO_FRAME_SECONDS);
    this.beyond = target > this.video.duration ? seconds : null;
    this.video.currentTime = target;
  }

  /** Of a video that begins late Chromium knows the end only when it has read that far: then the seek goes on from there. */
  reach() {
    const { beyond, clock, video } = this;
    if (beyond !== null && clock.toMediaTime(beyond) > video.currentTime) this.seek(beyond);
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
    this.beyond = null;
    this.setRate(rate);
    // A browser may refuse to play with sound before the page was touched.
    await this.video.play().catch(async () => {
      this.video.muted = true;
      await this.video.play().catch(() => {});
    });
  }

  pause() {
    this.reverse = 0;
    this.beyond = null;
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
      if (target <= this.clock.firstSeconds) this.pause();
      this.seek(Math.max(this.clock.firstSeconds, target));
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
    if (this.isBroken) return this.stepping;
    this.pause();
    this.stepping = this.stepping.then(() => (direction < 0 ? this.stepBack() : this.stepOn()));
    return this.stepping;
  }

  async stepBack() {
    const { mediaTime: from } = this.shown;
    if (from <= FRAMES_DIFFER_SECONDS) return;
    const found = await this.show(from - 0.0008);
    if (found === null || found < from - FRAMES_DIFFER_SECONDS) return;
    // By its declared length the frame before has ended already: run up to it.
    const start = Math.max(0, from - 4 * this.frameSeconds);
    const before = await this.show(start).then(() => this.creepUntil(from));
    await this.show(start);
    while (before !== null && this.shown.mediaTime < before - FRAMES_DIFFER_SECONDS) {
      if ((await this.creep()) === null) return;
    }
  }

  async stepOn() {
    const { mediaTime: from } = this.shown;
    const target = from + this.frameSeconds * 1.02;
    if (!(target < this.video.duration)) return;
    const found = await this.show(target);
    const isNext = found !== null && found > from + FRAMES_DIFFER_SECONDS && found <= target;
    // Where frames do not last equally long, a seek passes over those that are shorter than they say, or stays where it is.
    if (isNext || found === null) return;
    await this.show(from + INTO_FRAME_SECONDS);
    await this.creep(from);
  }

  /**
   * Play slowly until a frame after `from` is shown, wherever the video stands before it.
   * @param {number} [from]
   * @returns {Promise<number | null>} its media time
   */
  async creep(from = this.shown.mediaTime) {
    const { muted } = this.video;
    this.video.muted = true;
    let found = null;
    for (const rate of CREEP_RATES) {
      found = await this.creepAt(rate, from);
      // A frame that is passed over while the callback waits is not known of, but one that came after it is.
      if (found === null || this.shown.mediaTime <= found + FRAMES_DIFFER_SECONDS) break;
      // A busy machine was too late for a frame: the same again, slower.
      await this.show(from + INTO_FRAME_SECONDS);
    }
    this.video.playbackRate = 1;
    this.video.muted = muted;
    if (found !== null) this.take(found);
    return found;
  }

  /** @param {number} rate @param {number} from @returns {Promise<number | null>} */
  async creepAt(rate, from) {
    this.video.playbackRate = rate;
    let found = null;
    try {
      await this.video.play();
      do found = await this.nextFrame();
      while (found !== null && found <= from + FRAMES_DIFFER_SECONDS);
    } finally {
      this.video.pause();
    }
    await twoFrames();
    return found;
  }

  /** Go on frame by frame up to the last one before `end`. @param {number} end @returns {Promise<number | null>} its media time */
  async creepUntil(end) {
    let last = this.shown.mediaTime < end ? this.shown.mediaTime : null;
    for (;;) {
      const found = await this.creep();
      if (found === null || found >= end - FRAMES_DIFFER_SECONDS) return last;
      last = found;
    }
  }

  /** Go to a media time. @param {number} mediaTime @returns {Promise<number | null>} that of the frame shown then */
  async show(mediaTime) {
    const next = this.nextFrame();
    this.video.currentTime = Math.max(0, mediaTime);
    let found = await next;
    if (found !== null && this.video.seeking) {
      // That one may have been on its way to the screen before the seek: `watch` sees the one that comes with its end.
      await new Promise((resolve) => this.video.addEventListener("seeked", resolve, { once: true }));
      await twoFrames();
      found = this.shown.mediaTime;
    }
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

/** After this, what was on its way to the screen is there. */
async function twoFrames() {
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
}
