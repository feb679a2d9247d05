/** The results of a job on its video: picture, timeline and lists, and what ties them together. */

import { FrameClock } from "./clock.js";
import { LabelColors } from "./colors.js";
import { Comparison } from "./comparison.js";
import { Counts } from "./counts.js";
import { h, iconButton } from "./dom.js";
import { Filter } from "./filter.js";
import { tickSeconds } from "./format.js";
import { bindKeys } from "./keys.js";
import { toTrack } from "./lanes.js";
import { replacePlace } from "./links.js";
import { LabelList, TrackList, tabs } from "./lists.js";
import { boxesAt } from "./overlay.js";
import { ENDED } from "./events.js";
import { Playback } from "./playback.js";
import { problemBox } from "./problems.js";
import { readShape } from "./regions.js";
import { keysOf } from "./results_keys.js";
import { SearchPanel } from "./search.js";
import { Stage } from "./stage.js";
import { Store } from "./store.js";
import { themeChanges } from "./theme.js";
import { Timeline } from "./timeline.js";

/** @typedef {import("./main.js").App} App @typedef {import("./links.js").Place} Place */

const TRACKS_MAX = 20_000;
/** More rows are stored than are counted: those below the threshold. */
const ROWS_PER_COUNTED = 10;

export class Results {
  /** @type {HTMLInputElement} */
  scoreInput;
  /** @type {HTMLOutputElement} */
  scoreText;
  /** @type {LabelList} */
  labelList;
  /** @type {TrackList} */
  trackList;
  /** @type {SearchPanel} */
  search;
  /** Which of the tabs is the search. @type {number} */
  searchTab;
  /** @type {ReturnType<typeof tabs>} */
  tabs;
  /** @type {Stage} */
  stage;

  /**
   * @param {App} app
   * @param {any} video
   * @param {any} job
   * @param {number} firstPts of the video's first frame
   * @param {any[]} models
   * @param {any} other the job it is compared with
   * @param {Place} place
   */
  constructor(app, video, job, firstPts, models, other, place) {
    this.app = app;
    this.video = video;
    this.job = job;
    this.other = other;
    this.place = place;
    this.abort = new AbortController();
    this.tick = tickSeconds(video.media.timebase);
    /** Seconds of the stream, which need not begin at zero. */
    this.startSeconds = firstPts * this.tick;
    this.endSeconds = this.startSeconds + video.media.duration_seconds;
    this.heldSeconds = heldSecondsOf(job.sampling);
    this.colors = new LabelColors();
    this.scoreDefault = job.score_min ?? defaultScore(job, models);
    this.filter = new Filter(place.score ?? this.scoreDefault, place.labels);
    this.filter.track = place.track;
    this.counts = new Counts();
    this.store = this.makeStore(job);
    /** @type {any[]} */
    this.tracks = [];
    this.stage = new Stage(video.media, new FrameClock(this.tick, firstPts), (shown) => this.boxesOf(shown));
    this.playback = new Playback(app.api, video, this.stage);
    this.timeline = new Timeline({
      store: this.store,
      filter: this.filter,
      counts: this.counts,
      colors: this.colors,
      start: this.startSeconds,
      end: this.endSeconds,
      onSeek: (seconds) => this.stage.player.seek(seconds),
      onHover: (seconds, x) => this.hover(seconds, x),
      onTrack: (track) => this.chooseTrack(track, false),
    });
    this.timeline.frameSeconds = this.stage.frameSeconds;
    this.comparison = other ? new Comparison(this, other, this.makeStore(other)) : null;
    this.build();
    this.listen();
  }

  get seconds() {
    return this.stage.player.shown.seconds;
  }

  /** @param {any} job */
  makeStore(job) {
    const counted = job.summary?.detections ?? 0;
    return new Store(this.app.api, job.job_id, {
      startSeconds: this.startSeconds,
      endSeconds: this.endSeconds,
      tickSeconds: this.tick,
      expectedRows: counted * ROWS_PER_COUNTED,
    });
  }

