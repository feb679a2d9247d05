/** Who the user is: an access token, from the link, a paste field or Cognito's own page (code with PKCE). */

/** @typedef {import("./config.js").Login} Login */

const TOKEN_KEY = "reelscan.token";
const VERIFIER_KEY = "reelscan.pkce";

export class Session extends EventTarget {
  /** @param {Login} login */
  constructor(login) {
    super();
    this.login = login;
    /** @type {string | null} */
    this.token = null;
  }

  /** Take a token from the link or from before; the link is cleaned of it, so that it is not passed on. */
  async start() {
    const fragment = new URLSearchParams(location.hash.replace(/^#\/?/, ""));
    const query = new URLSearchParams(location.search);
    const linked = fragment.get("token");
    if (linked) {
      this.signIn(linked);
      history.replaceState(null, "", location.pathname + location.search + "#/");
    } else if (query.has("code") && this.login.kind === "cognito") {
      await this.redeem(this.login, query);
    } else {
      const kept = sessionStorage.getItem(TOKEN_KEY);
      this.token = kept && !isExpired(kept) ? kept : null;
    }
  }

  /** @param {string} token */
  signIn(token) {
    this.token = token.trim().replace(/^Bearer\s+/i, "");
    sessionStorage.setItem(TOKEN_KEY, this.token);
    this.dispatchEvent(new Event("change"));
  }

  signOut() {
    this.token = null;
    sessionStorage.removeItem(TOKEN_KEY);
    this.dispatchEvent(new Event("change"));
  }

  /** Leave for the sign-in page of the user pool. @param {Extract<Login, {kind: "cognito"}>} login */
  async leaveToSignIn(login) {
    const verifier = toBase64Url(crypto.getRandomValues(new Uint8Array(48)));
    const state = toBase64Url(crypto.getRandomValues(new Uint8Array(16)));
    sessionStorage.setItem(VERIFIER_KEY, JSON.stringify({ verifier, state, hash: location.hash }));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
    const asked = new URLSearchParams({
      response_type: "code",
      client_id: login.client_id,
      redirect_uri: location.origin + location.pathname,
      scope: login.scopes.join(" "),
      state,
      code_challenge_method: "S256",
      code_challenge: toBase64Url(new Uint8Array(digest)),
    });
    location.assign(`${login.domain}/oauth2/authorize?${asked}`);
  }

  /** @param {Extract<Login, {kind: "cognito"}>} login @param {URLSearchParams} query */
  async redeem(login, query) {
    const kept = JSON.parse(sessionStorage.getItem(VERIFIER_KEY) ?? "{}");
    sessionStorage.removeItem(VERIFIER_KEY);
    history.replaceState(null, "", location.pathname + (kept.hash || "#/"));
    // Whoever started this elsewhere must not sign the user in here.
    if (!kept.state || kept.state !== query.get("state")) return;
    const response = await fetch(`${login.domain}/oauth2/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "authorization_code",
        client_id: login.client_id,
        code: query.get("code") ?? "",
        redirect_uri: location.origin + location.pathname,
        code_verifier: kept.verifier,
      }),
    });
    if (response.ok) this.signIn((await response.json()).access_token);
  }
}

/** @param {string} token */
function isExpired(token) {
  try {
    const claims = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    return typeof claims.exp === "number" && claims.exp * 1000 < Date.now();
  } catch {
    return false;
  }
}

/** @param {Uint8Array} bytes */
function toBase64Url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
}
