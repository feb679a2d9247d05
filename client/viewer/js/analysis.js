/** What shall be done with a video: models and sampling, as a small form that remembers what was chosen. */

import { h } from "./dom.js";

const KEY = "reelscan.analysis";

/** @type {Record<string, {label: string, sampling: any}>} */
const SAMPLINGS = {
  every: { label: "Every frame", sampling: { kind: "every_frame" } },
  five: { label: "5 frames a second", sampling: { kind: "per_second", n: 5 } },
  one: { label: "1 frame a second", sampling: { kind: "per_second", n: 1 } },
  keys: { label: "Keyframes only", sampling: { kind: "keyframes" } },
};

/**
 * @param {any[]} models those that jobs can name
 * @returns {{element: HTMLElement, read: () => any}} `read` gives what the API calls `analyze`
 */
export function analysisForm(models) {
  const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}");
  const names = [...new Set(models.map((model) => model.name))];
  const chosen = names.includes(kept.model) ? kept.model : names[0];
  const model = h(
    "select",
    { name: "model" },
    names.map((name) => h("option", { value: name, selected: name === chosen }, name)),
  );
  const sampling = h(
    "select",
    { name: "sampling" },
    Object.entries(SAMPLINGS).map(([value, { label }]) =>
      h("option", { value, selected: value === (kept.sampling ?? "every") }, label),
    ),
  );
  const element = h(
    "div",
    { class: "fields" },
    h("label", { class: "field" }, h("span", {}, "Model"), model),
    h("label", { class: "field" }, h("span", {}, "Look at"), sampling),
  );
  return {
    element,
    read() {
      localStorage.setItem(KEY, JSON.stringify({ model: model.value, sampling: sampling.value }));
      return { models: [model.value], sampling: (SAMPLINGS[sampling.value] ?? SAMPLINGS.every).sampling };
    },
  };
}