  build() {
    this.labelList = new LabelList(this.filter, this.colors);
    this.trackList = new TrackList(this.filter, this.colors, (track) => this.chooseTrack(track, true));
    const examples = (this.job.summary?.labels ?? []).map((/** @type {any} */ each) => each.label);
    this.search = new SearchPanel(
      this.app.api,
      () => this.job.job_id,
      this.stage.regions,
      () => (this.filter.labels ? [...this.filter.labels] : null),
      examples,
      (seconds, track) => {
        if (track !== null) this.filter.set({ track });
        this.go(seconds);
      },
    );
    /** @type {[string, any][]} */
    const panels = [
      ["Labels", this.labelList.element],
      ["Tracks", this.trackList.element],
      ["Search", this.search.element],
    ];
    if (this.comparison) panels.unshift(["Difference", this.comparison.panel]);
    this.tabs = tabs(panels, (name) => name === "Tracks" && this.trackList.draw());
    this.searchTab = panels.length - 1;
    this.side = h("aside", { class: "side panel", "aria-label": "Results" }, this.scoreSlider(), this.tabs.element);
    this.stage.tools.append(
      iconButton("polygon", "Draw a region (R)", () => this.drawRegion("polygon")),
      iconButton("line", "Draw a line that is crossed", () => this.drawRegion("line")),
    );
    this.element = h(
      "div",
      { class: this.other ? "results-layout is-comparing" : "results-layout" },
      h(
        "div",
        { class: "results-main" },
        this.stage.element,
        h("div", { class: "timeline-wrap" }, this.playback.preview.element, this.timeline.element),
      ),
      this.side,
    );
    this.comparison?.addPane();
  }

  scoreSlider() {
    this.scoreInput = h("input", {
      type: "range",
      id: "score",
      min: "0",
      max: "1",
      step: "0.01",
      value: this.filter.scoreMin,
    });
    this.scoreText = h("output", { for: "score" }, this.filter.scoreMin.toFixed(2));
    this.scoreInput.addEventListener("change", () => this.comparison?.count());
    this.scoreInput.addEventListener("input", () => this.filter.set({ scoreMin: Number(this.scoreInput.value) }));
    const reset = h(
      "button",
      { type: "button", class: "link-button", onclick: () => this.filter.set({ scoreMin: this.scoreDefault }) },
      "default",
    );
    return h(
      "div",
      { class: "score" },
      h("label", { for: "score" }, "Score at least"),
      this.scoreText,
      reset,
      this.scoreInput,
    );
  }

  listen() {
    this.stage.addEventListener("frame", () => this.onFrame());
    this.stage.player.addEventListener("play", () => this.writeLink());
    this.filter.addEventListener("change", () => this.onFilter());
    this.store.addEventListener("change", () => this.onRows());
    this.store.addEventListener("error", () => this.stage.setNotice(problemBox(this.store.error)));
    this.search.addEventListener("change", () => this.onFound());
    themeChanges.addEventListener("change", () => this.onTheme(), { signal: this.abort.signal });
    this.unbindKeys = bindKeys(keysOf(this));
  }

  async start() {
    this.setJob(this.job);
    this.playback.start();
    this.loadSegments();
    this.comparison?.count();
    if (this.place.t) this.stage.player.seek(this.place.t);
    if (this.place.q) {
      this.tabs.choose(this.searchTab);
      this.stage.regions.set(readShape(this.place.q));
      this.search.ask(this.place.q);
    }
  }

  /** Another moment or other filters of the same job. @param {Place} place */
  apply(place) {
    this.filter.set({
      scoreMin: place.score ?? this.scoreDefault,
      labels: place.labels ? new Set(place.labels) : null,
      track: place.track,
    });
    if (place.t !== null) this.go(place.t);
    if ((place.q ?? "") !== this.search.q) this.search.ask(place.q ?? "");
  }

