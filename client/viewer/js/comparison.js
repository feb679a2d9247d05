/** Another job of the same video beside the one that is shown: a second picture of each frame, and the differences. */

import { changeLane, loadDiff, matchBoxes, showDiff } from "./compare.js";
import { fill, h } from "./dom.js";
import { problemBox } from "./problems.js";
import { Pane } from "./stage.js";

/** @typedef {import("./results.js").Results} Results @typedef {import("./player.js").Shown} Shown */

/** What the counts below the pictures are of. @type {["same" | "moved" | "removed" | "added", string][]} */
const KINDS = [
  ["same", "unmoved"],
  ["moved", "moved"],
  ["removed", "only in A"],
  ["added", "only in B"],
];

export class Comparison {
  /** @param {Results} results @param {any} other the other job @param {import("./store.js").Store} store its detections */
  constructor(results, other, store) {
    this.results = results;
    this.other = other;
    this.store = store;
    this.panel = h("div", { class: "diff" });
    this.counts = h("div", { class: "frame-counts" });
    this.pane = new Pane(`B · ${nameOf(other)}`, results.video.media, (shown) => this.at(shown)?.b ?? null);
    this.abort = new AbortController();
    store.addEventListener("change", () => results.stage.draw());
  }

  /** Put the second picture beside the first. */
  addPane() {
    const { stage, job } = this.results;
    const frames = h("div", { class: "stage-pair" });
    stage.frameElement.append(h("div", { class: "pane-name" }, `A · ${nameOf(job)}`));
    stage.frameElement.replaceWith(frames);
    frames.append(stage.frameElement, this.pane.element);
    frames.after(this.counts);
    stage.panes.push(this.pane);
  }

  /** The boxes of both at a frame, coloured by what became of them; null: not known yet. @param {Shown} shown */
  at(shown) {
    const a = this.results.boxesIn(this.results.store, shown);
    const b = this.results.boxesIn(this.store, shown);
    return a && b ? matchBoxes(a, b) : null;
  }

  /** @param {Shown} shown */
  showCounts(shown) {
    const counts = this.at(shown)?.counts;
    fill(
      this.counts,
      KINDS.map(([kind, name]) => h("span", { class: `sum-mark sum-${kind}` }, `${counts?.[kind] ?? "…"} ${name}`)),
    );
  }

  /** Count the differences of the whole at the score of the slider; again when it has moved. */
  async count() {
    this.abort.abort();
    const abort = (this.abort = new AbortController());
    const { app, job, filter } = this.results;
    try {
      await loadDiff(app.api, job.job_id, this.other.job_id, filter.scoreMin, abort.signal, (sum) => this.show(sum));
    } catch (error) {
      if (!abort.signal.aborted) fill(this.panel, problemBox(error));
    }
  }

  /** @param {any} sum */
  show(sum) {
    const { timeline } = this.results;
    showDiff(this.panel, sum);
    const found = timeline.extraLanes.filter(({ name }) => name === "Found");
    timeline.extraLanes = [changeLane(sum, "removed"), changeLane(sum, "added"), ...found];
    timeline.redraw();
  }

  dispose() {
    this.abort.abort();
    this.store.close();
  }
}

/** @param {any} job */
function nameOf(job) {
  return job.models.map((/** @type {any} */ model) => model.name).join(" + ");
}
