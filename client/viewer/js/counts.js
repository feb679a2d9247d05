/** How often each label was seen over the whole video, counted by the service: one question instead of a million boxes. */

/** @typedef {import("./api.js").Api} Api */

const BUCKETS = 240;
const NICE_SECONDS = [0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600];

/** @typedef {{start: number, end: number, label: string, count: number}} Bucket */

export class Counts {
  constructor() {
    /** @type {Bucket[]} */
    this.buckets = [];
    this.isComplete = false;
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
    this.buckets = items
      .filter((item) => item.label)
      .map((item) => ({ start: item.start_seconds, end: item.end_seconds, label: item.label, count: item.count }));
    this.isComplete = true;
  }

  /** Buckets that overlap [start, end). @param {number} start @param {number} end */
  between(start, end) {
    return this.buckets.filter((bucket) => bucket.start < end && bucket.end > start);
  }
}
