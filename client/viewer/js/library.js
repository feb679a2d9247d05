/** The first page: drop a video, see those that are there, search them all. */

import { analysisForm } from "./analysis.js";
import { fill, h, icon, toast } from "./dom.js";
import { formatAge, formatBytes, formatTime, plural } from "./format.js";
import { writePlace } from "./links.js";
import { problemBox, statePill } from "./problems.js";
import { findRendition } from "./renditions.js";
import { SheetThumbnails, VideoThumbnails } from "./thumbnails.js";
import { showUploads } from "./uploads_view.js";

/** @typedef {import("./main.js").App} App */

const PAGE = 24;
const FOUND_MAX = 60;

/** @param {App} app @returns {{element: HTMLElement, dispose: () => void}} */
export function libraryView(app) {
  const abort = new AbortController();
  const form = h("div", {});
  const drop = dropZone(app, form);
  const uploads = h("section", { class: "uploads panel", "aria-label": "Uploads", hidden: true });
  const found = h("div", { class: "library-found" });
  const grid = h("ul", { class: "grid" });
  const more = h("div", { class: "more" });
  const status = h("div", {});
  const search = searchForm(app, found, abort.signal);
  const heading = h("div", { class: "library-head", hidden: true }, h("h2", {}, "Videos"), search);
  const stopUploads = showUploads(uploads, app.uploads);
  const onScreen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      onScreen.unobserve(entry.target);
      /** @type {any} */ (entry.target).load();
    }
  });
  const element = h(
    "main",
    { class: "library", id: "main" },
    drop.element,
    uploads,
    heading,
    found,
    status,
    grid,
    more,
  );

  load(null);
  app.models().then(
    (models) => {
      const analysis = analysisForm(models);
      app.analysis = analysis.read;
      fill(form, analysis.element);
    },
    (error) => fill(status, problemBox(error)),
  );

  /** @param {string | null} cursor */
  async function load(cursor) {
    if (!cursor)
      fill(
        grid,
        Array.from({ length: 3 }, () => h("li", { class: "card card-empty", "aria-hidden": "true" })),
      );
    try {
      const page = await app.api.get("/videos", { limit: PAGE, cursor }, abort.signal);
      if (!cursor) fill(grid);
      for (const video of page.items) {
        const element = card(app, video, abort.signal, () => load(null));
        grid.append(element);
        onScreen.observe(element);
      }
      const hasAny = grid.children.length > 0;
      heading.hidden = !hasAny;
      drop.element.classList.toggle("is-large", !hasAny);
      fill(
        more,
        page.next_cursor
          ? h("button", { type: "button", class: "button", onclick: () => load(page.next_cursor) }, "Show more")
          : null,
      );
    } catch (error) {
      if (abort.signal.aborted) return;
      fill(grid);
      fill(
        status,
        problemBox(
          error,
          h("button", { type: "button", class: "button", onclick: () => location.reload() }, "Try again"),
        ),
      );
    }
  }

  return {
    element,
    dispose() {
      abort.abort();
      onScreen.disconnect();
      drop.dispose();
      stopUploads();
      for (const card of grid.children) /** @type {any} */ (card).release?.();
    },
  };
}