  /** Another state of the job. @param {any} job */
  setJob(job) {
    const isOver = ENDED.has(job.state);
    const wasOver = this.isOver;
    this.job = job;
    this.isOver = isOver;
    this.showLabels();
    if (isOver && !wasOver) {
      // Tracks are numbered at the end: what was fetched before has none.
      if (wasOver === false) this.store.refresh(this.startSeconds, this.endSeconds);
      this.loadTracks();
      this.loadSegments();
      this.counts.load(this.app.api, job.job_id, this.video.media.duration_seconds, this.abort.signal).then(
        () => this.timeline.redraw(),
        () => {},
      );
    }
    this.trackList.set(this.tracks, job.tracking, isOver);
  }

  /** Results of a stretch of time can be read from now on. @param {number} start @param {number} end */
  addRange(start, end) {
    this.timeline.coverage.done.push({ start, end });
    this.store.refresh(start, Math.max(start, end - 1e-6));
    this.timeline.redraw();
  }

  async loadSegments() {
    const segments = await this.app.api
      .all(`/jobs/${this.job.job_id}/segments`, { limit: 1000 }, this.abort.signal)
      .catch(() => []);
    if (!segments.length) return;
    const spans = (/** @type {string} */ state) =>
      segments
        .filter((each) => each.state === state)
        .map((each) => ({ start: each.start_pts * this.tick, end: each.end_pts * this.tick }));
    // Of a segment that is done, what was damaged is missing all the same.
    const missing = (this.job.missing ?? []).map((/** @type {any} */ each) => ({
      start: each.start_seconds,
      end: each.end_seconds,
    }));
    this.timeline.coverage = { done: spans("DONE"), failed: [...spans("FAILED"), ...missing] };
    this.timeline.redraw();
  }

  async loadTracks() {
    if (!this.job.tracking) return;
    try {
      for await (const page of this.app.api.pages(
        `/jobs/${this.job.job_id}/tracks`,
        { limit: 1000 },
        this.abort.signal,
      )) {
        this.tracks.push(...page.items.map(toTrack));
        this.timeline.tracks = this.tracks;
        this.timeline.redraw();
        this.trackList.set(this.tracks, true, true);
        if (this.tracks.length >= TRACKS_MAX) break;
      }
    } catch {
      // A job that ended without results has no tracks to read.
    }
  }

