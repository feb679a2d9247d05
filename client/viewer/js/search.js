/** The panel that asks in the query language, and lists what was found as places to go to. */

import { fill, h, icon, iconButton } from "./dom.js";
import { formatCount, formatTime } from "./format.js";
import { problemBox } from "./problems.js";
import { readShape, shapeQuery } from "./regions.js";

/** @typedef {import("./api.js").Api} Api @typedef {import("./regions.js").RegionEditor} RegionEditor */

const LISTED_MAX = 500;

/** One line of the list. @typedef {{start: number, end: number, text: string, detail: string, track: number | null}} Found */

export class SearchPanel extends EventTarget {
  /**
   * @param {Api} api
   * @param {() => string} jobId
   * @param {RegionEditor} regions
   * @param {() => string[] | null} labels those shown; null: all
   * @param {string[]} examples labels that are there
   * @param {(seconds: number, track: number | null) => void} onGo
   */
  constructor(api, jobId, regions, labels, examples, onGo) {
    super();
    this.api = api;
    this.jobId = jobId;
    this.regions = regions;
    this.labels = labels;
    this.examples = examples;
    this.onGo = onGo;
    /** @type {Found[]} */
    this.found = [];
    this.q = "";
    this.abort = new AbortController();
    this.build();
    regions.addEventListener("drawn", () => this.askShape());
    regions.addEventListener("change", () => this.showTools());
  }

  build() {
    this.input = h("textarea", {
      rows: "2",
      id: "query",
      spellcheck: "false",
      placeholder: 'appearances where label = "person"',
    });
    this.input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        this.ask(this.input.value);
      }
    });
    this.kind = h(
      "select",
      { "aria-label": "What to ask about the region", onchange: () => this.askShape() },
      h("option", { value: "detections" }, "Detections inside"),
      h("option", { value: "tracks" }, "Tracks inside"),
      h("option", { value: "dwell" }, "How long each stays inside"),
    );
    this.shapeTools = h("div", { class: "shape-tools" });
    this.results = h("div", { class: "results" });
    this.element = h(
      "div",
      { class: "search" },
      h("label", { class: "field", for: "query" }, h("span", {}, "Ask in the query language")),
      this.input,
      h(
        "div",
        { class: "row" },
        h(
          "button",
          { type: "button", class: "button primary", onclick: () => this.ask(this.input.value) },
          icon("search"),
          "Search",
        ),
        iconButton("polygon", "Draw a region on the picture (R)", () => this.regions.begin("polygon")),
        iconButton("line", "Draw a line that is crossed", () => this.regions.begin("line")),
      ),
      this.shapeTools,
      this.results,
    );
    this.showExamples();
    this.showTools();
  }

  showExamples() {
    const [first = "person", second = "car"] = this.examples;
    const asked = [
      `appearances where label = "${first}"`,
      `best detection per track where score > 0.6`,
      `tracks where label = "${first}" overlaps tracks where label = "${second}"`,
      `appearances longest 5`,
    ];
    fill(
      this.results,
      h("p", { class: "soft" }, "For example:"),
      asked.map((q) => h("button", { type: "button", class: "example", onclick: () => this.ask(q) }, q)),
    );
  }

  showTools() {
    const { drawing, shape } = this.regions;
    const clear = iconButton("close", "Remove the shape", () => this.clear());
    if (drawing) {
      const text =
        drawing === "line"
          ? "Click the two ends of the line."
          : "Click the corners; double-click, or the first corner, ends it.";
      fill(this.shapeTools, h("p", { class: "drawing-note" }, text), clear);
    } else if (shape) {
      const text = shape.kind === "line" ? "Who crosses the line: the arrow is left to right." : null;
      fill(this.shapeTools, text ? h("p", { class: "soft" }, text) : this.kind, clear);
    } else fill(this.shapeTools);
  }

  askShape() {
    const { shape } = this.regions;
    if (shape) this.ask(shapeQuery(shape, this.labels(), this.kind.value));
  }

  clear() {
    this.regions.set(null);
    this.ask("");
  }

  /** @param {string} text */
  async ask(text) {
    this.abort.abort();
    const abort = (this.abort = new AbortController());
    this.q = text.trim();
    this.input.value = this.q;
    this.found = [];
    this.dispatchEvent(new Event("change"));
    if (!this.q) {
      this.showExamples();
      return;
    }
    if (!this.regions.drawing && !this.regions.shape) this.regions.set(readShape(this.q));
    fill(this.results, h("p", { class: "soft" }, h("span", { class: "spinner" }), " Searching …"));
    try {
      for await (const page of this.api.pages(`/jobs/${this.jobId()}/query`, { q: this.q, limit: 200 }, abort.signal)) {
        this.found.push(...page.items.map((/** @type {any} */ item) => toFound(page.kind, item)));
        this.show(Boolean(page.next_cursor));
        this.dispatchEvent(new Event("change"));
        if (this.found.length >= LISTED_MAX) break;
      }
    } catch (error) {
      if (!abort.signal.aborted) fill(this.results, problemBox(error));
    }
  }

  /** @param {boolean} isMore */
  show(isMore) {
    const count = `${formatCount(this.found.length)}${isMore ? "+" : ""} found`;
    fill(
      this.results,
      h(
        "p",
        { class: "soft", role: "status" },
        this.found.length || isMore ? count : "Nothing found. Lower the score, or ask for another label.",
      ),
      h(
        "ol",
        { class: "found" },
        this.found
          .slice(0, LISTED_MAX)
          .map((item) =>
            h(
              "li",
              {},
              h(
                "button",
                { type: "button", class: "found-item", onclick: () => this.onGo(item.start, item.track) },
                h("span", { class: "found-time" }, formatTime(item.start)),
                h("span", {}, item.text),
                h("span", { class: "soft" }, item.detail),
              ),
            ),
          ),
      ),
    );
  }
}

/** @param {string} kind @param {any} item @returns {Found} */
function toFound(kind, item) {
  const track = item.track_id ?? null;
  const name = `${item.label ?? ""}${track ? ` #${track}` : ""}`;
  switch (kind) {
    case "detections":
      return { start: item.time_seconds, end: item.time_seconds, text: name, detail: item.score.toFixed(2), track };
    case "buckets":
      return {
        start: item.start_seconds ?? 0,
        end: item.end_seconds ?? 0,
        text: item.label ?? "all",
        detail: formatCount(item.count),
        track,
      };
    case "dwells":
      return {
        start: item.first_seconds,
        end: item.last_seconds,
        text: name,
        detail: `${item.dwell_seconds.toFixed(1)} s inside`,
        track,
      };
    case "pairs": {
      const sides = [item.left, item.right].map((side) => side.label + (side.track_id ? ` #${side.track_id}` : ""));
      return {
        start: item.first_seconds,
        end: item.last_seconds,
        text: `${sides[0]} ${item.relation} ${sides[1]}`,
        detail: "",
        track: item.left.track_id ?? null,
      };
    }
    default: {
      const crossed = item.crossings?.[0]?.time_seconds;
      const detail =
        crossed === undefined ? `until ${formatTime(item.last_seconds)}` : `crosses at ${formatTime(crossed)}`;
      return { start: crossed ?? item.first_seconds, end: item.last_seconds, text: name, detail, track };
    }
  }
}
