/** Detections of a stretch of time, as columns: a million boxes are some 40 MB, and nothing to collect. */

/** Bytes of one row in all columns. */
const ROW_BYTES = 8 + 4 * 4 + 2 + 2 + 1 + 4;
const FIRST_ROWS = 256;
export const SCORE_STEPS = 1000;

/** Names by number, and back. */
export class Names {
  constructor() {
    /** @type {string[]} */
    this.all = [];
    /** @type {Map<string, number>} */
    this.numberByName = new Map();
  }

  /** @param {string} name */
  number(name) {
    let number = this.numberByName.get(name);
    if (number === undefined) {
      number = this.all.length;
      this.all.push(name);
      this.numberByName.set(name, number);
    }
    return number;
  }
}

export class Tile {
  /** How many rows the columns have room for. */
  capacity = 0;
  pts = new Float64Array(0);
  boxes = new Float32Array(0);
  scores = new Uint16Array(0);
  labels = new Uint16Array(0);
  models = new Uint8Array(0);
  /** 0: none. */
  tracks = new Int32Array(0);

  /** @param {number} start seconds @param {number} end */
  constructor(start, end) {
    this.start = start;
    this.end = end;
    this.rows = 0;
    this.frames = 0;
    this.isComplete = false;
    this.allocate(FIRST_ROWS);
    this.framePts = new Float64Array(64);
    /** Row at which a frame begins. */
    this.frameStart = new Uint32Array(64);
  }

  get bytes() {
    return this.capacity * ROW_BYTES + this.framePts.length * 12;
  }

  /** @param {number} capacity */
  allocate(capacity) {
    this.pts = grow(this.pts, new Float64Array(capacity));
    this.boxes = grow(this.boxes, new Float32Array(capacity * 4));
    this.scores = grow(this.scores, new Uint16Array(capacity));
    this.labels = grow(this.labels, new Uint16Array(capacity));
    this.models = grow(this.models, new Uint8Array(capacity));
    this.tracks = grow(this.tracks, new Int32Array(capacity));
    this.capacity = capacity;
  }

  /**
   * Take a page of detections, in order of PTS.
   * @param {any[]} items
   * @param {Names} labels
   * @param {Names} models
   */
  add(items, labels, models) {
    if (this.rows + items.length > this.capacity) this.allocate(Math.max(this.capacity * 2, this.rows + items.length));
    for (const item of items) {
      const row = this.rows++;
      this.pts[row] = item.pts;
      this.boxes.set(item.box, row * 4);
      this.scores[row] = Math.round(item.score * SCORE_STEPS);
      this.labels[row] = labels.number(item.label);
      this.models[row] = models.number(item.model);
      this.tracks[row] = item.track_id ?? 0;
      if (!this.frames || this.framePts[this.frames - 1] !== item.pts) this.addFrame(item.pts, row);
    }
  }

  /** @param {number} pts @param {number} row */
  addFrame(pts, row) {
    if (this.frames === this.framePts.length) {
      const [framePts, frameStart] = [new Float64Array(this.frames * 2), new Uint32Array(this.frames * 2)];
      framePts.set(this.framePts);
      frameStart.set(this.frameStart);
      this.framePts = framePts;
      this.frameStart = frameStart;
    }
    this.framePts[this.frames] = pts;
    this.frameStart[this.frames++] = row;
  }

  /** Give back what was allocated beyond need. */
  finish() {
    this.isComplete = true;
    if (this.capacity > this.rows) this.allocate(Math.max(1, this.rows));
  }

  /** The last frame with detections at or before `pts`, -1: none. @param {number} pts */
  frameAt(pts) {
    let [low, high] = [0, this.frames];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.framePts[middle] <= pts) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Rows of a frame: [from, to). @param {number} frame @returns {[number, number]} */
  rowsOf(frame) {
    return [this.frameStart[frame], frame + 1 < this.frames ? this.frameStart[frame + 1] : this.rows];
  }
}

/**
 * A column of another length with what the old one had.
 * @template {Float64Array | Float32Array | Uint16Array | Uint8Array | Int32Array} T
 * @param {T} old
 * @param {T} fresh
 * @returns {T}
 */
function grow(old, fresh) {
  fresh.set(old.subarray(0, fresh.length));
  return fresh;
}
