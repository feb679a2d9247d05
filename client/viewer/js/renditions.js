/** What a worker makes of a video when it is asked: a sheet of small pictures, and a version that every browser plays. */

import { pause } from "./api.js";

/** @typedef {import("./api.js").Api} Api */

/** @typedef {"thumbnails" | "proxy"} Kind */

const ON_THE_WAY = new Set(["QUEUED", "RUNNING"]);

/**
 * The best of a kind that there is: one that is made, else one that is on its way, else one that failed.
 * @param {Api} api
 * @param {string} videoId
 * @param {Kind} kind
 * @param {AbortSignal} signal
 * @returns {Promise<any>} null: nobody asked for one
 */
export async function findRendition(api, videoId, kind, signal) {
  const items = await api.all(`/videos/${videoId}/renditions`, {}, signal);
  const known = items.filter((each) => each.kind === kind).reverse();
  return known.find((each) => each.url) ?? known.find((each) => ON_THE_WAY.has(each.state)) ?? known[0] ?? null;
}

/**
 * Have one made, with the options that everybody takes: the same question gives the same one.
 * @param {Api} api
 * @param {string} videoId
 * @param {Kind} kind
 */
export async function askRendition(api, videoId, kind) {
  return (await api.post(`/videos/${videoId}/renditions`, { kind })).rendition;
}

/**
 * Wait for one.
 * @param {Api} api
 * @param {string} videoId
 * @param {any} rendition
 * @param {(rendition: any) => void} onState called with each state on the way
 * @param {AbortSignal} signal
 * @returns {Promise<any>} its last state
 */
export async function followRendition(api, videoId, rendition, onState, signal) {
  let known = rendition;
  let told = null;
  while (ON_THE_WAY.has(known.state)) {
    if (known.state !== told) onState(known);
    told = known.state;
    const { value, retryAfterSeconds } = await api.poll(`/videos/${videoId}/renditions/${known.rendition_id}`);
    known = value.rendition;
    if (ON_THE_WAY.has(known.state)) await pause(retryAfterSeconds, signal);
    signal.throwIfAborted();
  }
  return known;
}
