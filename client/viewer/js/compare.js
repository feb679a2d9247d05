/** Two jobs of one video beside each other: what the service counted, and the boxes of a frame matched by the same law. */

import { fill, h } from "./dom.js";
import { formatCount } from "./format.js";

/** @typedef {import("./api.js").Api} Api @typedef {import("./overlay.js").Box} Box */

/** The law of docs/diff.md. */
const IOU_MATCHED = 0.5;
const IOU_MOVED = 0.8;
const BUCKETS = 120;
const COLORS = { added: "#4ade80", removed: "#f87171", moved: "#facc15", same: "#cbd5e1" };

/**
 * Colour the boxes of one frame by what became of them.
 * @param {Box[]} a
 * @param {Box[]} b
 * @returns {{a: Box[], b: Box[], counts: {added: number, removed: number, moved: number, same: number}}}
 */
export function matchBoxes(a, b) {
  const pairs = [];
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < b.length; j++) {
      if (a[i].label !== b[j].label) continue;
      const iou = overlap(a[i].box, b[j].box);
      if (iou >= IOU_MATCHED) pairs.push({ i, j, iou, scores: Math.abs(a[i].score - b[j].score) });
    }
  }
  pairs.sort((x, y) => y.iou - x.iou || x.scores - y.scores || x.i - y.i || x.j - y.j);
  /** @type {(keyof typeof COLORS)[]} */
  const kindsA = a.map(() => "removed");
  /** @type {(keyof typeof COLORS)[]} */
  const kindsB = b.map(() => "added");
  const taken = { a: new Set(), b: new Set() };
  for (const { i, j, iou } of pairs) {
    if (taken.a.has(i) || taken.b.has(j)) continue;
    taken.a.add(i);
    taken.b.add(j);
    kindsA[i] = kindsB[j] = iou < IOU_MOVED ? "moved" : "same";
  }
  const count = (/** @type {any[]} */ kinds, /** @type {string} */ kind) =>
    kinds.filter((each) => each === kind).length;
  return {
    a: a.map((box, at) => ({ ...box, color: COLORS[kindsA[at]] })),
    b: b.map((box, at) => ({ ...box, color: COLORS[kindsB[at]] })),
    counts: {
      added: count(kindsB, "added"),
      removed: count(kindsA, "removed"),
      moved: count(kindsA, "moved"),
      same: count(kindsA, "same"),
    },
  };
}

/** @param {number[]} a @param {number[]} b */
function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  const area = (/** @type {number[]} */ box) => (box[2] - box[0]) * (box[3] - box[1]);
  return both / (area(a) + area(b) - both);
}

/**
 * The diff of the whole, its parts added up.
 * @param {Api} api
 * @param {string} a
 * @param {string} b
 * @param {number} scoreMin
 * @param {AbortSignal} signal
 * @param {(sum: any) => void} onPart called as it grows
 */
export async function loadDiff(api, a, b, scoreMin, signal, onPart) {
  const counted = ["a_count", "b_count", "matched", "moved", "added", "removed"];
  const zero = () => Object.fromEntries(counted.map((name) => [name, 0]));
  const sum = { total: zero(), labels: new Map(), buckets: new Map(), isComplete: false, scoreMin };
  const add = (/** @type {any} */ to, /** @type {any} */ part) => counted.forEach((name) => (to[name] += part[name]));
  for (let cursor = null, isFirst = true; isFirst || cursor; isFirst = false) {
    const part = /** @type {any} */ (
      await api.get(`/jobs/${a}/diff/${b}`, { buckets: BUCKETS, score_min: scoreMin, cursor }, signal)
    );
    add(sum.total, part.total);
    for (const each of part.labels) {
      if (!sum.labels.has(each.label)) sum.labels.set(each.label, zero());
      add(sum.labels.get(each.label), each);
    }
    for (const each of part.over_time) {
      const known = sum.buckets.get(each.start_seconds) ?? {
        start: each.start_seconds,
        end: each.end_seconds,
        ...zero(),
      };
      add(known, each);
      sum.buckets.set(each.start_seconds, known);
    }
    cursor = part.next_cursor;
    sum.isComplete = !cursor;
    onPart(sum);
  }
}

/** Stretches of time in which boxes were added, or removed, for the timeline. @param {any} sum @param {"added" | "removed"} kind */
export function changeLane(sum, kind) {
  const buckets = [...sum.buckets.values()].filter((bucket) => bucket[kind]);
  const most = Math.max(1, ...buckets.map((bucket) => bucket[kind]));
  return {
    name: kind === "added" ? "Only in B" : "Only in A",
    color: kind === "added" ? "--added" : "--danger",
    spans: buckets.map(({ start, end }) => ({ start, end })),
    weights: buckets.map((bucket) => bucket[kind] / most),
  };
}

/** The sums as a panel. @param {HTMLElement} panel @param {any} sum */
export function showDiff(panel, sum) {
  const { total } = sum;
  const both = total.a_count + total.b_count;
  const agreement = both ? (2 * total.matched) / both : 1;
  const cell = (/** @type {string} */ kind, /** @type {string} */ name, /** @type {number} */ count) =>
    h("div", { class: `sum sum-${kind}` }, h("strong", {}, formatCount(count)), h("span", {}, name));
  fill(
    panel,
    h(
      "div",
      { class: "agreement" },
      h("strong", {}, `${(agreement * 100).toFixed(1)} %`),
      h("span", { class: "soft" }, `agreement at a score of ${sum.scoreMin.toFixed(2)} or more`),
    ),
    h(
      "div",
      { class: "sums" },
      cell("same", "unmoved", total.matched - total.moved),
      cell("moved", "moved", total.moved),
      cell("removed", "only in A", total.removed),
      cell("added", "only in B", total.added),
    ),
    h(
      "table",
      { class: "diff-labels" },
      h("caption", { class: "visually-hidden" }, "Differences by label"),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["Label", "Both", "Only A", "Only B"].map((name) => h("th", { scope: "col" }, name)),
        ),
      ),
      h(
        "tbody",
        {},
        [...sum.labels].map(([label, each]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, label),
            [each.matched, each.removed, each.added].map((count) => h("td", {}, formatCount(count))),
          ),
        ),
      ),
    ),
    sum.isComplete ? null : h("p", { class: "soft" }, h("span", { class: "spinner" }), " Comparing …"),
  );
}
