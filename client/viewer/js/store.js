/**
 * The detections of a job, fetched by tiles of time where they are looked at.
 *
 * A tile holds everything down to the model's floor, so a score or label never needs another request. The tiles that were
 * not looked at for longest go first when there are too many bytes. What is left of them are counts, for the timeline.
 */

import { Histogram } from "./histogram.js";
import { Names, Tile } from "./tile.js";

/** @typedef {import("./api.js").Api} Api */

export const PAGE_ROWS = 1000;
const BYTES_MAX = 64 << 20;
const PARALLEL_FETCHES = 3;
const ROWS_PER_TILE = 2000;
/** Fewer detections than this are fetched as a whole in the background: then every count is exact. */
const EAGER_ROWS = 150_000;

export class Store extends EventTarget {
  /**
   * @param {Api} api
   * @param {string} jobId
   * @param {{startSeconds: number, endSeconds: number, tickSeconds: number, expectedRows: number}} about
   */
  constructor(api, jobId, about) {
    super();
    this.api = api;
    this.jobId = jobId;
    /** Where the first tile begins: a whole second, so that no rounding loses a frame. */
    this.startSeconds = Math.max(0, Math.floor(about.startSeconds));
    this.endSeconds = about.endSeconds;
    this.tickSeconds = about.tickSeconds;
    this.labels = new Names();
    this.models = new Names();
    this.tileSeconds = chooseTileSeconds(about.endSeconds - about.startSeconds, about.expectedRows);
    this.isEager = about.expectedRows <= EAGER_ROWS;
    /** By number; the order is that of their last use. @type {Map<number, Tile>} */
    this.tiles = new Map();
    this.histogram = new Histogram(this.tileCount + 1, this.tileSeconds);
    /** @type {Map<number, AbortController>} */
    this.fetching = new Map();
    /** Tiles of which there is more than was fetched. @type {Set<number>} */
    this.stale = new Set();
    /** What each part of the page looks at. @type {Map<"player" | "timeline", {first: number, last: number, focus: number}>} */
    this.claims = new Map();
    this.bytes = 0;
    this.bytesMax = BYTES_MAX;
    this.requests = 0;
    this.isClosed = false;
    /** @type {Error | null} */
    this.error = null;
  }

  /** How many tiles the video has. */
  get tileCount() {
    return Math.max(1, Math.ceil((this.endSeconds - this.startSeconds) / this.tileSeconds));
  }

  /** @param {number} seconds */
  tileNumber(seconds) {
    return Math.max(0, Math.floor((seconds - this.startSeconds) / this.tileSeconds));
  }

  /** When a tile begins, in seconds. @param {number} number */
  startOf(number) {
    return this.startSeconds + number * this.tileSeconds;
  }

  /**
   * Say what is looked at: tiles of [start, end) are fetched, those nearest to `focus` first. What the same part of the page
   * wanted before, and nobody wants any more, is given up.
   * @param {"player" | "timeline"} who the player's tiles go first
   * @param {number} start seconds
   * @param {number} end
   * @param {number} focus
   */
  want(who, start, end, focus) {
    const [first, last] = [this.tileNumber(start), Math.min(this.tileNumber(end), this.tileCount - 1)];
    const known = this.claims.get(who);
    this.claims.set(who, { first, last, focus: this.tileNumber(focus) });
    for (let number = first; number <= last; number++) {
      const tile = this.tiles.get(number);
      if (tile) this.touch(number, tile);
    }
    if (known?.first === first && known.last === last) return;
    if (!this.isEager) {
      for (const [number, fetching] of this.fetching) if (!this.isClaimed(number)) fetching.abort();
    }
    this.pump();
  }

  /** Nothing is looked at there any more. @param {"player" | "timeline"} who */
  unwant(who) {
    this.claims.delete(who);
  }

  /** @param {number} number */
  isClaimed(number) {
    for (const { first, last } of this.claims.values()) if (number >= first && number <= last) return true;
    return false;
  }

  nextWanted() {
    for (const who of /** @type {const} */ (["player", "timeline"])) {
      const claim = this.claims.get(who);
      if (!claim) continue;
      let nearest;
      for (let number = claim.first; number <= claim.last; number++) {
        const isNearer = nearest === undefined || Math.abs(number - claim.focus) < Math.abs(nearest - claim.focus);
        if (isNearer && this.needs(number)) nearest = number;
      }
      if (nearest !== undefined) return nearest;
    }
    return undefined;
  }