/** @param {App} app @param {HTMLElement} form */
function dropZone(app, form) {
  const input = h("input", {
    type: "file",
    id: "files",
    class: "visually-hidden",
    multiple: true,
    accept: "video/*,.mkv,.ts,.m2ts,.flv,.avi",
    onchange: () => {
      take([...input.files].map((file) => ({ file })));
      input.value = "";
    },
  });
  const element = h(
    "section",
    { class: "drop", "aria-label": "Upload" },
    h("div", { class: "drop-icon" }, icon("upload")),
    h("h1", {}, "Drop a video"),
    h("p", { class: "soft" }, "Boxes appear while it is analysed: the first after seconds."),
    h("label", { class: "button primary", for: "files" }, "Choose files"),
    input,
    form,
  );
  let depth = 0;
  const isFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  /** @type {Record<string, (event: DragEvent) => void>} */
  const listeners = {
    dragenter: (event) => {
      if (isFiles(event) && ++depth) element.classList.add("is-over");
    },
    dragleave: (event) => {
      if (isFiles(event) && --depth <= 0) element.classList.remove("is-over");
    },
    dragover: (event) => {
      if (isFiles(event)) event.preventDefault();
    },
    drop: async (event) => {
      if (!isFiles(event)) return;
      event.preventDefault();
      depth = 0;
      element.classList.remove("is-over");
      take(await droppedFiles(/** @type {DataTransfer} */ (event.dataTransfer)));
    },
  };
  // The whole window takes files: nobody wants to aim.
  for (const [name, listen] of Object.entries(listeners)) document.addEventListener(name, /** @type {any} */ (listen));

  /** @param {{file: File, handle?: any}[]} files */
  async function take(files) {
    for (const { file, handle } of files) {
      if (!file.size) {
        toast(`${file.name} is empty`, "error");
        continue;
      }
      try {
        const upload = await app.uploads.add(file, app.analysis(), handle);
        if (files.length === 1) location.hash = writePlace({ videoId: upload.entry.videoId, job: upload.entry.jobId });
      } catch (error) {
        element.after(h("div", { class: "drop-problem" }, problemBox(error)));
      }
    }
  }

  return {
    element,
    dispose() {
      for (const [name, listen] of Object.entries(listeners))
        document.removeEventListener(name, /** @type {any} */ (listen));
    },
  };
}

/** Files with their handles, where the browser gives them: those can be read again after a reload. @param {DataTransfer} transfer */
async function droppedFiles(transfer) {
  // All handles must be asked for before the first is awaited: the transfer is empty afterwards.
  const asked = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => ({ file: item.getAsFile(), handle: /** @type {any} */ (item).getAsFileSystemHandle?.() }));
  const files = [];
  for (const { file, handle } of asked) {
    const known = await Promise.resolve(handle).catch(() => undefined);
    if (file && known?.kind !== "directory") files.push({ file, handle: known });
  }
  return files;
}

/**
 * @param {App} app
 * @param {any} video
 * @param {AbortSignal} signal
 * @param {() => void} onDeleted
 */
function card(app, video, signal, onDeleted) {
  const picture = h("div", { class: "card-picture" }, icon("film"));
  const state = h("div", { class: "card-state" }, video.state === "READY" ? null : statePill(video.state));
  const media = video.media;
  const facts = [
    media ? formatTime(media.duration_seconds, 0) : null,
    formatBytes(video.size_bytes),
    formatAge(video.created_at, Date.now()),
  ];
  const element = h(
    "li",
    { class: "card" },
    h(
      "a",
      { href: writePlace({ videoId: video.video_id }), class: "card-link" },
      picture,
      h("span", { class: "card-name" }, video.filename),
    ),
    h("div", { class: "card-facts soft" }, facts.filter(Boolean).join(" · ")),
    state,
    h(
      "button",
      {
        type: "button",
        class: "icon-button card-delete",
        "aria-label": `Delete ${video.filename}`,
        title: "Delete",
        onclick: remove,
      },
      icon("trash"),
    ),
  );

  async function remove() {
    if (!confirm(`Delete ${video.filename}, with all its results?`)) return;
    try {
      await app.api.delete(`/videos/${video.video_id}`);
      onDeleted();
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "error");
    }
  }

  /** Called when the card comes into sight. */
  element.load = async () => {
    if (video.state !== "READY") return;
    const [thumbnails, jobs] = await Promise.all([
      thumbnailsOf(app, video, signal).catch(() => null),
      app.api.get(`/videos/${video.video_id}/jobs`, { limit: 1 }, signal).catch(() => ({ items: [] })),
    ]);
    if (signal.aborted) return;
    if (jobs.items[0]) {
      const { summary } = jobs.items[0];
      fill(
        state,
        statePill(jobs.items[0].state),
        summary
          ? h(
              "span",
              { class: "soft" },
              summary.labels
                .slice(0, 3)
                .map((/** @type {any} */ each) => each.label)
                .join(", "),
            )
          : null,
      );
    }
    if (thumbnails) element.release = preview(picture, thumbnails);
  };
  return element;
}

