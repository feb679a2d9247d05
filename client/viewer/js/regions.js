/** A region or a line, drawn on the picture with the mouse, in pixels of the frame: the query language's own terms. */

import { prepare } from "./overlay.js";
import { themeColor } from "./theme.js";

/** @typedef {{x: number, y: number}} Point */
/** @typedef {{kind: "polygon" | "line", points: Point[]}} Shape */

const GRIP = 9;

/** The shape as the query language writes it. @param {Shape} shape */
export function shapeText(shape) {
  const points = shape.points.map(({ x, y }) => `(${round(x)}, ${round(y)})`).join(", ");
  return `${shape.kind}(${points})`;
}

/**
 * What one asks about a shape.
 * @param {Shape} shape
 * @param {string[] | null} labels null: all
 * @param {"detections" | "tracks" | "dwell" | "count"} kind
 */
export function shapeQuery(shape, labels, kind) {
  const names = labels
    ? labels.length === 1
      ? `label = ${quote(labels[0])}`
      : `label in (${labels.map(quote).join(", ")})`
    : "";
  if (shape.kind === "line") {
    return `${kind === "count" ? "count tracks" : "tracks"} where ${[names, `crosses ${shapeText(shape)}`].filter(Boolean).join(" and ")}`;
  }
  if (kind === "dwell") return `dwell inside ${shapeText(shape)}${names ? ` where ${names}` : ""}`;
  const what = kind === "count" ? "count tracks" : kind;
  return `${what} where ${[names, `inside ${shapeText(shape)}`].filter(Boolean).join(" and ")}`;
}

/** The first shape of a query, to be drawn again. @param {string} q @returns {Shape | null} */
export function readShape(q) {
  const match = /(polygon|line)\s*\(((?:\s*\([^()]*\)\s*,?)+)\)/i.exec(q);
  if (!match) return null;
  const points = [...match[2].matchAll(/\(\s*(-?[\d.]+)\s*,\s*(-?[\d.]+)\s*\)/g)].map(([, x, y]) => ({
    x: Number(x),
    y: Number(y),
  }));
  return { kind: /** @type {"polygon" | "line"} */ (match[1].toLowerCase()), points };
}

/** @param {string} label */
function quote(label) {
  return `"${label.replace(/(["\\])/g, "\\$1")}"`;
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}

/** Draws, and lets the mouse draw: `drawn` when a shape is ready or its points were moved. */
export class RegionEditor extends EventTarget {
  /**
   * @param {HTMLCanvasElement} canvas over the picture
   * @param {() => import("./overlay.js").Fit} fit
   * @param {{width: number, height: number}} frame
   */
  constructor(canvas, fit, frame) {
    super();
    this.canvas = canvas;
    this.fit = fit;
    this.frame = frame;
    /** @type {Shape | null} */
    this.shape = null;
    /** @type {"polygon" | "line" | null} */
    this.drawing = null;
    /** @type {Point | null} */
    this.mouse = null;
    /** @type {number | null} */
    this.dragged = null;
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    canvas.addEventListener("pointerup", () => this.up());
    canvas.addEventListener("dblclick", () => this.finish());
  }

  /** Begin to draw. @param {"polygon" | "line"} kind */
  begin(kind) {
    this.drawing = kind;
    this.shape = { kind, points: [] };
    this.canvas.classList.add("is-drawing");
    this.draw();
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Shape | null} shape */
  set(shape) {
    this.shape = shape;
    this.drawing = null;
    this.canvas.classList.remove("is-drawing");
    this.draw();
    this.dispatchEvent(new Event("change"));
  }

  /** End a polygon; fewer than three points are none. */
  finish() {
    if (!this.drawing || !this.shape) return;
    const points = this.shape.points.filter(
      (point, at, all) => !at || Math.hypot(point.x - all[at - 1].x, point.y - all[at - 1].y) > 2,
    );
    const isShape = points.length >= (this.drawing === "line" ? 2 : 3);
    this.set(isShape ? { kind: this.drawing, points } : null);
    if (isShape) this.dispatchEvent(new Event("drawn"));
  }

