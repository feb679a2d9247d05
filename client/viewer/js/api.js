/** The REST API: JSON in, JSON out, refusals as `Problem`. */

/** @typedef {import("./session.js").Session} Session */

const TRIES = 3;

/** What the service refused, with what to do about it. */
export class Problem extends Error {
  /** @param {{code?: string, title?: string, detail?: string, hint?: string, status?: number}} said */
  constructor(said) {
    super(said.detail || said.title || "The request failed");
    this.code = said.code ?? "INTERNAL";
    this.title = said.title ?? "The request failed";
    this.hint = said.hint ?? "";
    this.status = said.status ?? 0;
  }
}

export class Api {
  /** @param {string} base @param {Session} session */
  constructor(base, session) {
    this.base = base;
    this.session = session;
    /** Answers that may still hold, by path. @type {Map<string, {etag: string, value: any}>} */
    this.known = new Map();
  }

  /**
   * @param {string} path
   * @param {Record<string, string | number | null | undefined>} [parameters] empty ones are left out
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async get(path, parameters = {}, signal) {
    return (await this.ask("GET", path, parameters, undefined, { signal })).value;
  }

  /**
   * The object, and how long to wait before it can be another one. An unchanged one is not sent again.
   * @param {string} path
   * @returns {Promise<{value: any, retryAfterSeconds: number}>}
   */
  async poll(path) {
    const known = this.known.get(path);
    /** @type {Record<string, string>} */
    const headers = known ? { "If-None-Match": known.etag } : {};
    const { response, value } = await this.ask("GET", path, {}, undefined, { headers });
    const retryAfterSeconds = Number(response.headers.get("Retry-After")) || 2;
    if (response.status === 304 && known) return { value: known.value, retryAfterSeconds };
    const etag = response.headers.get("ETag");
    if (etag) this.known.set(path, { etag, value });
    return { value, retryAfterSeconds };
  }

  /**
   * Safe to repeat: a lost answer is asked for again under the same key.
   * @param {string} path
   * @param {any} body
   * @returns {Promise<any>}
   */
  async post(path, body) {
    return (await this.ask("POST", path, {}, body, { headers: { "Idempotency-Key": crypto.randomUUID() } })).value;
  }

  /** @param {string} path @returns {Promise<any>} */
  async delete(path) {
    return (await this.ask("DELETE", path, {}, undefined, {})).value;
  }

  /**
   * Pages of a list, until there are no more; a page may be empty.
   * @param {string} path
   * @param {Record<string, any>} [parameters]
   * @param {AbortSignal} [signal]
   */
  async *pages(path, parameters = {}, signal) {
    let cursor = null;
    do {
      const page = /** @type {any} */ (await this.get(path, { ...parameters, cursor }, signal));
      yield page;
      cursor = page.next_cursor;
    } while (cursor);
  }

  /** @param {string} path @param {Record<string, any>} [parameters] @param {AbortSignal} [signal] */
  async all(path, parameters = {}, signal) {
    const items = [];
    for await (const page of this.pages(path, parameters, signal)) items.push(...page.items);
    return items;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Record<string, any>} parameters
   * @param {any} body
   * @param {{signal?: AbortSignal, headers?: Record<string, string>}} options
   * @returns {Promise<{response: Response, value: any}>}
   */
  async ask(method, path, parameters, body, { signal, headers = {} }) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
    }
    const url = `${this.base}${path}${query.size ? `?${query}` : ""}`;
    const init = {
      method,
      signal,
      headers: { ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    };
    for (let tries = 1; ; tries++) {
      const token = await this.session.freshToken();
      const signed = { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } };
      const response = await this.send(url, signed, tries);
      if (!response) continue;
      if (response.status === 304) return { response, value: null };
      const value = response.status === 204 ? null : await response.json().catch(() => null);
      if (response.ok) return { response, value };
      if (isPassing(response.status) && tries < TRIES) {
        await pause(Number(response.headers.get("Retry-After")) || tries, signal);
        continue;
      }
      const { status } = response;
      const problem = new Problem({ ...value, status, title: value?.title ?? `The service answered ${status}` });
      if (status === 401 && (await this.session.isReplaced(token, problem)) && tries < TRIES) continue;
      throw problem;
    }
  }

  /** @param {string} url @param {RequestInit} init @param {number} tries @returns {Promise<Response | null>} null: try again */
  async send(url, init, tries) {
    try {
      return await fetch(url, init);
    } catch (error) {
      if (init.signal?.aborted) throw error;
      if (tries >= TRIES) {
        const hint = "Check the connection, and that the service runs; what was under way goes on when it is back";
        throw new Problem({ code: "UNREACHABLE", title: "The service cannot be reached", detail: `${error}`, hint });
      }
      await pause(tries, init.signal ?? undefined);
      return null;
    }
  }
}

/** @param {number} status */
function isPassing(status) {
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/** @param {number} seconds @param {AbortSignal} [signal] */
export function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
