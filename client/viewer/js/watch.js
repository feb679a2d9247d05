/** The page of one video: it follows the job, and puts the parts together. */

import { analysisForm } from "./analysis.js";
import { openDialog, menuButton } from "./dialog.js";
import { announce, fill, h, icon, iconButton, toast } from "./dom.js";
import { ENDED, watchJob } from "./events.js";
import { exportMenu } from "./exports.js";
import { formatAge, formatSampling, formatTime, plural } from "./format.js";
import { pause } from "./api.js";
import { writePlace } from "./links.js";
import { problemBox, statePill, stateWord } from "./problems.js";
import { Results } from "./results.js";
import { showUploads } from "./uploads_view.js";

/** @typedef {import("./main.js").App} App @typedef {import("./links.js").Place} Place */

const POLL_SECONDS = 1.5;
const RANGES_SHOWN = 5;

/** @param {App} app @param {Place} place */
export function watchView(app, place) {
  const view = new WatchView(app, place);
  view.start().catch((error) => view.failed(error));
  return view;
}

class WatchView {
  /** @param {App} app @param {Place} place */
  constructor(app, place) {
    this.app = app;
    this.place = place;
    this.abort = new AbortController();
    this.jobAbort = new AbortController();
    /** Of the job whose results are being opened. @type {AbortSignal | null} */
    this.opening = null;
    /** @type {any} */
    this.video = null;
    /** @type {any[]} */
    this.jobs = [];
    /** @type {any} */
    this.job = null;
    /** @type {Results | null} */
    this.results = null;
    this.title = h("h1", { class: "watch-title" }, "…");
    this.facts = h("span", { class: "soft watch-facts" });
    this.actions = h("div", { class: "watch-actions" });
    this.status = h("div", { class: "watch-status" });
    this.uploads = h("section", { class: "uploads panel", "aria-label": "Upload", hidden: true });
    this.content = h("div", { class: "watch-content" });
    this.element = h(
      "main",
      { class: "watch", id: "main" },
      h(
        "div",
        { class: "watch-head" },
        h("a", { class: "icon-button", href: "#/", "aria-label": "All videos", title: "All videos" }, icon("back")),
        h("div", { class: "watch-names" }, this.title, this.facts),
        this.actions,
      ),
      this.uploads,
      this.status,
      this.content,
    );
    this.stopUploads = showUploads(
      this.uploads,
      app.uploads,
      (upload) => upload.entry.videoId === place.videoId && upload.state !== "done",
    );
  }

  /** The same page at another moment: no need to build it anew. @param {Place} place */
  go(place) {
    if (
      place.videoId !== this.place.videoId ||
      (place.job && place.job !== this.job?.job_id) ||
      place.other !== this.place.other ||
      !this.results
    )
      return false;
    this.place = place;
    this.results.apply(place);
    return true;
  }

  async start() {
    fill(this.content, skeleton());
    await this.loadVideo();
    if (this.abort.signal.aborted) return;
    this.jobs = (await this.app.api.get(`/videos/${this.place.videoId}/jobs`, { limit: 50 }, this.abort.signal)).items;
    const chosen = this.jobs.find((job) => job.job_id === this.place.job) ?? this.jobs[0];
    if (chosen) this.follow(chosen.job_id);
    else this.showNoJob();
  }

  async loadVideo() {
    this.video = (await this.app.api.get(`/videos/${this.place.videoId}`, {}, this.abort.signal)).video;
    this.showHead();
  }

  /** @param {string} jobId */
  follow(jobId) {
    this.jobAbort.abort();
    this.jobAbort = new AbortController();
    const { signal } = this.jobAbort;
    this.results?.dispose();
    this.results = null;
    this.job = null;
    watchJob(
      this.app.api,
      this.app.config,
      jobId,
      (job) => this.take(job).catch((error) => this.failed(error)),
      (range) => this.results?.addRange(range.startSeconds, range.endSeconds),
      signal,
    ).catch((error) => signal.aborted || this.failed(error));
  }

  /** Another state of the job. @param {any} job */
  async take(job) {
    if (this.jobAbort.signal.aborted) return;
    const before = this.job;
    this.job = job;
    if (before?.state !== job.state) {
      announce(`Analysis: ${stateWord(job.state)}`);
      const at = this.jobs.findIndex((each) => each.job_id === job.job_id);
      if (at >= 0) this.jobs[at] = job;
      else this.jobs.unshift(job);
      this.showHead();
    }
    this.showStatus();
    await this.whenReady();
    if (this.jobAbort.signal.aborted || this.job !== job) return;
    if (!this.video.media) return;
    // When the first frame is shown is known when the job is planned.
    if (!job.progress.segments_total && !ENDED.has(job.state)) return;
    if (!this.results) await this.open();
    else this.results.setJob(job);
  }

