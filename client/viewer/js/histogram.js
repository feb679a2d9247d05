/** How many detections of each label and score there are over time: what is left of a tile that is gone. */

import { SCORE_STEPS } from "./tile.js";

/** @typedef {import("./tile.js").Tile} Tile */

export const SCORE_BINS = 20;
/** Parts of a tile. */
export const SPANS = 8;

export class Histogram {
  /** @param {number} tiles @param {number} tileSeconds */
  constructor(tiles, tileSeconds) {
    this.tileSeconds = tileSeconds;
    /** By tile, then by label: how many of each span have at least the score of a bin. @type {(Map<number, Uint32Array> | null)[]} */
    this.byTile = new Array(tiles).fill(null);
  }

  /** @param {number} number @param {Tile} tile @param {number} tickSeconds */
  count(number, tile, tickSeconds) {
    /** @type {Map<number, Uint32Array>} */
    const byLabel = new Map();
    const scale = SPANS / this.tileSeconds;
    for (let row = 0; row < tile.rows; row++) {
      const label = tile.labels[row];
      let counts = byLabel.get(label);
      if (!counts) byLabel.set(label, (counts = new Uint32Array(SPANS * SCORE_BINS)));
      const span = Math.min(SPANS - 1, Math.max(0, Math.floor((tile.pts[row] * tickSeconds - tile.start) * scale)));
      const bin = Math.min(SCORE_BINS - 1, Math.floor((tile.scores[row] * SCORE_BINS) / SCORE_STEPS));
      counts[span * SCORE_BINS + bin]++;
    }
    for (const counts of byLabel.values()) {
      for (let at = counts.length - 2; at >= 0; at--) if ((at + 1) % SCORE_BINS) counts[at] += counts[at + 1];
    }
    this.byTile[number] = byLabel;
  }

  /** Whether a tile was counted. @param {number} number */
  has(number) {
    return this.byTile[number] != null;
  }

  /**
   * Detections of a label in a part of a tile, with at least this score (to a twentieth).
   * @param {number} number
   * @param {number} span
   * @param {number} label
   * @param {number} scoreMin
   */
  at(number, span, label, scoreMin) {
    const counts = this.byTile[number]?.get(label);
    return counts ? counts[span * SCORE_BINS + binOf(scoreMin)] : 0;
  }

  /** Detections of a label in all that was counted. @param {number} label @param {number} scoreMin */
  total(label, scoreMin) {
    let sum = 0;
    for (let number = 0; number < this.byTile.length; number++) {
      if (!this.byTile[number]?.has(label)) continue;
      for (let span = 0; span < SPANS; span++) sum += this.at(number, span, label, scoreMin);
    }
    return sum;
  }
}

/** @param {number} score */
function binOf(score) {
  return Math.min(SCORE_BINS - 1, Math.max(0, Math.floor(score * SCORE_BINS + 1e-6)));
}
