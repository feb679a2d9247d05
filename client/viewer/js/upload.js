/**
 * Files on their way to S3: one form, or signed parts, several at once, as the upload ticket says.
 *
 * The journal keeps what is under way. After a reload a file goes on where it stopped: S3 is asked which parts it has. The
 * file itself is read again by its handle where the browser keeps handles, or else when it is dropped again.
 */

import { Problem, pause } from "./api.js";
import { forgetUpload, keepUpload, keptUploads } from "./journal.js";

/** @typedef {import("./api.js").Api} Api @typedef {import("./journal.js").Entry} Entry */

const PARALLEL_PARTS = 4;
const SIGNED_AT_ONCE = 8;
const TRIES = 4;

/**
 * @typedef {"waiting" | "sending" | "done" | "failed" | "needs-file"} UploadState
 */

/** One file. */
export class Upload {
  /** @param {Entry} entry */
  constructor(entry) {
    this.entry = entry;
    /** @type {File | null} */
    this.file = null;
    /** @type {UploadState} */
    this.state = "waiting";
    this.sentBytes = 0;
    /** Parts that S3 had already when this upload was resumed. */
    this.resumedParts = 0;
    this.bytesPerSecond = 0;
    /** @type {Problem | null} */
    this.problem = null;
    this.abort = new AbortController();
  }

  get fraction() {
    return this.entry.size ? this.sentBytes / this.entry.size : 0;
  }

  get secondsLeft() {
    return this.bytesPerSecond ? (this.entry.size - this.sentBytes) / this.bytesPerSecond : Infinity;
  }
}

/** All files; tells of every step by the event `change`. */
export class Uploads extends EventTarget {
  /** @param {Api} api @param {string} owner */
  constructor(api, owner) {
    super();
    this.api = api;
    this.owner = owner;
    /** @type {Map<string, Upload>} */
    this.byVideoId = new Map();
  }

  /** Show what a reload interrupted, and go on with those whose file can be read without asking. */
  async restore() {
    for (const entry of await keptUploads().catch(() => [])) {
      if (entry.owner !== this.owner || this.byVideoId.has(entry.videoId)) continue;
      if (Date.parse(entry.ticket.expires_at) < Date.now()) {
        await forgetUpload(entry.videoId);
        continue;
      }
      const upload = new Upload(entry);
      upload.state = "needs-file";
      this.byVideoId.set(entry.videoId, upload);
      const isAllowed = (await entry.handle?.queryPermission({ mode: "read" }).catch(() => null)) === "granted";
      if (isAllowed) await this.resumeByHandle(upload);
    }
    this.tell();
  }

  /** Read the file by its kept handle; the browser may ask the user. @param {Upload} upload */
  async resumeByHandle(upload) {
    const { handle, filename } = upload.entry;
    try {
      if ((await handle.requestPermission({ mode: "read" })) === "granted") this.resume(upload, await handle.getFile());
    } catch (error) {
      // It was moved or deleted since: then the user can still say where it is.
      upload.entry.handle = undefined;
      const hint = "Choose the file again, where it is now";
      upload.problem = new Problem({ title: `${filename} cannot be read`, detail: `${error}`, hint });
      this.tell();
    }
  }

  /**
   * Announce a file and send it; a file that a reload interrupted goes on instead.
   * @param {File} file
   * @param {any} analyze what shall be done with it when it has arrived
   * @param {any} [handle]
   * @returns {Promise<Upload>}
   */
  async add(file, analyze, handle) {
    const interrupted = [...this.byVideoId.values()].find(
      (upload) => upload.state === "needs-file" && isSame(upload.entry, file),
    );
    if (interrupted) {
      this.resume(interrupted, file);
      return interrupted;
    }
    const type = file.type || "application/octet-stream";
    const created = await this.api.post("/videos", {
      filename: file.name,
      content_type: type,
      size_bytes: file.size,
      ...(analyze ? { analyze } : {}),
    });
    const upload = new Upload({
      videoId: created.video.video_id,
      jobId: created.job?.job_id ?? null,
      filename: file.name,
      size: file.size,
      lastModified: file.lastModified,
      ticket: created.upload,
      handle,
      owner: this.owner,
    });
    upload.file = file;
    this.byVideoId.set(upload.entry.videoId, upload);
    await keepUpload(upload.entry)
      .catch(() => keepUpload({ ...upload.entry, handle: undefined }))
      .catch(() => {});
    this.send(upload);
    return upload;
  }

