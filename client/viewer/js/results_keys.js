/** The keys of the page of one job. */

import { showKeys } from "./keys.js";

/** @typedef {import("./results.js").Results} Results */

/** What keys do with the results of a job. @param {Results} results @returns {import("./keys.js").Bindings} */
export function keysOf(results) {
  const { stage, timeline, search } = results;
  const { player } = stage;
  const { startSeconds: start, endSeconds: end } = results;
  const by = (/** @type {number} */ seconds) => () =>
    results.go(Math.min(end, Math.max(start, results.seconds + seconds)));
  const around = () => results.seconds;
  return {
    " ": () => player.toggle(),
    k: () => player.pause(),
    j: () => player.backwards(),
    l: () => player.faster(),
    ArrowLeft: () => player.step(-1),
    ArrowRight: () => player.step(1),
    "Shift+ArrowLeft": by(-1),
    "Shift+ArrowRight": by(1),
    Home: () => results.go(start),
    End: () => results.go(end - stage.frameSeconds / 2),
    "[": () => jump(results, -1),
    "]": () => jump(results, 1),
    "+": () => timeline.zoom(1 / 1.6, around()),
    "=": () => timeline.zoom(1 / 1.6, around()),
    "-": () => timeline.zoom(1.6, around()),
    0: () => timeline.showAll(),
    r: () => results.drawRegion("polygon"),
    Escape: () => stage.regions.drawing && stage.regions.set(null),
    "/": () => {
      results.tabs.choose(results.searchTab);
      search.input.focus();
    },
    "?": showKeys,
  };
}

/** Go to the nearest frame with something to see, before or after. @param {Results} results @param {1 | -1} direction */
export function jump(results, direction) {
  const { store, stage } = results;
  const { shown } = stage.player;
  const passes = results.filter.test(store);
  const numbers = [...store.tiles.keys()].sort((a, b) => (a - b) * direction);
  for (const number of numbers) {
    const tile = /** @type {import("./tile.js").Tile} */ (store.tiles.get(number));
    for (let step = 0; step < tile.frames; step++) {
      const frame = direction > 0 ? step : tile.frames - 1 - step;
      const pts = tile.framePts[frame];
      if ((pts - shown.pts) * direction <= 0 || stage.clock.isSame(pts, shown.pts)) continue;
      const [from, to] = tile.rowsOf(frame);
      for (let row = from; row < to; row++) {
        if (passes(tile, row)) return results.go(pts * results.tick);
      }
    }
  }
}
