/**
 * Who the user is: an access token, from the link, a paste field or Cognito's own page.
 *
 * What is known is kept in `sessionStorage`: for this tab, across reloads, gone when it is closed. That holds for the refresh
 * token too. Kept in memory alone, a reload would ask people to sign in again; who could read the storage could ask for tokens
 * from within the page as well. It is worth one renewal, a day at most, and nothing after signing out.
 */

import { comeBack, isBack, leaveToSignIn, leaveToSignOut, renewTokens } from "./cognito.js";

/** @typedef {import("./config.js").Login} Login @typedef {import("./cognito.js").Tokens} Tokens */

const KEY = "reelscan.session";
/** A token is renewed when it has less than this left: a request takes a while. */
const MARGIN_MS = 60_000;
const OVER = "Your session is over";
/** @type {Tokens} */
const NOTHING = { token: "", refresh: null, expires: null };

/** Tells `change` when somebody has signed in or out. */
export class Session extends EventTarget {
  /** @param {Login} login */
  constructor(login) {
    super();
    this.login = login;
    this.tokens = NOTHING;
    /** Why nobody is signed in, if there is more to say. @type {any} */
    this.problem = null;
    /** @type {Promise<void> | null} */
    this.renewing = null;
  }

  /** The access token; "": nobody is signed in. */
  get token() {
    return this.tokens.token;
  }

  /** Take a token from the link or from before; the address is cleaned of it, so that it is not passed on. */
  async start() {
    const linked = new URLSearchParams(location.hash.replace(/^#\/?/, "")).get("token");
    const query = new URLSearchParams(location.search);
    if (linked) {
      this.signIn(linked);
      history.replaceState(null, "", location.pathname + location.search + "#/");
    } else if (this.login.kind === "cognito" && isBack(query)) {
      await comeBack(this.login, query).then(
        (tokens) => this.keep(tokens),
        (problem) => this.end(problem),
      );
    } else {
      const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null") ?? NOTHING;
      if (kept.refresh || !isOver(kept, 0)) this.tokens = kept;
      else this.problem = { title: OVER, detail: "The token has run out", hint: "Sign in again" };
    }
  }

  /** @param {string} text a token, as somebody pasted it */
  signIn(text) {
    const token = text.trim().replace(/^Bearer\s+/i, "");
    this.keep({ token, refresh: null, expires: expiryOf(token) });
  }

  /** As the service's configuration says. */
  leaveToSignIn() {
    if (this.login.kind === "cognito") leaveToSignIn(this.login);
  }

  /** The user has had enough. */
  signOut() {
    const { refresh } = this.tokens;
    this.end(null);
    if (this.login.kind === "cognito") leaveToSignOut(this.login, refresh);
  }

  /** A token that is good for the next request; "": nobody is signed in any more. */
  async freshToken() {
    if (this.tokens.refresh && isOver(this.tokens, MARGIN_MS)) await this.renew();
    return this.token;
  }

  /**
   * The service refused a token.
   * @param {string} token
   * @param {any} problem what it said
   * @returns {Promise<boolean>} whether there is another one to try
   */
  async isReplaced(token, problem) {
    if (token === this.token && this.tokens.refresh) await this.renew();
    if (this.token && this.token !== token) return true;
    if (this.token) this.end(problem);
    return false;
  }

  /** Everybody who needs a new token waits for the same one. */
  renew() {
    this.renewing ??= this.renewOnce().finally(() => (this.renewing = null));
    return this.renewing;
  }

  async renewOnce() {
    if (this.login.kind !== "cognito" || !this.tokens.refresh) return;
    try {
      this.keep(await renewTokens(this.login, this.tokens.refresh));
    } catch (problem) {
      // Without an answer nothing is over: the request that needs the token says that the network is away.
      if (problem.status) this.end({ ...problem, title: OVER, detail: problem.message });
    }
  }

  /** @param {Tokens} tokens */
  keep(tokens) {
    const wasIn = Boolean(this.token);
    this.tokens = tokens;
    this.problem = null;
    sessionStorage.setItem(KEY, JSON.stringify(tokens));
    if (!wasIn) this.tell();
  }

  /** Nobody is signed in from now on. @param {any} problem why; null: because the user wants it */
  end(problem) {
    this.tokens = NOTHING;
    this.problem = problem;
    sessionStorage.removeItem(KEY);
    this.tell();
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {Tokens} tokens @param {number} margin milliseconds */
function isOver({ expires }, margin) {
  return expires !== null && expires - margin < Date.now();
}

/** @param {string} token @returns {number | null} in milliseconds */
function expiryOf(token) {
  const { exp } = readClaims(token);
  return typeof exp === "number" ? exp * 1000 : null;
}

/** What a token says of itself; nothing, when it is none. @param {string} token */
export function readClaims(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
  } catch {
    return {};
  }
}
