/**
 * What the stage plays: the video itself or, where the browser cannot, a version that a worker made for browsers. The PTS of
 * that are those of the video, counted from the first frame: what is drawn by PTS lies on the same frames.
 *
 * That version costs a worker's time, so it is offered and not made unasked. One that is there, or on its way, is taken.
 */

import { Problem } from "./api.js";
import { announce, h } from "./dom.js";
import { tickSeconds } from "./format.js";
import { Preview } from "./preview.js";
import { problemBox } from "./problems.js";
import { askRendition, findRendition, followRendition } from "./renditions.js";
import { SheetThumbnails, VideoThumbnails } from "./thumbnails.js";

/** @typedef {import("./api.js").Api} Api @typedef {import("./stage.js").Stage} Stage */

export class Playback {
  /** @param {Api} api @param {any} video @param {Stage} stage */
  constructor(api, video, stage) {
    this.api = api;
    this.video = video;
    this.stage = stage;
    this.preview = new Preview();
    this.abort = new AbortController();
    /** The version that is played instead of the video. @type {string | null} */
    this.proxyId = null;
    /** When the URL runs out, in milliseconds. */
    this.expires = Infinity;
    this.hasSheet = false;
    stage.addEventListener("failed", () => this.failed());
  }

  start() {
    this.load();
    this.loadSheet();
  }

  /** Load what is played, anew when its URL has run out. */
  async load() {
    const { signal } = this.abort;
    try {
      const file = this.proxyId
        ? (await this.api.get(`/videos/${this.video.video_id}/renditions/${this.proxyId}`, {}, signal)).rendition
        : await this.api.get(`/videos/${this.video.video_id}/source`, {}, signal);
      this.expires = Date.parse(file.expires_at);
      if (!this.hasSheet) this.preview.use(new VideoThumbnails(file.url, this.video.media, this.stage.clock));
      this.stage.setNotice();
      // The version begins at zero, whenever the video does.
      const firstSeconds = this.proxyId ? file.first_pts * tickSeconds(file.timebase) : null;
      await this.stage.player.load(file.url, firstSeconds);
    } catch (error) {
      if (!signal.aborted) this.stage.setNotice(problemBox(error));
    }
  }

  /** The sheet of small pictures. Who looks at a video wants them, they are made once and cost little: so they are asked for. */
  async loadSheet() {
    const { signal } = this.abort;
    const { video_id: videoId } = this.video;
    try {
      const known = (await findRendition(this.api, videoId, "thumbnails", signal)) ?? (await this.ask("thumbnails"));
      const sheet = await followRendition(this.api, videoId, known, () => {}, signal);
      if (!sheet.url) return;
      this.hasSheet = true;
      this.preview.use(new SheetThumbnails(sheet.url, sheet.tiles));
    } catch {
      // The video itself has pictures too.
    }
  }

  /** @param {import("./renditions.js").Kind} kind */
  ask(kind) {
    return askRendition(this.api, this.video.video_id, kind);
  }

  /** The URL may have run out, or the browser cannot play this. */
  failed() {
    if (Date.now() > this.expires) {
      const { shown } = this.stage.player;
      this.stage.player.seek(shown.seconds);
      this.load();
      return;
    }
    if (!this.hasSheet) this.preview.use(null);
    if (this.proxyId) {
      const hint = "Timeline, lists and exports work all the same";
      const detail = "It has H.264, which other browsers play.";
      this.stage.setNotice(
        problemBox(
          new Problem({ code: "UNSUPPORTED_CODEC", title: "This browser plays neither version", detail, hint }),
        ),
      );
      return;
    }
    this.takeProxy(() => findRendition(this.api, this.video.video_id, "proxy", this.abort.signal));
  }

  /**
   * Play the version for browsers when it is made, and show until then how that goes.
   * @param {() => Promise<any>} get it; null: nobody asked for one
   */
  async takeProxy(get) {
    const { signal } = this.abort;
    try {
      const asked = await get();
      if (!asked) return this.stage.setNotice(this.offer());
      const show = (/** @type {any} */ proxy) => this.stage.setNotice(progressBox(proxy));
      const proxy = await followRendition(this.api, this.video.video_id, asked, show, signal);
      if (!proxy.url) return this.stage.setNotice(problemBox(proxy.error ?? ended(proxy), this.makeButton("Try again")));
      announce("The version that plays here is made");
      this.proxyId = proxy.rendition_id;
      await this.load();
    } catch (error) {
      if (!signal.aborted) this.stage.setNotice(problemBox(error, this.makeButton("Try again")));
    }
  }

  offer() {
    const { codec, container } = this.video.media;
    return h(
      "div",
      { class: "stage-message", role: "status" },
      h("strong", {}, "This browser cannot play the video"),
      h("span", {}, `It is ${codec} in ${container}. Timeline, lists, search and exports work all the same.`),
      this.makeButton("Make a version that plays here"),
      h("span", { class: "soft" }, "A worker makes it, once, at the cost of its time. It is kept with the video."),
    );
  }

  /** @param {string} text */
  makeButton(text) {
    const onclick = (/** @type {any} */ event) => {
      event.currentTarget.disabled = true;
      this.takeProxy(() => this.ask("proxy"));
    };
    return h("button", { type: "button", class: "button primary", onclick }, text);
  }

  dispose() {
    this.abort.abort();
    this.preview.use(null);
  }
}

/** @param {any} proxy */
function progressBox(proxy) {
  const isQueued = proxy.state === "QUEUED";
  return h(
    "div",
    { class: "stage-message", role: "status" },
    h("strong", {}, "Making a version that plays here"),
    h("progress", { class: "bar", "aria-label": "Making a version that plays here" }),
    h("span", {}, isQueued ? "Waiting for a worker" : "A worker is encoding it"),
    h("span", { class: "soft" }, "It plays as soon as it is there. You can leave: it goes on."),
  );
}

/** @param {any} proxy one that ended without a file and without an error */
function ended(proxy) {
  const title = "The version that plays here was not made";
  return new Problem({ title, detail: `It ended as ${proxy.state}`, hint: "Have it made again" });
}
