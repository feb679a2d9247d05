/** Small pictures of any moment: out of the sheet that a worker made, or taken from the video by an element that nobody sees. */

import { tickSeconds } from "./format.js";

const WIDTH = 176;

/**
 * Both have a `canvas` that tells `drawn`, and `show`; what they hold is let go of by `dispose`, and had again by `show`.
 * @typedef {SheetThumbnails | VideoThumbnails} Thumbnails
 */

export class SheetThumbnails {
  /** @param {string} url of the sheet @param {any} tiles as the API describes them */
  constructor(url, tiles) {
    this.url = url;
    this.tiles = tiles;
    const tick = tickSeconds(tiles.timebase);
    /** When each tile is shown. @type {number[]} */
    this.times = tiles.pts.map((/** @type {number} */ pts) => pts * tick);
    this.canvas = makeCanvas(tiles.width, tiles.height);
    /** @type {HTMLImageElement | null} */
    this.sheet = null;
    this.seconds = this.times[0];
  }

  get start() {
    return this.times[0];
  }

  get end() {
    return this.times[this.times.length - 1];
  }

  /** Show the tile that is nearest to a time of the stream. @param {number} seconds */
  show(seconds) {
    this.seconds = seconds;
    this.sheet ??= this.open();
    this.draw();
  }

  open() {
    const sheet = new Image();
    sheet.addEventListener("load", () => this.draw());
    sheet.src = this.url;
    return sheet;
  }

  draw() {
    if (!this.sheet?.naturalWidth) return;
    const { columns, width, height } = this.tiles;
    const tile = nearest(this.times, this.seconds);
    const [left, top] = [(tile % columns) * width, Math.floor(tile / columns) * height];
    this.canvas.getContext("2d")?.drawImage(this.sheet, left, top, width, height, 0, 0, width, height);
    tellDrawn(this.canvas);
  }

  /** Let the sheet go: decoded it is large. */
  dispose() {
    this.sheet = null;
  }
}

export class VideoThumbnails {
  /** @param {string} url @param {any} media of the video, as the API gives it @param {import("./clock.js").FrameClock} [clock] */
  constructor(url, media, clock) {
    this.url = url;
    this.clock = clock;
    this.start = 0;
    this.end = media.duration_seconds;
    this.canvas = makeCanvas(WIDTH * 2, Math.round((WIDTH * 2 * media.height) / media.width));
    /** @type {HTMLVideoElement | null} */
    this.video = null;
    /** @type {number | null} */
    this.wanted = null;
    this.isBusy = false;
  }

  /** Show the picture of a time as soon as it is there; of many the last. @param {number} seconds of the stream; without a clock of the media */
  show(seconds) {
    this.wanted = this.clock ? this.clock.toMediaTime(seconds) : seconds;
    this.video ??= this.open();
    this.seek();
  }

  open() {
    const video = document.createElement("video");
    video.muted = true;
    video.preload = "auto";
    video.src = this.url;
    video.addEventListener("loadeddata", () => this.seek());
    video.addEventListener("seeked", () => {
      if (this.video !== video) return;
      this.canvas.getContext("2d")?.drawImage(video, 0, 0, this.canvas.width, this.canvas.height);
      this.isBusy = false;
      tellDrawn(this.canvas);
      this.seek();
    });
    return video;
  }

  seek() {
    if (this.isBusy || this.wanted === null || !this.video || this.video.readyState < 2) return;
    this.isBusy = true;
    this.video.currentTime = this.wanted;
    this.wanted = null;
  }

  /** Let the video go, and its connection. */
  dispose() {
    const { video } = this;
    this.video = null;
    this.isBusy = false;
    this.wanted = null;
    video?.removeAttribute("src");
    video?.load();
  }
}

/** @param {number} width @param {number} height */
function makeCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
function tellDrawn(canvas) {
  canvas.classList.add("is-ready");
  canvas.dispatchEvent(new Event("drawn"));
}

/** Which of some times, in order, is nearest to one. @param {number[]} times @param {number} seconds */
export function nearest(times, seconds) {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] + times[middle + 1] < 2 * seconds) low = middle + 1;
    else high = middle;
  }
  return low;
}
