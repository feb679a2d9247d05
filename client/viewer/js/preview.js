/** The small picture above the timeline, of the moment that the mouse is over. */

import { h } from "./dom.js";
import { formatTime } from "./format.js";

/** @typedef {import("./thumbnails.js").Thumbnails} Thumbnails */

const HALF_WIDTH = 92;

export class Preview {
  constructor() {
    this.picture = h("div", { class: "thumbnail-picture" });
    this.time = h("span", {});
    this.element = h("div", { class: "thumbnail", hidden: true }, this.picture, this.time);
    /** @type {Thumbnails | null} */
    this.thumbnails = null;
  }

  /** Where pictures come from, from now on. @param {Thumbnails | null} thumbnails null: there are none */
  use(thumbnails) {
    this.thumbnails?.dispose();
    this.thumbnails = thumbnails;
    this.picture.replaceChildren(...(thumbnails ? [thumbnails.canvas] : []));
  }

  /**
   * @param {number | null} seconds null: hide
   * @param {number} x from the left edge of the timeline
   * @param {number} width of the timeline
   */
  show(seconds, x, width) {
    this.element.hidden = seconds === null;
    if (seconds === null) return;
    this.thumbnails?.show(seconds);
    this.time.textContent = formatTime(seconds);
    const left = Math.min(width - HALF_WIDTH, Math.max(HALF_WIDTH, x));
    this.element.style.transform = `translateX(calc(${left}px - 50%))`;
  }
}