  /** Tile of a time if it is there. @param {number} seconds @returns {Tile | undefined} */
  peek(seconds) {
    return this.tiles.get(this.tileNumber(seconds));
  }

  /**
   * What is known of a moment.
   * @param {number} seconds
   * @param {number} pts
   * @returns {{tile: Tile, frame: number, rows: [number, number]} | null} the last frame with detections at or before it
   */
  frameAt(seconds, pts) {
    for (let number = this.tileNumber(seconds); number >= Math.max(0, this.tileNumber(seconds) - 1); number--) {
      const tile = this.tiles.get(number);
      if (!tile) return null;
      const frame = tile.frameAt(pts);
      if (frame >= 0) return { tile, frame, rows: tile.rowsOf(frame) };
    }
    return null;
  }

  /**
   * Fetch a range again where it was fetched, since there is more of it now. What is there is shown until then.
   * @param {number} start seconds
   * @param {number} end
   */
  refresh(start, end) {
    for (let number = this.tileNumber(start); number <= Math.min(this.tileNumber(end), this.tileCount - 1); number++) {
      const fetching = this.fetching.get(number);
      if (fetching || this.tiles.has(number)) this.stale.add(number);
      fetching?.abort();
    }
    this.pump();
  }

  /** No more requests. */
  close() {
    this.isClosed = true;
    for (const fetching of this.fetching.values()) fetching.abort();
    this.tiles.clear();
  }

  pump() {
    while (!this.isClosed && this.fetching.size < PARALLEL_FETCHES) {
      const number = this.nextWanted() ?? this.nextInBackground();
      if (number === undefined) return;
      this.fetch(number);
    }
  }

  /** @param {number} number */
  needs(number) {
    return (!this.tiles.has(number) || this.stale.has(number)) && !this.fetching.has(number);
  }

  nextInBackground() {
    if (!this.isEager || this.bytes > this.bytesMax / 2) return undefined;
    for (let number = 0; number < this.tileCount; number++) {
      if (this.needs(number)) return number;
    }
    return undefined;
  }

  /** @param {number} number */
  async fetch(number) {
    const controller = new AbortController();
    this.fetching.set(number, controller);
    this.stale.delete(number);
    const tile = new Tile(this.startOf(number), this.startOf(number + 1));
    const range = { from: tile.start, to: tile.end, score_min: 0, limit: PAGE_ROWS };
    try {
      for await (const page of this.api.pages(`/jobs/${this.jobId}/detections`, range, controller.signal)) {
        this.requests++;
        tile.add(page.items, this.labels, this.models);
      }
      tile.finish();
      if (!controller.signal.aborted) this.keep(number, tile);
    } catch (error) {
      if (!controller.signal.aborted) {
        this.error = /** @type {Error} */ (error);
        this.isClosed = true;
        this.dispatchEvent(new Event("error"));
      }
    } finally {
      this.fetching.delete(number);
      this.pump();
    }
  }

  /** @param {number} number @param {Tile} tile */
  keep(number, tile) {
    this.drop(number);
    this.tiles.set(number, tile);
    this.bytes += tile.bytes;
    this.histogram.count(number, tile, this.tickSeconds);
    for (const oldest of this.tiles.keys()) {
      if (this.bytes <= this.bytesMax) break;
      if (oldest !== number && !this.isClaimed(oldest)) this.drop(oldest);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** @param {number} number @param {Tile} tile */
  touch(number, tile) {
    this.tiles.delete(number);
    this.tiles.set(number, tile);
  }

  /** @param {number} number */
  drop(number) {
    const tile = this.tiles.get(number);
    if (!tile) return;
    this.tiles.delete(number);
    this.bytes -= tile.bytes;
  }
}

/** @param {number} durationSeconds @param {number} expectedRows @returns {number} a power of two, so that a tile is a few pages */
function chooseTileSeconds(durationSeconds, expectedRows) {
  const perSecond = expectedRows / Math.max(durationSeconds, 1);
  const seconds = perSecond ? ROWS_PER_TILE / perSecond : 8;
  return Math.min(64, Math.max(1, 2 ** Math.round(Math.log2(seconds))));
}
