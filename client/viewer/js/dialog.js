/** Dialogs and menus that close as people expect. */

import { h, iconButton } from "./dom.js";

/**
 * A dialog over the page; removed when it is closed.
 * @param {string} title
 * @param {...any} children
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...children) {
  const dialog = h(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    h(
      "header",
      {},
      h("h2", { id: "dialog-title" }, title),
      iconButton("close", "Close", () => dialog.close()),
    ),
    ...children,
  );
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * A button that opens a panel below it; Esc and a click elsewhere close it.
 * @param {any} label what the button shows
 * @param {() => any} content made anew at each opening
 * @param {Record<string, any>} [attributes]
 */
export function menuButton(label, content, attributes = {}) {
  const panel = h("div", { class: "menu-panel", hidden: true });
  const button = h(
    "button",
    {
      type: "button",
      class: "button",
      "aria-expanded": "false",
      ...attributes,
      onclick: () => (panel.hidden ? open() : close()),
    },
    label,
  );
  const element = h("div", { class: "menu" }, button, panel);
  function open() {
    panel.replaceChildren(content());
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside);
    panel.querySelector("button, input, a")?.focus();
  }
  function close() {
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside);
  }
  function outside(/** @type {PointerEvent} */ event) {
    if (!element.contains(/** @type {Node} */ (event.target))) close();
  }
  element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || panel.hidden) return;
    event.stopPropagation();
    close();
    button.focus();
  });
  return { element, close };
}
