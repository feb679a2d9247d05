/** The files that are on their way, with what can be done about each. */

import { fill, h, iconButton } from "./dom.js";
import { formatBytes, formatDuration, plural } from "./format.js";
import { problemBox } from "./problems.js";
import { writePlace } from "./links.js";

/** @typedef {import("./upload.js").Uploads} Uploads @typedef {import("./upload.js").Upload} Upload */

/**
 * Keep an element up to date with the uploads; call the result to stop.
 * @param {HTMLElement} element
 * @param {Uploads} uploads
 * @param {(upload: Upload) => boolean} [isShown]
 */
export function showUploads(element, uploads, isShown = () => true) {
  let frame = 0;
  const draw = () => {
    frame = 0;
    const shown = [...uploads.byVideoId.values()].filter(isShown);
    element.hidden = !shown.length;
    fill(
      element,
      shown.map((upload) => row(uploads, upload)),
    );
  };
  const redraw = () => {
    frame ||= requestAnimationFrame(draw);
  };
  uploads.addEventListener("change", redraw);
  draw();
  return () => {
    cancelAnimationFrame(frame);
    uploads.removeEventListener("change", redraw);
  };
}

/** @param {Uploads} uploads @param {Upload} upload */
function row(uploads, upload) {
  const { entry, state } = upload;
  const percent = Math.floor(upload.fraction * 100);
  return h(
    "div",
    { class: `upload upload-${state}` },
    h(
      "div",
      { class: "upload-head" },
      h("a", { class: "upload-name", href: writePlace({ videoId: entry.videoId }) }, entry.filename),
      h("span", { class: "soft" }, describe(upload)),
      state === "done"
        ? null
        : iconButton("close", `Discard the upload of ${entry.filename}`, () => uploads.discard(upload)),
    ),
    h("progress", { class: "bar", max: "100", value: percent, "aria-label": `Upload of ${entry.filename}` }),
    upload.problem
      ? problemBox(
          upload.problem,
          state === "failed"
            ? h("button", { type: "button", class: "button", onclick: () => uploads.retry(upload) }, "Try again")
            : null,
        )
      : null,
    state === "needs-file" ? fileAgain(uploads, upload) : null,
  );
}

/** @param {Upload} upload */
function describe(upload) {
  const { entry, state } = upload;
  const size = formatBytes(entry.size);
  if (state === "done") return `${size}, sent`;
  if (state === "needs-file") return `${size}, interrupted`;
  if (state === "failed") return "stopped";
  const parts = upload.resumedParts ? `, resumed after ${plural(upload.resumedParts, "part")}` : "";
  const left = formatDuration(upload.secondsLeft);
  return `${formatBytes(upload.sentBytes)} of ${size}${upload.bytesPerSecond ? `, ${formatBytes(upload.bytesPerSecond)}/s` : ""}${left ? `, ${left} left` : ""}${parts}`;
}

/** A page that was loaded anew may not read the file by itself. @param {Uploads} uploads @param {Upload} upload */
function fileAgain(uploads, upload) {
  const input = h("input", {
    type: "file",
    class: "visually-hidden",
    onchange: (/** @type {any} */ event) => event.target.files[0] && uploads.resume(upload, event.target.files[0]),
  });
  const choose = upload.entry.handle
    ? h("button", { type: "button", class: "button primary", onclick: () => uploads.resumeByHandle(upload) }, "Resume")
    : h("label", { class: "button primary" }, input, "Choose the file again");
  return h(
    "div",
    { class: "row upload-again" },
    h("span", {}, "The page was closed meanwhile. What has arrived is kept."),
    choose,
  );
}
