/** One colour for each label, the same wherever it is shown. */

/** Bright ones on video and dark pages; darker ones of the same hue on light pages. */
const BRIGHT = [
  "#38bdf8",
  "#fb923c",
  "#a3e635",
  "#f472b6",
  "#c084fc",
  "#facc15",
  "#2dd4bf",
  "#f87171",
  "#93a4ff",
  "#4ade80",
  "#e879f9",
  "#fcd9a4",
];
const DEEP = [
  "#0369a1",
  "#c2410c",
  "#4d7c0f",
  "#be185d",
  "#7e22ce",
  "#a16207",
  "#0f766e",
  "#b91c1c",
  "#4338ca",
  "#15803d",
  "#a21caf",
  "#92400e",
];

export class LabelColors {
  constructor() {
    /** @type {Map<string, number>} */
    this.slotByLabel = new Map();
  }

  /** On video. @param {string} label */
  bright(label) {
    return BRIGHT[this.slot(label)];
  }

  /** On the page. @param {string} label */
  onPage(label) {
    return (document.documentElement.dataset.theme === "dark" ? BRIGHT : DEEP)[this.slot(label)];
  }

  /** A free colour as long as there are any; the name decides where the search begins. @param {string} label */
  slot(label) {
    const known = this.slotByLabel.get(label);
    if (known !== undefined) return known;
    let hash = 7;
    for (const letter of label) hash = (hash * 31 + letter.charCodeAt(0)) >>> 0;
    const taken = new Set(this.slotByLabel.values());
    let slot = hash % BRIGHT.length;
    for (let tries = 0; tries < BRIGHT.length && taken.has(slot); tries++) slot = (slot + 1) % BRIGHT.length;
    this.slotByLabel.set(label, slot);
    return slot;
  }
}
