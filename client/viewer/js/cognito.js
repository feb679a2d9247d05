/** Signing in on Cognito's own page: a code with PKCE, tokens for it, new ones before they run out, and out again. */

import { Problem } from "./api.js";

/** @typedef {Extract<import("./config.js").Login, {kind: "cognito"}>} Cognito */

/**
 * @typedef {object} Tokens
 * @property {string} token for the API
 * @property {string | null} refresh buys the next ones
 * @property {number | null} expires when `token` runs out, in milliseconds of this machine's clock
 */

const QUESTION_KEY = "reelscan.pkce";

/** Leave for the sign-in page; it comes back to `comeBack`. @param {Cognito} login */
export async function leaveToSignIn(login) {
  const verifier = toBase64Url(crypto.getRandomValues(new Uint8Array(48)));
  const state = toBase64Url(crypto.getRandomValues(new Uint8Array(16)));
  sessionStorage.setItem(QUESTION_KEY, JSON.stringify({ verifier, state, hash: location.hash }));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  const asked = new URLSearchParams({
    response_type: "code",
    client_id: login.client_id,
    redirect_uri: pageUrl(),
    scope: login.scopes.join(" "),
    state,
    code_challenge_method: "S256",
    code_challenge: toBase64Url(new Uint8Array(digest)),
  });
  location.assign(`${login.domain}/oauth2/authorize?${asked}`);
}

/** Whether the sign-in page has sent the browser here. @param {URLSearchParams} query of the address */
export function isBack(query) {
  return query.has("state") && (query.has("code") || query.has("error"));
}

/**
 * Tokens for the code in the address, which becomes the one again that was left.
 * @param {Cognito} login
 * @param {URLSearchParams} query
 * @returns {Promise<Tokens>}
 * @throws {Problem} the sign-in page refused, or the answer is to no question of this tab
 */
export async function comeBack(login, query) {
  const question = JSON.parse(sessionStorage.getItem(QUESTION_KEY) ?? "{}");
  sessionStorage.removeItem(QUESTION_KEY);
  history.replaceState(null, "", location.pathname + (question.hash || "#/"));
  // Whoever began this elsewhere must not sign the user in here.
  if (!question.state || question.state !== query.get("state"))
    throw refusal("The answer of the sign-in page is to another question than this tab asked");
  const error = query.get("error");
  if (error) throw refusal(query.get("error_description") || error);
  return askTokens(login, {
    grant_type: "authorization_code",
    code: query.get("code") ?? "",
    redirect_uri: pageUrl(),
    code_verifier: question.verifier,
  });
}

/**
 * The next tokens.
 * @param {Cognito} login
 * @param {string} refresh
 * @returns {Promise<Tokens>}
 * @throws {Problem} status 0: there was no answer; else Cognito gives none any more
 */
export async function renewTokens(login, refresh) {
  const tokens = await askTokens(login, { grant_type: "refresh_token", refresh_token: refresh });
  // Where they are not rotated, the old one goes on.
  return { ...tokens, refresh: tokens.refresh ?? refresh };
}

/** Make the refresh token worthless and end the session of the sign-in page too. @param {Cognito} login @param {string | null} refresh */
export function leaveToSignOut(login, refresh) {
  if (refresh) {
    const body = new URLSearchParams({ token: refresh, client_id: login.client_id });
    // It goes on when the page is left; nobody reads the answer.
    fetch(`${login.domain}/oauth2/revoke`, { method: "POST", mode: "no-cors", keepalive: true, body }).catch(() => {});
  }
  const asked = new URLSearchParams({ client_id: login.client_id, logout_uri: pageUrl() });
  location.assign(`${login.domain}/logout?${asked}`);
}

/** @param {Cognito} login @param {Record<string, string>} form @returns {Promise<Tokens>} */
async function askTokens(login, form) {
  const body = new URLSearchParams({ client_id: login.client_id, ...form });
  const response = await fetch(`${login.domain}/oauth2/token`, { method: "POST", body }).catch((error) => {
    throw new Problem({ code: "UNREACHABLE", title: "The sign-in service cannot be reached", detail: `${error}` });
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw refusal(answer.error ?? `it answered ${response.status}`, response.status);
  return {
    token: answer.access_token,
    refresh: answer.refresh_token ?? null,
    expires: Date.now() + answer.expires_in * 1000,
  };
}

/** @param {string} detail @param {number} [status] */
function refusal(detail, status = 400) {
  const hint = "Sign in again; if it goes on like this, tell whoever runs the service";
  return new Problem({ code: "UNAUTHENTICATED", title: "Signing in failed", detail, hint, status });
}

/** Where the sign-in page comes back to: it must be registered letter for letter, so no file name and no fragment. */
function pageUrl() {
  return new URL(".", location.href).href;
}

/** @param {Uint8Array} bytes */
function toBase64Url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");
}