  /** @param {Upload} upload @param {File} file */
  resume(upload, file) {
    if (!isSame(upload.entry, file)) {
      upload.problem = new Problem({
        code: "SOURCE_CHANGED",
        title: "That is another file",
        detail: `${file.name} has another name, size or date than the upload that was interrupted`,
        hint: `Choose ${upload.entry.filename} as it was, or discard the upload and start anew`,
      });
      this.tell();
      return;
    }
    upload.file = file;
    this.send(upload);
  }

  /** Try again what failed. @param {Upload} upload */
  retry(upload) {
    if (upload.file) this.send(upload);
  }

  /** Give an upload up, here and in S3. @param {Upload} upload */
  async discard(upload) {
    upload.abort.abort();
    this.byVideoId.delete(upload.entry.videoId);
    await forgetUpload(upload.entry.videoId).catch(() => {});
    await this.api.delete(`/videos/${upload.entry.videoId}`).catch(() => {});
    this.tell();
  }

  /** @param {Upload} upload */
  async send(upload) {
    upload.state = "sending";
    upload.problem = null;
    upload.abort = new AbortController();
    this.tell();
    const meter = new Meter(upload, () => this.tell());
    try {
      if (upload.entry.ticket.kind === "post") await sendForm(upload, meter);
      else await sendParts(this.api, upload, meter);
      upload.sentBytes = upload.entry.size;
      upload.state = "done";
      await forgetUpload(upload.entry.videoId).catch(() => {});
    } catch (error) {
      if (upload.abort.signal.aborted) return;
      upload.state = "failed";
      upload.problem =
        error instanceof Problem ? error : new Problem({ title: "The upload broke off", detail: `${error}` });
    }
    this.tell();
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {Entry} entry @param {File} file */
function isSame(entry, file) {
  return entry.filename === file.name && entry.size === file.size && entry.lastModified === file.lastModified;
}

/** Adds up what single requests have sent, and how fast. */
class Meter {
  /** @param {Upload} upload @param {() => void} tell */
  constructor(upload, tell) {
    this.upload = upload;
    this.tell = tell;
    /** @type {Map<number, number>} */
    this.sentByPart = new Map();
    this.lastTime = performance.now();
    this.lastBytes = 0;
  }

  /** @param {number} part @param {number} bytes */
  set(part, bytes) {
    this.sentByPart.set(part, bytes);
    let sum = 0;
    for (const sent of this.sentByPart.values()) sum += sent;
    this.upload.sentBytes = Math.min(sum, this.upload.entry.size);
    const seconds = (performance.now() - this.lastTime) / 1000;
    if (seconds >= 0.4) {
      const speed = Math.max(0, sum - this.lastBytes) / seconds;
      this.upload.bytesPerSecond = this.upload.bytesPerSecond ? 0.7 * this.upload.bytesPerSecond + 0.3 * speed : speed;
      this.lastTime = performance.now();
      this.lastBytes = sum;
    }
    this.tell();
  }

  /** Bytes that were there before do not make this line fast. */
  startHere() {
    this.lastBytes = this.upload.sentBytes;
    this.lastTime = performance.now();
  }
}

/** @param {Upload} upload @param {Meter} meter */
async function sendForm(upload, meter) {
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.entry.ticket.fields))
    form.append(name, /** @type {string} */ (value));
  // S3 ignores fields that come after the file.
  form.append("file", /** @type {File} */ (upload.file));
  await request("POST", upload.entry.ticket.url, {}, form, upload.abort.signal, (sent) => meter.set(1, sent));
}

