/** Light, dark, or as the system says. */

const KEY = "reelscan.theme";

/** @typedef {"system" | "light" | "dark"} Theme */

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Tells when colours changed: a canvas has to be drawn anew. */
export const themeChanges = new EventTarget();

/** @returns {Theme} */
export function chosenTheme() {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** @param {Theme} theme */
export function chooseTheme(theme) {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  applyTheme();
}

export function applyTheme() {
  const chosen = chosenTheme();
  document.documentElement.dataset.theme = chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
  themeChanges.dispatchEvent(new Event("change"));
}

dark.addEventListener("change", applyTheme);

/** A colour of the style sheet, for a canvas. @param {string} name */
export function themeColor(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
