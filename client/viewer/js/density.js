/** How many detections lie in each column of the timeline: exact where tiles are there, counts elsewhere. */

import { SPANS } from "./histogram.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./filter.js").Filter} Filter */
/** @typedef {import("./counts.js").Counts} Counts */

/** @typedef {{byLabel: Map<string, Float32Array>, isRough: Uint8Array, columnSeconds: number, isByFrame: boolean}} Density */

/**
 * @param {Store} store
 * @param {Filter} filter
 * @param {Counts} counts what the service counted, for what was not fetched
 * @param {number} start seconds
 * @param {number} end
 * @param {number} columns
 * @returns {Density}
 */
export function measureDensity(store, filter, counts, start, end, columns) {
  const columnSeconds = (end - start) / columns;
  /** @type {Map<string, Float32Array>} */
  const byLabel = new Map();
  const isRough = new Uint8Array(columns);
  const of = (/** @type {string} */ label) => {
    let found = byLabel.get(label);
    if (!found) byLabel.set(label, (found = new Float32Array(columns)));
    return found;
  };
  const spanSeconds = store.tileSeconds / SPANS;
  const isByFrame = columnSeconds < spanSeconds;
  const last = Math.min(store.tileNumber(end), store.tileCount - 1);
  for (let number = store.tileNumber(start); number <= last; number++) {
    const tile = isByFrame ? store.tiles.get(number) : undefined;
    if (tile) addRows(tile);
    else if (store.histogram.has(number)) addSpans(number);
    else addCounts(number);
  }
  return { byLabel, isRough, columnSeconds, isByFrame };

  /** @param {import("./tile.js").Tile} tile */
  function addRows(tile) {
    const passes = filter.test(store);
    const columnsOf = store.labels.all.map((label) => (filter.shows(label) ? of(label) : null));
    for (let row = 0; row < tile.rows; row++) {
      const column = Math.floor((tile.pts[row] * store.tickSeconds - start) / columnSeconds + 1e-6);
      if (column < 0 || column >= columns || !passes(tile, row)) continue;
      const found = columnsOf[tile.labels[row]];
      if (found) found[column]++;
    }
  }

  /** @param {number} number */
  function addSpans(number) {
    for (const label of store.histogram.byTile[number]?.keys() ?? []) {
      const name = store.labels.all[label];
      if (!filter.shows(name)) continue;
      const found = of(name);
      for (let span = 0; span < SPANS; span++) {
        const count = store.histogram.at(number, span, label, filter.scoreMin);
        if (count) spread(found, store.startOf(number) + span * spanSeconds, spanSeconds, count);
      }
    }
  }

  /** @param {number} number */
  function addCounts(number) {
    const [from, to] = [store.startOf(number), store.startOf(number + 1)];
    mark(from, to);
    for (const bucket of counts.between(from, to)) {
      if (!filter.shows(bucket.label)) continue;
      const [first, end] = [Math.max(from, bucket.start), Math.min(to, bucket.end)];
      spread(of(bucket.label), first, end - first, (bucket.count * (end - first)) / (bucket.end - bucket.start));
    }
  }

  /** @param {Float32Array} found @param {number} from @param {number} seconds @param {number} count */
  function spread(found, from, seconds, count) {
    const first = Math.max(0, Math.floor((from - start) / columnSeconds + 1e-6));
    const end = Math.min(columns, Math.ceil((from + seconds - start) / columnSeconds - 1e-6));
    const each = count / Math.max(1, Math.round(seconds / columnSeconds));
    for (let column = first; column < end; column++) found[column] += each;
  }

  /** @param {number} from @param {number} to */
  function mark(from, to) {
    const first = Math.max(0, Math.floor((from - start) / columnSeconds));
    isRough.fill(1, first, Math.max(first, Math.min(columns, Math.ceil((to - start) / columnSeconds))));
  }
}
