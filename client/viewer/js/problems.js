/** What went wrong, with what to do about it. */

import { h, icon } from "./dom.js";

/**
 * @param {any} error a Problem, an error of a job or video, or anything that was thrown
 * @param {...any} actions buttons
 */
export function problemBox(error, ...actions) {
  const title = error.title ?? "Something went wrong";
  const detail = error.detail ?? error.message ?? String(error);
  return h(
    "div",
    { class: "problem", role: "alert" },
    icon("alert"),
    h(
      "div",
      {},
      h("strong", {}, title),
      detail && detail !== title ? h("p", {}, detail) : null,
      error.hint ? h("p", { class: "hint" }, error.hint) : null,
      h("div", { class: "problem-foot" }, error.code ? h("code", {}, error.code) : null, ...actions),
    ),
  );
}

/** @type {Record<string, [string, string]>} a class and a word for each state */
const STATES = {
  AWAITING_UPLOAD: ["wait", "Waiting for the file"],
  UPLOADED: ["run", "Reading"],
  READY: ["ok", "Ready"],
  REJECTED: ["bad", "Rejected"],
  PENDING: ["wait", "Waiting"],
  PROBING: ["run", "Reading"],
  RUNNING: ["run", "Analysing"],
  FINISHING: ["run", "Finishing"],
  CANCELLING: ["wait", "Cancelling"],
  SUCCEEDED: ["ok", "Done"],
  PARTIAL: ["part", "Partial"],
  FAILED: ["bad", "Failed"],
  CANCELLED: ["wait", "Cancelled"],
};

/** @param {string} state */
export function stateWord(state) {
  return STATES[state]?.[1] ?? state;
}

/** @param {string} state */
export function statePill(state) {
  return h("span", { class: `pill pill-${STATES[state]?.[0] ?? "wait"}` }, stateWord(state));
}
