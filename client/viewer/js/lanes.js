/** What the rows of the timeline are, and which tracks share a row. */

/** @typedef {import("./filter.js").Filter} Filter */

/**
 * @typedef {object} Track
 * @property {number} id
 * @property {string} label
 * @property {number} start seconds
 * @property {number} end
 * @property {number} frames
 * @property {number} scoreMax
 */

/** @param {any} item as the API gives it @returns {Track} */
export function toTrack(item) {
  return {
    id: item.track_id,
    label: item.label,
    start: item.first_seconds,
    end: item.last_seconds,
    frames: item.frames,
    scoreMax: item.score_max,
  };
}

const ROWS_MAX = 24;

/**
 * Put tracks into as few rows as possible, so that none overlap.
 * @param {Track[]} tracks in order of their start
 * @param {number} gap seconds that must lie between two
 * @returns {{rows: Track[][], left: number}} and how many did not fit
 */
export function packTracks(tracks, gap) {
  /** @type {Track[][]} */
  const rows = [];
  /** @type {number[]} */
  const ends = [];
  let left = 0;
  for (const track of tracks) {
    let row = ends.findIndex((end) => end + gap <= track.start);
    if (row < 0) {
      if (rows.length === ROWS_MAX) {
        left++;
        continue;
      }
      row = rows.length;
      rows.push([]);
    }
    rows[row].push(track);
    ends[row] = track.end;
  }
  return { rows, left };
}

/**
 * Tracks of a label in sight.
 * @param {Track[]} tracks in order of their start
 * @param {string} label
 * @param {Filter} filter
 * @param {number} start
 * @param {number} end
 */
export function tracksInSight(tracks, label, filter, start, end) {
  const found = [];
  for (const track of tracks) {
    if (track.start > end) break;
    if (track.label === label && track.end >= start && track.scoreMax >= filter.scoreMin) found.push(track);
  }
  return found;
}
