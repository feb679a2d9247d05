/** The lists beside the picture: labels with their counts, and tracks. */

import { fill, h } from "./dom.js";
import { formatCount, formatTime, plural } from "./format.js";

/** @typedef {import("./filter.js").Filter} Filter @typedef {import("./colors.js").LabelColors} LabelColors */
/** @typedef {import("./lanes.js").Track} Track */

const TRACKS_LISTED = 200;
const DRAW_SOON_MS = 120;

export class LabelList {
  /** What the list shows now. */
  drawnKey = "";

  /** @param {Filter} filter @param {LabelColors} colors */
  constructor(filter, colors) {
    this.filter = filter;
    this.colors = colors;
    /** @type {{label: string, count: number}[]} */
    this.labels = [];
    this.search = h("input", {
      type: "search",
      placeholder: "Find a label",
      "aria-label": "Find a label",
      oninput: () => this.draw(),
    });
    this.list = h("ul", { class: "labels" });
    this.all = h("button", {
      type: "button",
      class: "link-button",
      onclick: () => filter.set({ labels: filter.labels ? null : new Set() }),
    });
    this.element = h("div", {}, h("div", { class: "row" }, this.search, this.all), this.list);
  }

  /** @param {{label: string, count: number}[]} labels */
  set(labels) {
    this.labels = labels;
    this.draw();
  }

  draw() {
    const wanted = this.search.value.toLowerCase();
    const rows = this.labels.map(({ label, count }) => `${label} ${count} ${this.filter.shows(label)}`);
    const key = [wanted, document.documentElement.dataset.theme, ...rows].join("|");
    if (key === this.drawnKey) return;
    this.drawnKey = key;
    const names = this.labels.map(({ label }) => label);
    this.all.textContent = this.filter.labels ? "Show all" : "Hide all";
    const focused = document.activeElement?.getAttribute("data-focus");
    const found = this.labels.filter(({ label }) => label.toLowerCase().includes(wanted));
    fill(
      this.list,
      found.map(({ label, count }) =>
        h(
          "li",
          { class: "label-row" },
          h(
            "label",
            { class: "check" },
            h("input", {
              type: "checkbox",
              checked: this.filter.shows(label),
              "data-focus": `label ${label}`,
              onchange: () => this.filter.toggle(label, names),
            }),
            h("span", { class: "dot", style: `background:${this.colors.onPage(label)}` }),
            h("span", { class: "label-name" }, label),
          ),
          h("span", { class: "soft count" }, formatCount(count)),
          h(
            "button",
            {
              type: "button",
              class: "link-button",
              "aria-label": `Show only ${label}`,
              onclick: () => this.filter.set({ labels: new Set([label]) }),
            },
            "only",
          ),
        ),
      ),
      found.length ? null : h("li", { class: "soft" }, this.labels.length ? "No such label" : "Nothing found yet"),
    );
    if (focused) this.list.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }
}

export class TrackList {
  /** @param {Filter} filter @param {LabelColors} colors @param {(track: Track | null) => void} onTrack */
  constructor(filter, colors, onTrack) {
    this.filter = filter;
    this.colors = colors;
    this.onTrack = onTrack;
    /** @type {Track[]} */
    this.tracks = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.isOver = false;
    this.isTracking = true;
    this.search = h("input", {
      type: "search",
      placeholder: "Label or number",
      "aria-label": "Find a track",
      oninput: () => this.draw(),
    });
    this.list = h("ul", { class: "tracks" });
    this.count = h("p", { class: "soft", role: "status" });
    this.element = h("div", {}, h("div", { class: "row" }, this.search), this.count, this.list);
  }

  /** @param {Track[]} tracks @param {boolean} isTracking @param {boolean} isOver */
  set(tracks, isTracking, isOver) {
    this.tracks = tracks;
    this.isTracking = isTracking;
    this.isOver = isOver;
    this.drawSoon();
  }

  /** A slider that is dragged changes the list with every frame: now and then is enough. */
  drawSoon() {
    this.timer ??= setTimeout(() => this.draw(), DRAW_SOON_MS);
  }

  draw() {
    clearTimeout(this.timer);
    this.timer = undefined;
    // Nobody sees it: it is drawn when its tab is opened.
    if (this.element.closest("[hidden]")) return;
    const wanted = this.search.value.toLowerCase().replace("#", "").trim();
    const found = this.tracks.filter(
      (track) =>
        this.filter.shows(track.label) &&
        track.scoreMax >= this.filter.scoreMin &&
        (!wanted || String(track.id) === wanted || track.label.toLowerCase().includes(wanted)),
    );
    this.count.textContent = found.length
      ? plural(found.length, "track")
      : !this.isTracking
        ? "This job was run without tracking."
        : this.isOver
          ? "No tracks with these filters."
          : "Tracks come as the video is analysed.";
    fill(
      this.list,
      found.slice(0, TRACKS_LISTED).map((track) => {
        const isChosen = this.filter.track === track.id;
        return h(
          "li",
          { class: isChosen ? "track-row is-chosen" : "track-row" },
          h(
            "button",
            {
              type: "button",
              class: "track-button",
              "aria-pressed": String(isChosen),
              onclick: () => this.onTrack(isChosen ? null : track),
            },
            h("span", { class: "dot", style: `background:${this.colors.onPage(track.label)}` }),
            h("span", { class: "label-name" }, `${track.label} #${track.id}`),
            h("span", { class: "soft" }, `${formatTime(track.start)} – ${formatTime(track.end)}`),
            h("span", { class: "soft count" }, track.scoreMax.toFixed(2)),
          ),
        );
      }),
      found.length > TRACKS_LISTED
        ? h(
            "li",
            { class: "soft" },
            `and ${formatCount(found.length - TRACKS_LISTED)} more: search, or zoom the timeline`,
          )
        : null,
    );
  }
}

/** Tabs with their panels. @param {[string, any][]} tabs @param {(name: string) => void} [onChange] */
export function tabs(tabs, onChange) {
  const buttons = tabs.map(([name], at) =>
    h(
      "button",
      { type: "button", role: "tab", id: `tab-${at}`, "aria-controls": `panel-${at}`, onclick: () => choose(at) },
      name,
    ),
  );
  const panels = tabs.map(([, content], at) =>
    h("div", { role: "tabpanel", id: `panel-${at}`, "aria-labelledby": `tab-${at}`, tabindex: "0" }, content),
  );
  const list = h("div", { role: "tablist", class: "tabs", "aria-label": "Results" }, buttons);
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const move = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!move) return;
    const at = (buttons.indexOf(document.activeElement) + move + buttons.length) % buttons.length;
    choose(at);
    buttons[at].focus();
  });
  /** @param {number} chosen */
  function choose(chosen) {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === chosen));
      button.tabIndex = at === chosen ? 0 : -1;
      panels[at].hidden = at !== chosen;
    });
    onChange?.(tabs[chosen][0]);
  }
  choose(0);
  return { element: h("div", { class: "tabbed" }, list, panels), choose };
}
