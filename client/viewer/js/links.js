/**
 * What the address says: `#/videos/{video_id}?job=…&t=…&labels=…&score=…&q=…&with=…`.
 *
 * A link shows another person the same video, job, moment and filters.
 */

/**
 * @typedef {object} Place
 * @property {string | null} videoId null: the list of videos
 * @property {string | null} job
 * @property {string | null} other the job it is compared with
 * @property {number | null} t seconds
 * @property {string[] | null} labels those shown; null: all
 * @property {number | null} score
 * @property {string | null} q a query
 * @property {number | null} track
 */

/** @returns {Place} */
export function readPlace(hash = location.hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const found = new URLSearchParams(query);
  const match = /^\/videos\/([\w-]+)$/.exec(path);
  return {
    videoId: match ? match[1] : null,
    job: found.get("job"),
    other: found.get("with"),
    t: number(found.get("t")),
    labels: found.has("labels") ? (found.get("labels") ?? "").split("|").filter(Boolean) : null,
    score: number(found.get("score")),
    q: found.get("q"),
    track: number(found.get("track")),
  };
}

/** @param {Partial<Place>} place */
export function writePlace(place) {
  if (!place.videoId) return "#/";
  const query = new URLSearchParams();
  if (place.job) query.set("job", place.job);
  if (place.other) query.set("with", place.other);
  if (place.t) query.set("t", String(Math.round(place.t * 1000) / 1000));
  if (place.labels) query.set("labels", place.labels.join("|"));
  if (place.score !== null && place.score !== undefined) query.set("score", String(place.score));
  if (place.q) query.set("q", place.q);
  if (place.track) query.set("track", String(place.track));
  return `#/videos/${place.videoId}${query.size ? `?${query}` : ""}`;
}

/** Change the address without a step in the history. @param {Partial<Place>} place */
export function replacePlace(place) {
  const hash = writePlace(place);
  if (hash !== location.hash) history.replaceState(null, "", hash);
}

/** @param {string | null} text */
function number(text) {
  const value = text === null ? NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}