  /** The video's facts come a little after its bytes. */
  async whenReady() {
    while (!this.video.media && this.video.state !== "REJECTED" && !this.jobAbort.signal.aborted) {
      await this.loadVideo();
      this.showStatus();
      if (this.video.media || this.video.state === "REJECTED") break;
      // What the job says next comes here anew.
      if (this.isWaiting) return;
      this.isWaiting = true;
      await pause(POLL_SECONDS, this.jobAbort.signal).catch(() => {});
      this.isWaiting = false;
    }
  }

  async open() {
    const { signal } = this.jobAbort;
    if (this.opening === signal) return;
    this.opening = signal;
    try {
      const models = await this.app.models().catch(() => []);
      const { items } = await this.app.api.get(`/jobs/${this.job.job_id}/segments`, { limit: 1 }, signal);
      const other = this.place.other
        ? (await this.app.api.get(`/jobs/${this.place.other}`, {}, signal)).job
        : null;
      if (signal.aborted) return;
      this.results = new Results(this.app, this.video, this.job, items[0]?.start_pts ?? 0, models, other, this.place);
      fill(this.content, this.results.element);
      await this.results.start();
      this.results.setJob(this.job);
    } finally {
      if (this.opening === signal) this.opening = null;
    }
  }

  showHead() {
    const { video } = this;
    document.title = `${video.filename} · reelscan`;
    this.title.textContent = video.filename;
    const { media } = video;
    this.facts.textContent = media
      ? `${media.width} × ${media.height} · ${media.codec} · ${formatTime(media.duration_seconds)}`
      : "";
    fill(
      this.actions,
      this.jobPicker(),
      this.compareButton(),
      this.againButton(),
      this.exportButton(),
      this.linkButton(),
    );
  }

  jobPicker() {
    if (!this.job && !this.jobs.length) return null;
    const name = (/** @type {any} */ job) =>
      `${job.models.map((/** @type {any} */ model) => model.name).join(" + ")}, ${formatSampling(job.sampling)}, ${formatAge(job.created_at, Date.now())}`;
    const options = this.jobs.map((job) =>
      h("option", { value: job.job_id, selected: job.job_id === this.job?.job_id }, name(job)),
    );
    return h(
      "select",
      {
        class: "job-picker",
        "aria-label": "Analysis",
        onchange: (/** @type {any} */ event) =>
          (location.hash = writePlace({
            videoId: this.video.video_id,
            job: event.target.value,
            t: this.results?.seconds,
          })),
      },
      options,
    );
  }

  compareButton() {
    const others = this.jobs.filter(
      (job) => job.job_id !== this.job?.job_id && (job.state === "SUCCEEDED" || job.state === "PARTIAL"),
    );
    if (!others.length || !this.job) return null;
    if (this.place.other) {
      const leave = { videoId: this.video.video_id, job: this.job.job_id, t: this.results?.seconds };
      return h("a", { class: "button is-on", href: writePlace(leave) }, icon("compare"), "End comparison");
    }
    const menu = menuButton([icon("compare"), "Compare"], () =>
      h(
        "div",
        {},
        h("p", { class: "soft menu-head" }, "Compare with"),
        others.map((job) =>
          h(
            "a",
            {
              class: "menu-item",
              href: writePlace({
                videoId: this.video.video_id,
                job: this.job.job_id,
                other: job.job_id,
                t: this.results?.seconds,
              }),
            },
            h("span", {}, job.models.map((/** @type {any} */ model) => model.name).join(" + ")),
            h("span", { class: "soft" }, `${formatSampling(job.sampling)}, ${formatAge(job.created_at, Date.now())}`),
          ),
        ),
      ),
    );
    return menu.element;
  }

  againButton() {
    if (this.video.state !== "READY") return null;
    return h("button", { type: "button", class: "button", onclick: () => this.askAgain() }, icon("redo"), "Analyse");
  }

  exportButton() {
    if (!this.job || !(this.job.state === "SUCCEEDED" || this.job.state === "PARTIAL")) return null;
    const { job_id: jobId } = this.job;
    const filters = () => this.results?.filters() ?? { score_min: 0, labels: null };
    return menuButton([icon("download"), "Export"], () => exportMenu(this.app.api, jobId, filters)).element;
  }

  linkButton() {
    return iconButton("link", "Copy a link to this moment", async () => {
      this.results?.writeLink();
      try {
        await navigator.clipboard.writeText(location.href);
        toast("Link copied: it shows this moment with these filters");
      } catch {
        toast("The address of this page is the link");
      }
    });
  }

  async askAgain() {
    const form = analysisForm(await this.app.models());
    const problem = h("div", {});
    const begin = async () => {
      try {
        const { job } = await this.app.api.post(`/videos/${this.video.video_id}/jobs`, form.read());
        dialog.close();
        location.hash = writePlace({ videoId: this.video.video_id, job: job.job_id, t: this.results?.seconds });
      } catch (error) {
        fill(problem, problemBox(error));
      }
    };
    const dialog = openDialog(
      "Analyse this video",
      h("p", { class: "soft" }, "Earlier results stay. What is stored is never computed twice."),
      form.element,
      problem,
      h(
        "div",
        { class: "dialog-foot" },
        h("button", { type: "button", class: "button primary", onclick: begin }, "Analyse"),
      ),
    );
  }

