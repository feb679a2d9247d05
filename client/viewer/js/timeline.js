/** The timeline: a ruler, what was analysed, a lane for each label, and below an opened one a row for each track. */

import { fill, h, icon, iconButton } from "./dom.js";
import { measureDensity } from "./density.js";
import { formatTime, speakTime } from "./format.js";
import { packTracks, tracksInSight } from "./lanes.js";
import { prepare } from "./overlay.js";
import { themeChanges, themeColor } from "./theme.js";

/** @typedef {import("./lanes.js").Track} Track */

const LANE_HEIGHT = 30;
const TRACK_HEIGHT = 16;
const COLUMN_WIDTH = 2;
const RULER_HEIGHT = 26;
const ZOOM_STEP = 1.25;
const TILES_IN_VIEW_MAX = 16;
const TICK_SECONDS = [0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/** A stretch of time in a lane of its own: what a query found, what was not analysed. */
/** @typedef {{start: number, end: number}} Span */

/**
 * @typedef {object} TimelineParts
 * @property {import("./store.js").Store} store
 * @property {import("./filter.js").Filter} filter
 * @property {import("./counts.js").Counts} counts
 * @property {import("./colors.js").LabelColors} colors
 * @property {number} start seconds
 * @property {number} end
 * @property {(seconds: number) => void} onSeek
 * @property {(seconds: number | null, x: number) => void} onHover
 * @property {(track: Track | null) => void} onTrack
 */

export class Timeline {
  /** What the names on the left show now. */
  gutterKey = "";
  /** How long a frame lasts on average; 0: not known. */
  frameSeconds = 0;

  /** @param {TimelineParts} parts */
  constructor(parts) {
    this.parts = parts;
    this.start = parts.start;
    this.end = parts.end;
    this.seconds = parts.start;
    /** @type {string[]} */
    this.labels = [];
    /** @type {Set<string>} */
    this.opened = new Set();
    /** @type {Track[]} */
    this.tracks = [];
    /** @type {{name: string, color: string, spans: Span[], weights?: number[]}[]} */
    this.extraLanes = [];
    /** @type {{done: Span[], failed: Span[]}} */
    this.coverage = { done: [], failed: [] };
    this.isDirty = false;
    /** Of the track; asking the element in every frame would have the page laid out each time. */
    this.width = 1;
    /** Milliseconds that drawing took, newest last: what keeps it smooth is tested. @type {number[]} */
    this.drawTimes = [];
    /** @type {{y: number, height: number, tracks: Track[]}[]} */
    this.trackRows = [];
    this.build();
    this.dispose = this.listen();
    this.redraw();
  }

  build() {
    this.ruler = h("canvas", { class: "timeline-ruler" });
    this.lanes = h("canvas", { class: "timeline-lanes" });
    this.gutter = h("div", { class: "timeline-gutter" });
    this.playhead = h("div", { class: "timeline-playhead" }, h("span", { class: "timeline-playhead-time" }));
    this.hoverLine = h("div", { class: "timeline-hover", hidden: true });
    this.track = h(
      "div",
      {
        class: "timeline-track",
        role: "slider",
        tabindex: "0",
        "aria-label": "Time in the video",
        "aria-valuemin": this.parts.start.toFixed(2),
        "aria-valuemax": this.parts.end.toFixed(2),
        "aria-valuenow": this.parts.start.toFixed(2),
      },
      this.ruler,
      this.lanes,
      this.hoverLine,
      this.playhead,
    );
    const zoom = (/** @type {number} */ factor) => () => this.zoom(factor, this.seconds);
    this.tools = h(
      "div",
      { class: "timeline-tools" },
      iconButton("minus", "Zoom out", zoom(ZOOM_STEP * ZOOM_STEP)),
      iconButton("plus", "Zoom in", zoom(1 / ZOOM_STEP / ZOOM_STEP)),
      iconButton("fit", "Show all", () => this.showAll()),
    );
    this.body = h("div", { class: "timeline-body" }, this.gutter, this.track);
    this.element = h("section", { class: "timeline panel", "aria-label": "Timeline" }, this.body);
  }

  listen() {
    const redraw = () => this.redraw();
    const observer = new ResizeObserver(([entry]) => {
      this.width = entry.contentRect.width || 1;
      this.redraw();
    });
    observer.observe(this.track);
    const { store, filter } = this.parts;
    store.addEventListener("change", redraw);
    filter.addEventListener("change", redraw);
    themeChanges.addEventListener("change", redraw);
    this.listenToMouse();
    return () => {
      observer.disconnect();
      store.removeEventListener("change", redraw);
      filter.removeEventListener("change", redraw);
      themeChanges.removeEventListener("change", redraw);
      cancelAnimationFrame(this.frame ?? 0);
    };
  }

  listenToMouse() {
    /** @type {{x: number, start: number, end: number, isPanning: boolean} | null} */
    let drag = null;
    this.track.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      if (event.button > 1) return;
      this.track.setPointerCapture(event.pointerId);
      const onRuler = this.yOf(event) < RULER_HEIGHT;
      drag = { x: event.clientX, start: this.start, end: this.end, isPanning: event.button === 1 || event.shiftKey };
      if (onRuler && !drag.isPanning) this.parts.onSeek(this.timeAt(event));
    });
    this.track.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      const seconds = this.timeAt(event);
      this.hover(seconds);
      this.parts.onHover(seconds, event.clientX);
      if (!drag) return;
      if (drag.isPanning) {
        const shift = ((drag.x - event.clientX) / this.width) * (drag.end - drag.start);
        this.setView(drag.start + shift, drag.end + shift);
      } else this.parts.onSeek(seconds);
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (drag && !drag.isPanning && event.type === "pointerup") this.click(event);
      drag = null;
    };
    this.track.addEventListener("pointerup", end);
    this.track.addEventListener("pointercancel", end);
    this.track.addEventListener("pointerleave", () => {
      this.hover(null);
      this.parts.onHover(null, 0);
    });
    this.track.addEventListener(
      "wheel",
      (/** @type {WheelEvent} */ event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) {
          event.preventDefault();
          this.zoom(ZOOM_STEP ** Math.sign(event.deltaY), this.timeAt(event));
        } else if (event.deltaX || event.shiftKey) {
          event.preventDefault();
          const shift = ((event.deltaX || event.deltaY) / this.width) * (this.end - this.start);
          this.setView(this.start + shift, this.end + shift);
        }
      },
      { passive: false },
    );
  }

  /** @param {MouseEvent} event */
  timeAt(event) {
    const x = event.clientX - this.track.getBoundingClientRect().left;
    const seconds = this.start + (x / this.width) * (this.end - this.start);
    return Math.min(this.parts.end, Math.max(this.parts.start, seconds));
  }

  /** @param {MouseEvent} event */
  yOf(event) {
    return event.clientY - this.track.getBoundingClientRect().top;
  }

  /** @param {PointerEvent} event */
  click(event) {
    const [seconds, y] = [this.timeAt(event), this.yOf(event) - RULER_HEIGHT];
    const row = this.trackRows.find((each) => y >= each.y && y < each.y + each.height);
    const slack = ((this.end - this.start) / this.width) * 4;
    const track = row?.tracks.find((each) => each.start - slack <= seconds && each.end + slack >= seconds) ?? null;
    if (row) this.parts.onTrack(track);
    this.parts.onSeek(seconds);
  }

  /** @param {number | null} seconds */
  hover(seconds) {
    this.hoverLine.hidden = seconds === null;
    if (seconds !== null) this.hoverLine.style.transform = `translateX(${this.xOf(seconds)}px)`;
  }

  /** @param {number} seconds */
  xOf(seconds) {
    return ((seconds - this.start) / (this.end - this.start)) * this.width;
  }

  /** @param {number} start @param {number} end */
  setView(start, end) {
    const { start: first, end: last } = this.parts;
    const span = Math.min(last - first, Math.max(Math.min(0.5, last - first), end - start));
    this.start = Math.min(Math.max(first, start), last - span);
    this.end = this.start + span;
    this.redraw();
  }

  showAll() {
    this.setView(this.parts.start, this.parts.end);
  }

  /** @param {number} factor below 1: in @param {number} around seconds that stay where they are */
  zoom(factor, around) {
    const middle = Math.min(this.end, Math.max(this.start, around));
    this.setView(middle - (middle - this.start) * factor, middle + (this.end - middle) * factor);
  }

  /** Move the playhead; the view follows when it runs out. @param {number} seconds @param {boolean} follows */
  setTime(seconds, follows) {
    this.seconds = seconds;
    const span = this.end - this.start;
    if (follows && (seconds < this.start || seconds > this.end)) {
      this.setView(seconds - span * 0.1, seconds + span * 0.9);
    }
    this.placePlayhead();
  }

  placePlayhead() {
    const x = this.xOf(this.seconds);
    this.playhead.style.transform = `translateX(${x}px)`;
    this.playhead.hidden = x < -1 || x > this.width + 1;
    this.playhead.firstChild.textContent = formatTime(this.seconds);
    this.playhead.classList.toggle("is-right", x > this.width - 70);
    this.track.setAttribute("aria-valuenow", this.seconds.toFixed(2));
    this.track.setAttribute("aria-valuetext", speakTime(this.seconds));
  }

  /** @param {string[]} labels */
  setLabels(labels) {
    if (labels.join("|") === this.labels.join("|")) return;
    this.labels = labels;
    this.redraw();
  }

  /** At the next frame, once. */
  redraw() {
    if (this.isDirty) return;
    this.isDirty = true;
    this.frame = requestAnimationFrame(() => {
      this.isDirty = false;
      const before = performance.now();
      this.draw();
      this.drawTimes.push(performance.now() - before);
      if (this.drawTimes.length > 600) this.drawTimes.shift();
    });
  }

  draw() {
    const { store, filter, counts } = this.parts;
    // Further out the counts of the service are fine enough.
    if ((this.end - this.start) / store.tileSeconds <= TILES_IN_VIEW_MAX)
      store.want("timeline", this.start, this.end, this.seconds);
    else store.unwant("timeline");
    const columns = Math.max(1, Math.floor(this.width / COLUMN_WIDTH));
    const density = measureDensity(store, filter, counts, this.start, this.end, columns);
    const rows = this.layOut();
    this.drawGutter(rows);
    this.lanes.style.height = `${rows.height}px`;
    const { context } = prepare(this.lanes, rows.height);
    this.drawGrid(context, rows.height);
    for (const row of rows.rows) {
      if (row.kind === "label") this.drawDensity(context, row, density);
      else if (row.kind === "tracks") this.drawTracks(context, row);
      else this.drawSpans(context, row);
    }
    this.drawRuler();
    this.placePlayhead();
  }

  layOut() {
    const { filter } = this.parts;
    /** @type {any[]} */
    const rows = [];
    let y = 0;
    const put = (/** @type {any} */ row) => {
      rows.push({ ...row, y });
      y += row.height;
    };
    for (const lane of this.extraLanes) put({ kind: "spans", height: LANE_HEIGHT, lane });
    this.trackRows = [];
    const gap = ((this.end - this.start) / this.width) * 3;
    for (const label of this.labels) {
      if (!filter.shows(label)) continue;
      put({ kind: "label", height: LANE_HEIGHT, label });
      if (!this.opened.has(label)) continue;
      const packed = packTracks(tracksInSight(this.tracks, label, filter, this.start, this.end), gap);
      for (const tracks of packed.rows) {
        this.trackRows.push({ y, height: TRACK_HEIGHT, tracks });
        put({ kind: "tracks", height: TRACK_HEIGHT, label, tracks });
      }
      if (packed.left || !packed.rows.length) put({ kind: "note", height: TRACK_HEIGHT, label, left: packed.left });
    }
    return { rows, height: Math.max(y, LANE_HEIGHT) };
  }

  /** @param {{rows: any[]}} layout */
  drawGutter({ rows }) {
    const { filter, colors } = this.parts;
    const names =
      rows.map((row) => `${row.kind}:${row.label ?? row.lane?.name}:${row.left ?? ""}`).join("|") +
      [...this.opened].join("|");
    const key = names + document.documentElement.dataset.theme + filter.track + this.tracks.length;
    if (key === this.gutterKey) return;
    this.gutterKey = key;
    const focused = document.activeElement?.getAttribute("data-lane");
    const children = rows.map((row) => {
      if (row.kind === "spans") return h("div", { class: "lane-name", style: `height:${row.height}px` }, row.lane.name);
      if (row.kind === "note") {
        const text = row.left ? `+ ${row.left} more: zoom in` : "no tracks here";
        return h("div", { class: "lane-note", style: `height:${row.height}px` }, text);
      }
      if (row.kind === "tracks") return h("div", { style: `height:${row.height}px` });
      const isOpen = this.opened.has(row.label);
      return h(
        "button",
        {
          type: "button",
          class: "lane-name lane-toggle",
          style: `height:${row.height}px`,
          "data-lane": row.label,
          "aria-expanded": String(isOpen),
          title: isOpen ? "Hide its tracks" : "Show its tracks",
          onclick: () => this.toggle(row.label),
        },
        icon("chevron"),
        h("span", { class: "dot", style: `background:${colors.onPage(row.label)}` }),
        h("span", { class: "lane-label" }, row.label),
      );
    });
    fill(this.gutter, this.tools, ...children);
    if (focused) this.gutter.querySelector(`[data-lane="${CSS.escape(focused)}"]`)?.focus();
  }

  /** @param {string} label */
  toggle(label) {
    if (!this.opened.delete(label)) this.opened.add(label);
    this.redraw();
  }

  /** @param {CanvasRenderingContext2D} context @param {number} height */
  drawGrid(context, height) {
    context.fillStyle = themeColor("--grid");
    for (const { x } of this.ticks()) context.fillRect(Math.round(x), 0, 1, height);
  }

  /** @param {CanvasRenderingContext2D} context @param {any} row @param {import("./density.js").Density} density */
  drawDensity(context, row, density) {
    const counts = density.byLabel.get(row.label);
    context.fillStyle = themeColor("--grid");
    context.fillRect(0, row.y + row.height - 1, this.width, 1);
    if (!counts) return;
    let most = 0;
    for (const count of counts) if (count > most) most = count;
    const color = this.parts.colors.onPage(row.label);
    const frameWidth = this.frameSeconds ? (this.frameSeconds / density.columnSeconds) * COLUMN_WIDTH : 0;
    // Frames that are wide enough to be told apart have a gap between them; narrower ones join to one bar.
    const width = !density.isByFrame
      ? COLUMN_WIDTH
      : frameWidth > 8
        ? frameWidth - 1.5
        : Math.ceil(frameWidth / COLUMN_WIDTH) * COLUMN_WIDTH || COLUMN_WIDTH;
    context.fillStyle = color;
    for (let column = 0; column < counts.length; column++) {
      if (!counts[column]) continue;
      const height = Math.max(3, Math.sqrt(counts[column] / most) * (row.height - 8));
      context.globalAlpha = density.isRough[column] ? 0.4 : 1;
      context.fillRect(column * COLUMN_WIDTH, row.y + row.height - 3 - height, width, height);
    }
    context.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} context @param {any} row */
  drawTracks(context, row) {
    const { filter, colors } = this.parts;
    context.font = "600 10px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (const track of row.tracks) {
      const left = Math.max(-2, this.xOf(track.start));
      const right = Math.min(this.width + 2, this.xOf(track.end));
      const isChosen = filter.track === track.id;
      context.globalAlpha = filter.track === null || isChosen ? 1 : 0.35;
      context.fillStyle = colors.onPage(row.label);
      context.beginPath();
      context.roundRect(left, row.y + 2, Math.max(3, right - left), row.height - 4, 3);
      context.fill();
      if (isChosen) {
        context.strokeStyle = themeColor("--text");
        context.lineWidth = 1.5;
        context.stroke();
      }
      const text = `#${track.id}`;
      if (right - left > context.measureText(text).width + 8) {
        context.fillStyle = themeColor("--on-color");
        context.fillText(text, Math.max(left, 0) + 4, row.y + row.height / 2 + 0.5);
      }
    }
    context.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} context @param {any} row */
  drawSpans(context, row) {
    if (!row.lane) return;
    context.fillStyle = themeColor(row.lane.color);
    for (let at = 0; at < row.lane.spans.length; at++) {
      const span = row.lane.spans[at];
      const left = this.xOf(span.start);
      const width = Math.max(3, this.xOf(span.end) - left);
      if (left > this.width || left + width < 0) continue;
      context.globalAlpha = row.lane.weights ? 0.15 + 0.85 * row.lane.weights[at] : 1;
      context.fillRect(left, row.y + 6, row.lane.weights ? width - 1 : width, row.height - 12);
    }
    context.globalAlpha = 1;
  }

  ticks() {
    const span = this.end - this.start;
    const step = TICK_SECONDS.find((seconds) => (seconds / span) * this.width >= 78) ?? 7200;
    const found = [];
    for (let tick = Math.ceil(this.start / step); tick * step <= this.end; tick++) {
      found.push({ seconds: tick * step, x: this.xOf(tick * step), step });
    }
    return found;
  }

  drawRuler() {
    const { context, height } = prepare(this.ruler);
    context.fillStyle = themeColor("--coverage-none");
    context.fillRect(0, height - 4, this.width, 4);
    for (const [spans, color] of /** @type {[Span[], string][]} */ ([
      [this.coverage.done, "--coverage-done"],
      [this.coverage.failed, "--danger"],
    ])) {
      context.fillStyle = themeColor(color);
      for (const span of spans) {
        const left = this.xOf(span.start);
        context.fillRect(left, height - 4, Math.max(1, this.xOf(span.end) - left - 1), 4);
      }
    }
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (const { seconds, x, step } of this.ticks()) {
      context.fillStyle = themeColor("--border-strong");
      context.fillRect(Math.round(x), height - 10, 1, 6);
      context.fillStyle = themeColor("--text-soft");
      const text = formatTime(seconds, step < 1 ? 2 : 0);
      if (x + context.measureText(text).width + 8 < this.width) context.fillText(text, x + 4, 10);
    }
  }
}
