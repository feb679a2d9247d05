/** What of the results is shown: score, labels, a track. Nothing is fetched anew when it changes. */

import { SCORE_STEPS } from "./tile.js";

/** @typedef {import("./tile.js").Tile} Tile @typedef {import("./store.js").Store} Store */

export class Filter extends EventTarget {
  /** @param {number} scoreMin @param {string[] | null} labels */
  constructor(scoreMin, labels) {
    super();
    this.scoreMin = scoreMin;
    /** null: all. @type {Set<string> | null} */
    this.labels = labels ? new Set(labels) : null;
    /** The track that is looked at. @type {number | null} */
    this.track = null;
  }

  /** @param {Partial<{scoreMin: number, labels: Set<string> | null, track: number | null}>} changes */
  set(changes) {
    Object.assign(this, changes);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} label */
  shows(label) {
    return !this.labels || this.labels.has(label);
  }

  /** Show or hide a label among all. @param {string} label @param {string[]} all */
  toggle(label, all) {
    const shown = new Set(this.labels ?? all);
    if (!shown.delete(label)) shown.add(label);
    this.set({ labels: all.every((each) => shown.has(each)) ? null : shown });
  }

  /**
   * A test of rows, made once for many.
   * @param {Store} store
   * @returns {(tile: Tile, row: number) => boolean}
   */
  test(store) {
    const scoreMin = Math.round(this.scoreMin * SCORE_STEPS);
    const shown = Uint8Array.from(store.labels.all, (label) => (this.shows(label) ? 1 : 0));
    return (tile, row) => tile.scores[row] >= scoreMin && shown[tile.labels[row]] === 1;
  }
}
