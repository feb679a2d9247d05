/** Results as a file, in the format that another tool reads. */

import { pause } from "./api.js";
import { fill, h, icon, toast } from "./dom.js";
import { problemBox } from "./problems.js";

/** @typedef {import("./api.js").Api} Api */

const FORMATS = [
  ["coco", "COCO", "training"],
  ["yolo", "YOLO", "training"],
  ["cvat", "CVAT", "correction"],
  ["label_studio", "Label Studio", "correction"],
  ["fiftyone", "FiftyOne", "curation"],
  ["mot", "MOTChallenge", "tracking"],
  ["csv", "CSV", "spreadsheets"],
  ["parquet", "Parquet", "analysis"],
  ["ndjson", "NDJSON", "code"],
  ["webvtt", "WebVTT", "players"],
  ["mp4", "Video with boxes", "people"],
];

/**
 * @param {Api} api
 * @param {string} jobId
 * @param {() => {score_min: number, labels: string[] | null}} filters those of the page
 */
export function exportMenu(api, jobId, filters) {
  const isFiltered = h("input", { type: "checkbox", checked: true });
  const message = h("div", { class: "export-message", "aria-live": "polite" });
  const buttons = FORMATS.map(([format, name, use]) =>
    h(
      "button",
      {
        type: "button",
        class: "menu-item",
        onclick: (/** @type {any} */ event) => make(format, name, event.currentTarget),
      },
      h("span", {}, name),
      h("span", { class: "soft" }, use),
    ),
  );

  /** @param {string} format @param {string} name @param {HTMLButtonElement} button */
  async function make(format, name, button) {
    button.disabled = true;
    fill(message, h("span", { class: "spinner" }), `Making ${name} …`);
    try {
      const options = isFiltered.checked ? filters() : {};
      const file = await makeExport(api, jobId, format, options);
      fill(message, icon("download"), h("a", { href: file.url, download: file.file_name }, file.file_name));
      h("a", { href: file.url, download: file.file_name }).click();
      toast(`${file.file_name} is ready`);
    } catch (error) {
      fill(message, problemBox(error));
    } finally {
      button.disabled = false;
    }
  }

  return h(
    "div",
    { class: "exports" },
    h("label", { class: "check" }, isFiltered, "Only what is shown now"),
    buttons,
    message,
  );
}

/**
 * @param {Api} api
 * @param {string} jobId
 * @param {string} format
 * @param {any} options
 */
async function makeExport(api, jobId, format, options) {
  let { export: file } = await api.post(`/jobs/${jobId}/exports`, { format, options });
  while (file.state === "QUEUED" || file.state === "RUNNING") {
    await pause(1);
    file = (await api.get(`/jobs/${jobId}/exports/${file.export_id}`)).export;
  }
  if (!file.url) throw file.error ?? new Error("The export ended without a file");
  return file;
}
