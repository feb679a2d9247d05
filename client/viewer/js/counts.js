/** How often each label was seen over the whole video, counted by the service: one question instead of a million boxes. */

/** @typedef {import("./api.js").Api} Api */

const BUCKETS = 240;
const NICE_SECONDS = [0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

/** @typedef {{start: number, end: number, label: string, count: number}} Bucket */

export class Counts {
  constructor() {
    /** Those that begin at each multiple of the width. @type {Map<number, Bucket[]>} */
    this.bucketsByNumber = new Map();
    this.width = 1;
  }

  /**
   * @param {Api} api
   * @param {string} jobId
   * @param {number} durationSeconds
   * @param {AbortSignal} signal
   */
  async load(api, jobId, durationSeconds, signal) {
    const width = NICE_SECONDS.find((seconds) => durationSeconds / seconds <= BUCKETS) ?? 1200;
    const q = `count detections by ${width < 1 ? `${width * 1000}ms` : `${width}s`}, label`;
    const items = await api.all(`/jobs/${jobId}/query`, { q }, signal);
    this.width = width;
    for (const item of items) {
      if (!item.label) continue;
      const number = Math.round(item.start_seconds / width);
      const bucket = { start: item.start_seconds, end: item.end_seconds, label: item.label, count: item.count };
      this.bucketsByNumber.set(number, [...(this.bucketsByNumber.get(number) ?? []), bucket]);
    }
  }

  /** Buckets that overlap [start, end). @param {number} start @param {number} end */
  between(start, end) {
    const found = [];
    for (let number = Math.floor(start / this.width); number * this.width < end; number++) {
      found.push(...(this.bucketsByNumber.get(number) ?? []));
    }
    return found;
  }
}
