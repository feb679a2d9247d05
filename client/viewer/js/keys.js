/** Keys, and the page that lists them. */

import { h } from "./dom.js";
import { openDialog } from "./dialog.js";

/** @typedef {Record<string, (event: KeyboardEvent) => void>} Bindings by key: "j", "ArrowLeft", "Shift+ArrowLeft" */

const HELP = [
  ["Space", "play or pause"],
  ["←  →", "one frame back or on"],
  ["Shift ←  →", "one second back or on"],
  ["J  K  L", "backwards, stop, forwards; again is faster"],
  ["Home  End", "beginning, end"],
  ["[  ]", "previous or next moment with a detection"],
  ["+  −  0", "zoom the timeline in, out, to all"],
  ["R", "draw a region;  Esc gives it up"],
  ["/", "search"],
  ["?", "this list"],
];

/**
 * Listen until the returned function is called. Keys that somebody types into a field, or that a control needs, are left alone.
 * @param {Bindings} bindings
 */
export function bindKeys(bindings) {
  const listen = (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const isText = target.matches?.(
      "input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable]",
    );
    if (isText) return;
    if (event.key === " " && target.matches?.("button, summary, input, a")) return;
    if (event.key.startsWith("Arrow") && target.matches?.("input[type=range], [role=tab]")) return;
    const act =
      bindings[
        (event.shiftKey && event.key.startsWith("Arrow") ? "Shift+" : "") +
          (event.key.length === 1 ? event.key.toLowerCase() : event.key)
      ];
    if (!act) return;
    event.preventDefault();
    act(event);
  };
  document.addEventListener("keydown", listen);
  return () => document.removeEventListener("keydown", listen);
}

export function showKeys() {
  const rows = HELP.map(([keys, what]) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        keys.split("  ").map((key) => h("kbd", {}, key)),
      ),
      h("td", {}, what),
    ),
  );
  openDialog("Keyboard", h("table", { class: "keys" }, h("tbody", {}, rows)));
}