/** @param {Api} api @param {Upload} upload @param {Meter} meter */
async function sendParts(api, upload, meter) {
  const { videoId, ticket, size } = upload.entry;
  const file = /** @type {File} */ (upload.file);
  const signal = upload.abort.signal;
  /** @type {Map<number, string>} */
  const etagByPart = new Map();
  for (const part of await api.all(`/videos/${videoId}/upload/parts`, {}, signal)) {
    const { part_number: number, etag, size_bytes: bytes } = part;
    if (bytes !== rangeOf(number).end - rangeOf(number).start) continue;
    etagByPart.set(number, etag);
    meter.set(number, bytes);
  }
  upload.resumedParts = etagByPart.size;
  meter.startHere();
  /** @type {number[]} */
  const missing = [];
  for (let number = 1; number <= ticket.part_count; number++) if (!etagByPart.has(number)) missing.push(number);

  /** @type {Promise<any[]>} */
  let signing = Promise.resolve([]);
  async function nextPart() {
    // Workers take turns, so that a batch is signed once.
    const taken = signing.then(async (signed) => {
      if (!signed.length && missing.length) {
        const numbers = missing.splice(0, SIGNED_AT_ONCE);
        return (await api.post(`/videos/${videoId}/upload/parts`, { part_numbers: numbers })).items;
      }
      return signed;
    });
    signing = taken.then(
      (signed) => signed.slice(1),
      () => [],
    );
    return (await taken)[0];
  }

  async function sendSome() {
    for (let part = await nextPart(); part; part = await nextPart()) {
      const { start, end } = rangeOf(part.part_number);
      const content = file.slice(start, end);
      etagByPart.set(
        part.part_number,
        await sendPart(api, videoId, part, content, signal, (sent) => meter.set(part.part_number, sent)),
      );
    }
  }

  /** @param {number} number */
  function rangeOf(number) {
    const start = (number - 1) * ticket.part_size_bytes;
    return { start, end: Math.min(start + ticket.part_size_bytes, size) };
  }

  await Promise.all(Array.from({ length: PARALLEL_PARTS }, sendSome));
  const parts = [...etagByPart].sort(([a], [b]) => a - b).map(([number, etag]) => ({ part_number: number, etag }));
  await api.post(`/videos/${videoId}/upload/complete`, { parts });
}

/**
 * A part, sent until S3 has it; a URL that has expired meanwhile is signed anew.
 * @param {Api} api
 * @param {string} videoId
 * @param {{part_number: number, url: string, headers: Record<string, string>}} part
 * @param {Blob} content
 * @param {AbortSignal} signal
 * @param {(sent: number) => void} onProgress
 * @returns {Promise<string>} its ETag
 */
async function sendPart(api, videoId, part, content, signal, onProgress) {
  let signed = part;
  for (let tries = 1; ; tries++) {
    try {
      const answer = await request("PUT", signed.url, signed.headers, content, signal, onProgress);
      return answer.getResponseHeader("ETag") ?? "";
    } catch (error) {
      if (tries >= TRIES || signal.aborted) throw error;
      onProgress(0);
      await pause(2 ** (tries - 1), signal);
      if (/** @type {Problem} */ (error).status === 403) {
        signed = (await api.post(`/videos/${videoId}/upload/parts`, { part_numbers: [part.part_number] })).items[0];
      }
    }
  }
}

/**
 * `fetch` does not tell how much of a body is sent.
 * @param {string} method
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {Blob | FormData} body
 * @param {AbortSignal} signal
 * @param {(sent: number) => void} onProgress
 * @returns {Promise<XMLHttpRequest>}
 */
function request(method, url, headers, body, signal, onProgress) {
  return new Promise((resolve, reject) => {
    const sender = new XMLHttpRequest();
    sender.open(method, url);
    for (const [name, value] of Object.entries(headers)) {
      // The browser sets this one itself, and lets nobody else.
      if (name.toLowerCase() !== "content-length") sender.setRequestHeader(name, value);
    }
    sender.upload.onprogress = (event) => onProgress(event.loaded);
    sender.onload = () => (sender.status < 300 ? resolve(sender) : reject(refusal(sender)));
    const hint = "Check the connection; what has arrived is kept";
    sender.onerror = () =>
      reject(new Problem({ code: "UPLOAD_FAILED", title: "The upload broke off", detail: "S3 does not answer", hint }));
    sender.onabort = () => reject(new DOMException("The upload was given up", "AbortError"));
    signal.addEventListener("abort", () => sender.abort(), { once: true });
    sender.send(body);
  });
}

/** S3's refusal, which is XML with a code and a message. @param {XMLHttpRequest} sender */
function refusal(sender) {
  const find = (/** @type {string} */ name) => new RegExp(`<${name}>(.*?)</${name}>`).exec(sender.responseText)?.[1];
  return new Problem({
    code: find("Code") ?? "UPLOAD_FAILED",
    title: "S3 refused the upload",
    detail: find("Message") ?? `S3 answered ${sender.status}`,
    hint: "Start it anew: the ticket may have expired, or the file has changed since it was made",
    status: sender.status,
  });
}