/**
 * Where the pictures of a card come from. A sheet of them is used where there is one, and not asked for: that would have workers
 * go through a whole library because somebody scrolled.
 * @param {App} app
 * @param {any} video
 * @param {AbortSignal} signal
 */
async function thumbnailsOf(app, video, signal) {
  const sheet = await findRendition(app.api, video.video_id, "thumbnails", signal).catch(() => null);
  if (sheet?.url) return new SheetThumbnails(sheet.url, sheet.tiles);
  const { url } = await app.api.get(`/videos/${video.video_id}/source`, {}, signal);
  return new VideoThumbnails(url, video.media);
}

/**
 * A picture of the video; the others as the mouse moves over it. What they come from is let go of as soon as one is drawn: a video
 * holds a connection, of which a browser has six for a host, and a sheet is large when it is decoded.
 * @param {HTMLElement} picture
 * @param {import("./thumbnails.js").Thumbnails} thumbnails
 */
function preview(picture, thumbnails) {
  const { start, end } = thumbnails;
  const release = () => thumbnails.dispose();
  thumbnails.canvas.classList.add("card-canvas");
  thumbnails.canvas.addEventListener("drawn", () => picture.matches(":hover") || release());
  picture.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    const area = picture.getBoundingClientRect();
    thumbnails.show(start + ((event.clientX - area.left) / area.width) * (end - start));
  });
  picture.addEventListener("pointerleave", release);
  picture.append(thumbnails.canvas);
  thumbnails.show(start + Math.min((end - start) * 0.3, 30));
  return release;
}

/** @param {App} app @param {HTMLElement} found @param {AbortSignal} signal */
function searchForm(app, found, signal) {
  const input = h("input", { type: "search", placeholder: "person, or a query", "aria-label": "Search all videos" });
  return h(
    "form",
    {
      class: "library-search",
      role: "search",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        ask(input.value.trim());
      },
    },
    input,
    h("button", { class: "button" }, icon("search"), "Search"),
  );

  /** @param {string} text */
  async function ask(text) {
    if (!text) return fill(found);
    // A bare word is a label; anything longer is the query language.
    const q =
      /^[\w -]+$/.test(text) && !/^(detections|tracks|appearances|count|best|largest|first|last|dwell)\b/i.test(text)
        ? `appearances where label = "${text}"`
        : text;
    fill(found, h("p", { class: "soft" }, h("span", { class: "spinner" }), " Searching all videos …"));
    try {
      const items = [];
      for await (const page of app.api.pages("/search", { q, limit: 100 }, signal)) {
        items.push(...page.items);
        if (items.length >= FOUND_MAX) break;
      }
      const rows = items.slice(0, FOUND_MAX).map((item) => {
        const t = item.first_seconds ?? item.time_seconds ?? item.start_seconds ?? 0;
        return h(
          "li",
          {},
          h(
            "a",
            {
              class: "found-item",
              href: writePlace({ videoId: item.video_id, job: item.job_id, t, q, track: item.track_id }),
            },
            h("span", { class: "found-time" }, formatTime(t)),
            h("span", {}, item.label ?? item.relation ?? "all"),
            h("span", { class: "soft" }, item.count !== undefined ? plural(item.count, "time") : item.video_id),
          ),
        );
      });
      fill(
        found,
        h(
          "div",
          { class: "panel" },
          h(
            "p",
            { class: "soft", role: "status" },
            rows.length ? `${plural(rows.length, "moment")} found` : "Nothing found",
          ),
          h("ol", { class: "found" }, rows),
        ),
      );
    } catch (error) {
      if (!signal.aborted) fill(found, problemBox(error));
    }
  }
}