  showLabels() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const each of this.job.summary?.labels ?? []) counts.set(each.label, 0);
    this.store.labels.all.forEach((label, number) => {
      const count = this.store.histogram.total(number, this.filter.scoreMin);
      if (count || counts.has(label)) counts.set(label, count);
    });
    if (!this.store.isEager) {
      // Not all was fetched: what the job counted, at its own threshold.
      for (const each of this.job.summary?.labels ?? []) counts.set(each.label, each.detections);
    }
    const labels = [...counts]
      .map(([label, count]) => ({ label, count }))
      .sort((a, b) => b.count - a.count || a.label.localeCompare(b.label));
    for (const { label } of labels) this.colors.slot(label);
    this.labelList.set(labels);
    this.timeline.setLabels(
      labels.filter(({ label, count }) => count || this.filter.labels?.has(label)).map(({ label }) => label),
    );
  }

  /** @param {import("./player.js").Shown} shown @returns {import("./overlay.js").Box[] | null} */
  boxesOf(shown) {
    return this.comparison ? (this.comparison.at(shown)?.a ?? null) : this.boxesIn(this.store, shown);
  }

  /** @param {Store} store @param {import("./player.js").Shown} shown */
  boxesIn(store, shown) {
    return boxesAt(store, this.filter, this.colors, this.stage.clock, shown, this.heldSeconds);
  }

  onFrame() {
    const { shown, isPlaying, reverse } = this.stage.player;
    this.timeline.setTime(shown.seconds, isPlaying || Boolean(reverse));
    const reach = this.store.tileSeconds * 2;
    const [start, end] = [
      Math.max(this.startSeconds, shown.seconds - reach / 2),
      Math.min(this.endSeconds, shown.seconds + reach),
    ];
    this.store.want("player", start, end, shown.seconds);
    this.comparison?.store.want("player", start, end, shown.seconds);
    const found = this.store.frameAt(shown.seconds, shown.pts + 1);
    const isExact = found && this.stage.clock.isSame(found.tile.framePts[found.frame], shown.pts);
    this.stage.frameNumber.textContent = this.stage.drawn?.length
      ? `${this.stage.drawn.length} here${isExact ? "" : ", held"}`
      : "";
    this.comparison?.showCounts(shown);
    if (!isPlaying) this.writeLinkSoon();
  }

  onRows() {
    this.showLabels();
    this.stage.draw();
  }

  onFilter() {
    this.scoreInput.value = String(this.filter.scoreMin);
    this.scoreText.textContent = this.filter.scoreMin.toFixed(2);
    this.showLabels();
    this.trackList.drawSoon();
    this.stage.draw();
    this.writeLinkSoon();
  }

  /** Labels have other colours on a dark page. */
  onTheme() {
    this.labelList.draw();
    this.trackList.draw();
  }

  onFound() {
    const lane = {
      name: "Found",
      color: "--accent",
      spans: this.search.found.map(({ start, end }) => ({ start, end })),
    };
    this.timeline.extraLanes = [
      ...this.timeline.extraLanes.filter(({ name }) => name !== "Found"),
      ...(this.search.q ? [lane] : []),
    ];
    this.timeline.redraw();
    this.writeLinkSoon();
  }

  /** @param {import("./lanes.js").Track | null} track @param {boolean} goes */
  chooseTrack(track, goes) {
    this.filter.set({ track: track ? (this.filter.track === track.id && !goes ? null : track.id) : null });
    if (track && goes) this.go(track.start);
  }

  /** @param {number} seconds */
  go(seconds) {
    this.stage.player.seek(seconds);
    const { timeline } = this;
    if (seconds < timeline.start || seconds > timeline.end) {
      const span = timeline.end - timeline.start;
      timeline.setView(seconds - span / 2, seconds + span / 2);
    }
  }

  /** @param {"polygon" | "line"} kind */
  drawRegion(kind) {
    this.stage.player.pause();
    this.tabs.choose(this.searchTab);
    this.stage.regions.begin(kind);
  }

  /** @param {number | null} seconds @param {number} x */
  hover(seconds, x) {
    const area = this.timeline.element.getBoundingClientRect();
    this.playback.preview.show(seconds, x - area.left, area.width);
  }

  /** What the page shows, as an export takes it. */
  filters() {
    return { score_min: this.filter.scoreMin, labels: this.filter.labels ? [...this.filter.labels] : null };
  }

  writeLinkSoon() {
    clearTimeout(this.linkTimer);
    this.linkTimer = setTimeout(() => this.writeLink(), 300);
  }

  writeLink() {
    const { isReady, isBroken } = this.stage.player;
    if (this.abort.signal.aborted || !(isReady || isBroken)) return;
    replacePlace({
      videoId: this.video.video_id,
      job: this.job.job_id,
      other: this.other?.job_id,
      t: this.seconds,
      labels: this.filter.labels ? [...this.filter.labels] : null,
      score: this.filter.scoreMin === this.scoreDefault ? null : this.filter.scoreMin,
      q: this.search.q || null,
      track: this.filter.track,
    });
  }

  dispose() {
    this.abort.abort();
    clearTimeout(this.linkTimer);
    this.unbindKeys?.();
    this.store.close();
    this.comparison?.dispose();
    this.timeline.dispose();
    this.playback.dispose();
    this.stage.dispose();
  }
}

/** How long boxes stay on screen where not every frame was looked at. @param {any} sampling */
function heldSecondsOf(sampling) {
  if (sampling.kind === "every_frame") return 0;
  if (sampling.kind === "per_second") return 1 / sampling.n;
  return 2;
}

/** Where a model says from which score on its detections count. @param {any} job @param {any[]} models */
function defaultScore(job, models) {
  const digests = new Set(job.models.map((/** @type {any} */ model) => model.sha256));
  const scores = models.filter((model) => digests.has(model.sha256)).map((model) => model.score_default);
  return scores.length ? Math.min(...scores) : 0.4;
}