  /** @param {PointerEvent} event @returns {Point} */
  pointOf(event) {
    const area = this.canvas.getBoundingClientRect();
    const { left, top, scale } = this.fit();
    return {
      x: Math.min(this.frame.width, Math.max(0, (event.clientX - area.left - left) / scale)),
      y: Math.min(this.frame.height, Math.max(0, (event.clientY - area.top - top) / scale)),
    };
  }

  /** @param {Point} point */
  gripAt(point) {
    const reach = GRIP / this.fit().scale;
    return this.shape?.points.findIndex((each) => Math.hypot(each.x - point.x, each.y - point.y) < reach) ?? -1;
  }

  /** @param {PointerEvent} event */
  down(event) {
    const point = this.pointOf(event);
    const grip = this.gripAt(point);
    if (this.drawing && this.shape) {
      if (grip === 0 && this.shape.points.length > 2) return this.finish();
      this.shape.points.push(point);
      if (this.drawing === "line" && this.shape.points.length === 2) return this.finish();
    } else if (grip >= 0) {
      this.dragged = grip;
      this.canvas.setPointerCapture(event.pointerId);
      event.stopPropagation();
    }
    this.draw();
  }

  /** @param {PointerEvent} event */
  moved(event) {
    this.mouse = this.pointOf(event);
    if (this.dragged !== null && this.shape) this.shape.points[this.dragged] = this.mouse;
    this.canvas.classList.toggle("is-on-grip", !this.drawing && this.gripAt(this.mouse) >= 0);
    if (this.drawing || this.dragged !== null) this.draw();
  }

  up() {
    if (this.dragged === null) return;
    this.dragged = null;
    this.dispatchEvent(new Event("drawn"));
  }

  draw() {
    const { context } = prepare(this.canvas);
    if (!this.shape?.points.length) return;
    const { left, top, scale } = this.fit();
    const points = this.drawing && this.mouse ? [...this.shape.points, this.mouse] : this.shape.points;
    const at = points.map(({ x, y }) => [left + x * scale, top + y * scale]);
    const isArea = this.shape.kind === "polygon";
    context.beginPath();
    at.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (isArea && !this.drawing) context.closePath();
    if (isArea) {
      context.fillStyle = "rgb(139 139 255 / 0.18)";
      context.fill();
    }
    for (const [width, color] of /** @type {[number, string][]} */ ([
      [5, "rgb(0 0 0 / 0.5)"],
      [2.5, "#b4b4ff"],
    ])) {
      context.lineWidth = width;
      context.strokeStyle = color;
      context.stroke();
    }
    if (!isArea && at.length > 1) drawArrow(context, at);
    for (const [x, y] of at) {
      context.beginPath();
      context.arc(x, y, 5, 0, Math.PI * 2);
      context.fillStyle = "#ffffff";
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = themeColor("--accent");
      context.stroke();
    }
  }
}

/** Which way is left to right: along the arrow. @param {CanvasRenderingContext2D} context @param {number[][]} at */
function drawArrow(context, at) {
  const [[x1, y1], [x2, y2]] = at;
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  // Seen from the first point to the second, the right hand is (-dy, dx): y grows downwards.
  const [nx, ny] = [-(y2 - y1) / length, (x2 - x1) / length];
  const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const [tx, ty] = [mx + nx * 22, my + ny * 22];
  context.beginPath();
  context.moveTo(mx, my);
  context.lineTo(tx, ty);
  context.lineTo(tx - nx * 8 + ny * 5, ty - ny * 8 - nx * 5);
  context.moveTo(tx, ty);
  context.lineTo(tx - nx * 8 - ny * 5, ty - ny * 8 + nx * 5);
  context.lineWidth = 2;
  context.strokeStyle = "#ffffff";
  context.stroke();
}
