/** What happens to a job, as it happens: AppSync's subscription, and polling where that cannot be had. */

import { pause } from "./api.js";

/** @typedef {import("./api.js").Api} Api @typedef {import("./config.js").Config} Config */

export const ENDED = new Set(["SUCCEEDED", "PARTIAL", "FAILED", "CANCELLED"]);

const EVENTS = `subscription($jobId: ID!) { onJobEvent(jobId: $jobId) {
  seq kind state segmentIndex startSeconds endSeconds } }`;
const RECONNECT_SECONDS = [1, 2, 5, 10];
/** While events come, the job is only asked for now and then: a push can be lost. */
const QUIET_SECONDS = 15;

/**
 * Follow a job until it ends, or `signal` is aborted.
 * @param {Api} api
 * @param {Config} config
 * @param {string} jobId
 * @param {(job: any) => void} onJob called with every state of it, at once with the first
 * @param {(event: {startSeconds: number, endSeconds: number}) => void} onRange results of this range can be read from now on
 * @param {AbortSignal} signal
 */
export async function watchJob(api, config, jobId, onJob, onRange, signal) {
  let wake = () => {};
  const feed = new Feed(config, api, jobId, (event) => {
    if (event.startSeconds !== null) onRange({ startSeconds: event.startSeconds, endSeconds: event.endSeconds });
    wake();
  });
  signal.addEventListener("abort", () => feed.close());
  let failures = 0;
  try {
    while (!signal.aborted) {
      let wait = 5;
      try {
        const { value, retryAfterSeconds } = await api.poll(`/jobs/${jobId}`);
        if (signal.aborted) return;
        onJob(value.job);
        if (ENDED.has(value.job.state)) return;
        feed.open();
        wait = feed.isOpen ? QUIET_SECONDS : retryAfterSeconds;
        failures = 0;
      } catch (error) {
        if (++failures > 5 || /** @type {any} */ (error).status === 404) throw error;
      }
      await Promise.race([pause(wait, signal).catch(() => {}), new Promise((resolve) => (wake = () => resolve(null)))]);
    }
  } finally {
    feed.close();
  }
}

/** One subscription that connects again, and reads what it missed by `seq`. */
class Feed {
  /**
   * @param {Config} config
   * @param {Api} api
   * @param {string} jobId
   * @param {(event: any) => void} onEvent
   */
  constructor(config, api, jobId, onEvent) {
    this.config = config;
    this.api = api;
    this.jobId = jobId;
    this.onEvent = onEvent;
    this.isOpen = false;
    this.isClosed = false;
    this.seq = 0;
    this.failures = 0;
    /** @type {WebSocket | null} */
    this.socket = null;
  }

  open() {
    const url = this.config.realtime_url;
    if (this.socket || this.isClosed || !url || !this.config.graphql_url) return;
    const authorization = { host: new URL(this.config.graphql_url).host, Authorization: this.api.session.token };
    const header = btoa(JSON.stringify(authorization)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    const socket = new WebSocket(url, ["graphql-ws", `header-${header}`]);
    this.socket = socket;
    const send = (/** @type {any} */ message) => socket.send(JSON.stringify(message));
    socket.onopen = () => send({ type: "connection_init" });
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "connection_ack") {
        const asked = JSON.stringify({ query: EVENTS, variables: { jobId: this.jobId } });
        send({ id: "events", type: "start", payload: { data: asked, extensions: { authorization } } });
      } else if (message.type === "start_ack") {
        this.isOpen = true;
        this.failures = 0;
        this.catchUp();
      } else if (message.type === "data") {
        this.take(message.payload.data.onJobEvent);
      } else if (message.type === "error" || message.type === "connection_error") {
        socket.close();
      }
    };
    socket.onclose = () => {
      this.isOpen = false;
      if (this.isClosed) return;
      const wait = RECONNECT_SECONDS[Math.min(this.failures++, RECONNECT_SECONDS.length - 1)];
      setTimeout(() => {
        this.socket = null;
        this.open();
      }, wait * 1000);
    };
  }

  /** @param {any} event */
  take(event) {
    if (event.seq <= this.seq) return;
    if (event.seq > this.seq + 1) {
      this.catchUp();
      return;
    }
    this.seq = event.seq;
    this.onEvent(event);
  }

  /** Read what was not pushed. */
  async catchUp() {
    const items = await this.api.all(`/jobs/${this.jobId}/events`, { after: this.seq }).catch(() => []);
    for (const item of items) {
      if (item.seq <= this.seq || this.isClosed) continue;
      this.seq = item.seq;
      this.onEvent({
        kind: item.kind,
        segmentIndex: item.segment_index ?? null,
        startSeconds: item.start_seconds ?? null,
        endSeconds: item.end_seconds ?? null,
      });
    }
  }

  close() {
    this.isClosed = true;
    this.socket?.close();
  }
}
