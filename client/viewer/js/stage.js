/** The picture with its boxes, and the controls below it. */

import { h, icon, iconButton } from "./dom.js";
import { formatTime } from "./format.js";
import { drawBoxes, fitFrame, prepare, sizeOf } from "./overlay.js";
import { Player } from "./player.js";
import { RegionEditor } from "./regions.js";

/** @typedef {import("./overlay.js").Box} Box @typedef {import("./clock.js").FrameClock} FrameClock */

export class Stage extends EventTarget {
  /** @type {HTMLButtonElement} */
  playButton;
  /** @type {HTMLOutputElement} */
  time;
  /** @type {HTMLElement} */
  frameNumber;
  /** @type {HTMLElement} */
  rate;
  /** @type {HTMLElement} */
  tools;
  /** The boxes on the picture now; null: not known yet. @type {Box[] | null} */
  drawn = null;

  /**
   * @param {any} media of the video, as the API gives it
   * @param {FrameClock} clock
   * @param {(shown: import("./player.js").Shown) => Box[] | null} boxes what to draw on a frame; null: not known yet
   */
  constructor(media, clock, boxes) {
    super();
    this.media = media;
    this.boxes = boxes;
    this.clock = clock;
    this.frameSeconds = media.frame_count ? media.duration_seconds / media.frame_count : 0.04;
    this.video = h("video", { playsinline: true, preload: "auto", "aria-label": "The video", tabindex: "-1" });
    this.overlay = h("canvas", { class: "stage-boxes", "aria-hidden": "true" });
    this.regionCanvas = h("canvas", { class: "stage-regions", "aria-label": "Region on the picture" });
    this.badge = h("div", { class: "stage-badge", hidden: true });
    this.notice = h("div", { class: "stage-notice", hidden: true });
    this.frameElement = h(
      "div",
      { class: "stage-frame", style: `--aspect:${media.width} / ${media.height}` },
      this.video,
      this.overlay,
      this.regionCanvas,
      this.badge,
      this.notice,
    );
    this.player = new Player(this.video, this.clock, this.frameSeconds);
    this.regions = new RegionEditor(this.regionCanvas, () => this.fit(), media);
    this.controls = this.buildControls();
    this.element = h("div", { class: "stage panel" }, this.frameElement, this.controls);
    /** Further pictures of the same video, beside it. @type {Pane[]} */
    this.panes = [];
    /** Milliseconds that drawing took. @type {number[]} */
    this.drawTimes = [];
    this.player.addEventListener("frame", () => this.draw());
    this.player.addEventListener("play", () => this.showPlaying());
    this.player.addEventListener("rate", () => this.showPlaying());
    this.player.addEventListener("failed", () => this.dispatchEvent(new Event("failed")));
    this.observer = new ResizeObserver(() => {
      this.draw();
      this.regions.draw();
    });
    // After those who keep their sizes: they are told first.
    for (const canvas of [this.overlay, this.regionCanvas]) sizeOf(canvas);
    this.observer.observe(this.overlay);
    this.regionCanvas.addEventListener("click", () => {
      if (!this.regions.drawing && !this.regions.shape && !this.wasDrawing) this.player.toggle();
      this.wasDrawing = Boolean(this.regions.drawing);
    });
  }

  buildControls() {
    this.playButton = iconButton("play", "Play", () => this.player.toggle(), { class: "icon-button play-button" });
    this.time = h("output", { class: "stage-time" }, formatTime(this.clock.firstSeconds));
    this.frameNumber = h("span", { class: "stage-frame-number soft" });
    this.rate = h("span", { class: "stage-rate soft" });
    this.tools = h("div", { class: "stage-tools" });
    return h(
      "div",
      { class: "stage-controls" },
      iconButton("previous", "One frame back", () => this.player.step(-1)),
      this.playButton,
      iconButton("next", "One frame on", () => this.player.step(1)),
      this.time,
      h("span", { class: "soft" }, `/ ${formatTime(this.clock.firstSeconds + this.media.duration_seconds)}`),
      this.frameNumber,
      this.rate,
      this.tools,
    );
  }

  fit() {
    const { width, height } = sizeOf(this.overlay);
    return fitFrame(width, height, this.media.width, this.media.height);
  }

  draw() {
    const before = performance.now();
    const { shown } = this.player;
    const boxes = this.boxes(shown);
    const { context } = prepare(this.overlay);
    drawBoxes(context, this.fit(), boxes ?? []);
    this.badge.hidden = boxes !== null || !this.player.isReady;
    if (boxes === null) this.badge.textContent = "Loading boxes …";
    for (const pane of this.panes) pane.draw(this.video, this.media, shown);
    this.time.textContent = formatTime(shown.seconds);
    this.drawn = boxes;
    this.dispatchEvent(new Event("frame"));
    this.drawTimes.push(performance.now() - before);
    if (this.drawTimes.length > 600) this.drawTimes.shift();
  }

  showPlaying() {
    const { isPlaying, rate, reverse } = this.player;
    const isMoving = isPlaying || Boolean(reverse);
    this.playButton.replaceChildren(icon(isMoving ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", isMoving ? "Pause" : "Play");
    this.playButton.title = isMoving ? "Pause" : "Play";
    this.rate.textContent = Math.abs(rate) === 1 && rate > 0 ? "" : `${rate} ×`.replace("-", "−");
  }

  /** Instead of the picture. @param {...Node} children none: the picture again */
  setNotice(...children) {
    this.notice.replaceChildren(...children);
    this.notice.hidden = !children.length;
  }

  dispose() {
    this.observer.disconnect();
    this.player.dispose();
  }
}

/** The same frame once more, with other boxes: one video, so both are of one moment. */
export class Pane {
  /** @param {string} name @param {any} media @param {(shown: import("./player.js").Shown) => Box[] | null} boxes */
  constructor(name, media, boxes) {
    this.boxes = boxes;
    this.picture = h("canvas", { class: "pane-picture", "aria-hidden": "true" });
    this.overlay = h("canvas", { class: "stage-boxes", "aria-hidden": "true" });
    this.label = h("div", { class: "pane-name" }, name);
    this.element = h(
      "div",
      { class: "stage-frame", style: `--aspect:${media.width} / ${media.height}` },
      this.picture,
      this.overlay,
      this.label,
    );
  }

  /** @param {HTMLVideoElement} video @param {any} media @param {import("./player.js").Shown} shown */
  draw(video, media, shown) {
    const { context, width, height } = prepare(this.picture);
    const fit = fitFrame(width, height, media.width, media.height);
    context.drawImage(video, fit.left, fit.top, media.width * fit.scale, media.height * fit.scale);
    this.drawn = this.boxes(shown);
    drawBoxes(prepare(this.overlay).context, fit, this.drawn ?? []);
  }
}
