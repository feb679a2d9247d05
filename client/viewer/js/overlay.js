/** Boxes on the picture. */

import { SCORE_STEPS } from "./tile.js";

/** @typedef {import("./store.js").Store} Store @typedef {import("./filter.js").Filter} Filter */
/** @typedef {import("./colors.js").LabelColors} LabelColors @typedef {import("./clock.js").FrameClock} FrameClock */

/**
 * One box to draw.
 * @typedef {object} Box
 * @property {number[]} box x1, y1, x2, y2 in pixels of the frame as shown
 * @property {string} label
 * @property {number} score
 * @property {number} track 0: none
 * @property {string} color
 * @property {boolean} [isHeld] of a frame before this one
 * @property {boolean} [isFaint] beside the track that is looked at
 */

/**
 * The boxes of a frame.
 * @param {Store} store
 * @param {Filter} filter
 * @param {LabelColors} colors
 * @param {FrameClock} clock
 * @param {{seconds: number, pts: number}} shown
 * @param {number} heldSeconds how long boxes stay until the next frame that was looked at; 0 when every frame was
 * @returns {Box[] | null} null: not known yet
 */
export function boxesAt(store, filter, colors, clock, shown, heldSeconds) {
  // Rounded times may lie a hair before the frame.
  const pts = shown.pts + Math.max(1, Math.round(0.0005 / clock.tickSeconds));
  const found = store.frameAt(shown.seconds, pts);
  if (!found) return store.peek(shown.seconds) ? [] : null;
  const framePts = found.tile.framePts[found.frame];
  const isExact = clock.isSame(framePts, shown.pts);
  if (!isExact && (shown.pts - framePts) * clock.tickSeconds > heldSeconds) return [];
  const passes = filter.test(store);
  const boxes = [];
  for (let row = found.rows[0]; row < found.rows[1]; row++) {
    if (!passes(found.tile, row)) continue;
    const label = store.labels.all[found.tile.labels[row]];
    const track = found.tile.tracks[row];
    boxes.push({
      box: Array.from(found.tile.boxes.subarray(row * 4, row * 4 + 4)),
      label,
      score: found.tile.scores[row] / SCORE_STEPS,
      track,
      color: colors.bright(label),
      isHeld: !isExact,
      isFaint: filter.track !== null && filter.track !== track,
    });
  }
  return boxes;
}

/** Where the picture lies in its element, and how much larger it is. @typedef {{left: number, top: number, scale: number}} Fit */

/** @param {number} width @param {number} height @param {number} frameWidth @param {number} frameHeight @returns {Fit} */
export function fitFrame(width, height, frameWidth, frameHeight) {
  const scale = Math.min(width / frameWidth, height / frameHeight);
  return { left: (width - frameWidth * scale) / 2, top: (height - frameHeight * scale) / 2, scale };
}

/** Sizes of canvases in CSS pixels; asking an element in every frame would have the page laid out each time. */
/** @type {WeakMap<Element, {width: number, height: number}>} */
const sizes = new WeakMap();
const observer = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries)
    sizes.set(target, { width: contentRect.width, height: contentRect.height });
});

/** @param {HTMLCanvasElement} canvas */
export function sizeOf(canvas) {
  let size = sizes.get(canvas);
  if (!size) {
    size = { width: canvas.clientWidth, height: canvas.clientHeight };
    sizes.set(canvas, size);
    observer.observe(canvas);
  }
  return size;
}

/**
 * Give a canvas the pixels of its size on the screen.
 * @param {HTMLCanvasElement} canvas
 * @param {number} [height] in CSS pixels, when it was changed just now
 * @returns {{context: CanvasRenderingContext2D, width: number, height: number}} cleared, in CSS pixels
 */
export function prepare(canvas, height) {
  const ratio = devicePixelRatio || 1;
  const size = sizeOf(canvas);
  if (height !== undefined) size.height = height;
  const [pixelsWide, pixelsHigh] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (canvas.width !== pixelsWide || canvas.height !== pixelsHigh) {
    canvas.width = pixelsWide;
    canvas.height = pixelsHigh;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  return { context, ...size };
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Fit} fit
 * @param {Box[]} boxes those with the best score are drawn last, on top
 */
export function drawBoxes(context, fit, boxes) {
  context.font = "600 12px system-ui, sans-serif";
  context.textBaseline = "middle";
  for (const box of [...boxes].sort((a, b) => a.score - b.score)) {
    const [x1, y1, x2, y2] = box.box;
    const [left, top] = [snap(fit.left + x1 * fit.scale), snap(fit.top + y1 * fit.scale)];
    const [width, height] = [snap(fit.left + x2 * fit.scale) - left, snap(fit.top + y2 * fit.scale) - top];
    context.globalAlpha = box.isFaint ? 0.3 : 1;
    context.setLineDash(box.isHeld ? [6, 4] : []);
    context.lineWidth = 4;
    context.strokeStyle = "rgb(0 0 0 / 0.55)";
    context.strokeRect(left, top, width, height);
    context.lineWidth = 2;
    context.strokeStyle = box.color;
    context.strokeRect(left, top, width, height);
    context.setLineDash([]);
    if (!box.isFaint) drawTag(context, fit, box, left, top);
  }
  context.globalAlpha = 1;
}

/** To whole pixels of the screen, where lines are sharp. @param {number} at */
function snap(at) {
  const ratio = devicePixelRatio || 1;
  return Math.round(at * ratio) / ratio;
}

/** @param {CanvasRenderingContext2D} context @param {Fit} fit @param {Box} box @param {number} left @param {number} top */
function drawTag(context, fit, box, left, top) {
  const text = `${box.label}${box.track ? ` #${box.track}` : ""} ${box.score.toFixed(2)}`;
  const width = context.measureText(text).width + 10;
  const y = top - 18 >= fit.top ? top - 18 : top;
  const x = Math.max(fit.left, left - 1);
  context.fillStyle = box.color;
  context.beginPath();
  context.roundRect(x, y, width, 18, 3);
  context.fill();
  context.fillStyle = "#0b0d12";
  context.fillText(text, x + 5, y + 9.5);
}