  /** The state of the job, as long as there is something to say. */
  showStatus() {
    const { job, video } = this;
    if (video.error) return this.showRejected();
    if (!job) return fill(this.status);
    const { segments_total: total, segments_done: done, segments_failed: failed } = job.progress;
    if (job.state === "CANCELLED") {
      // It has an error too, but it is what somebody wanted.
      const note = h("span", {}, "What was found until then stays.");
      return fill(this.status, h("div", { class: "progress-box" }, statePill(job.state), note));
    }
    if (job.missing) return fill(this.status, problemBox(missingParts(job), this.retryButton(failed)));
    if (job.error) return fill(this.status, problemBox(job.error, this.retryButton(failed)));
    if (ENDED.has(job.state)) return fill(this.status);
    if (video.state === "AWAITING_UPLOAD") return fill(this.status);
    const percent = total ? Math.round((done / total) * 100) : null;
    const text = !total
      ? "Reading the file"
      : done < total
        ? `${done} of ${plural(total, "segment")}`
        : "Numbering tracks";
    fill(
      this.status,
      h(
        "div",
        { class: "progress-box" },
        statePill(job.state),
        h("progress", { class: "bar", max: "100", value: percent, "aria-label": "Analysis" }),
        h("span", { class: "progress-text" }, text),
        done && done < total ? h("span", { class: "soft partial-note" }, "Partial results: the rest follows") : null,
        job.state === "CANCELLING"
          ? null
          : h("button", { type: "button", class: "button", onclick: () => this.act("cancel") }, icon("stop"), "Cancel"),
      ),
    );
  }

  /** @param {number} failed */
  retryButton(failed) {
    if (!failed && this.job.state !== "FAILED") return null;
    return h(
      "button",
      { type: "button", class: "button", onclick: () => this.act("retry") },
      icon("redo"),
      "Try again",
    );
  }

  /** @param {"cancel" | "retry"} what */
  async act(what) {
    try {
      await this.app.api.post(`/jobs/${this.job.job_id}/${what}`, {});
      if (what === "retry") this.follow(this.job.job_id);
    } catch (error) {
      toast(/** @type {Error} */ (error).message, "error");
    }
  }

  showNoJob() {
    if (this.video.error) return this.showRejected();
    fill(
      this.content,
      h(
        "div",
        { class: "empty panel" },
        icon("film"),
        h("h2", {}, "Not analysed yet"),
        h("p", { class: "soft" }, "Choose a model, and see what is in this video."),
        this.video.state === "READY"
          ? h("button", { type: "button", class: "button primary", onclick: () => this.askAgain() }, "Analyse")
          : null,
      ),
    );
  }

  showRejected() {
    fill(this.status, problemBox(this.video.error, h("a", { class: "button", href: "#/" }, "All videos")));
    fill(this.content);
  }

  /** @param {any} error */
  failed(error) {
    if (this.abort.signal.aborted || error?.name === "AbortError") return;
    const isGone = error.status === 404;
    fill(
      this.status,
      problemBox(
        error,
        h("a", { class: "button", href: "#/" }, "All videos"),
        isGone ? null : h("button", { type: "button", class: "button", onclick: () => location.reload() }, "Try again"),
      ),
    );
    if (!this.results) fill(this.content);
    if (isGone) this.title.textContent = "Not found";
  }

  dispose() {
    document.title = "reelscan";
    this.abort.abort();
    this.jobAbort.abort();
    this.stopUploads();
    this.results?.dispose();
  }
}

/** What is missing of a job, as an error. @param {any} job */
function missingParts(job) {
  const ranges = job.missing.map(
    (/** @type {any} */ each) => `${formatTime(each.start_seconds)} – ${formatTime(each.end_seconds)}`,
  );
  const more = ranges.length > RANGES_SHOWN ? ` and ${ranges.length - RANGES_SHOWN} more` : "";
  const [{ error }] = job.missing;
  return {
    ...error,
    title: "Parts of the video are missing",
    detail: `No results of ${ranges.slice(0, RANGES_SHOWN).join(", ")}${more}: ${error.detail}`,
  };
}

/** Where picture, timeline and lists will be. */
function skeleton() {
  return h(
    "div",
    { class: "results-layout skeleton", "aria-hidden": "true" },
    h(
      "div",
      { class: "results-main" },
      h("div", { class: "skeleton-stage" }, icon("film")),
      h("div", { class: "skeleton-timeline" }),
    ),
    h("div", { class: "skeleton-side" }),
  );
}
