/** Numbers as people read them. */

/**
 * A time in the video: 1:02:03.04, 2:03.04.
 * @param {number} seconds
 * @param {number} [decimals]
 */
export function formatTime(seconds, decimals = 2) {
  const sign = seconds < 0 ? "−" : "";
  const scale = 10 ** decimals;
  const ticks = Math.round(Math.abs(seconds) * scale);
  const whole = Math.floor(ticks / scale);
  const fraction = decimals ? "." + String(ticks % scale).padStart(decimals, "0") : "";
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const tail = String(rest).padStart(2, "0") + fraction;
  return sign + (hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`);
}

/** A time read aloud. @param {number} seconds */
export function speakTime(seconds) {
  const minutes = Math.floor(seconds / 60);
  const rest = `${(seconds % 60).toFixed(1)} seconds`;
  return minutes ? `${minutes} ${minutes === 1 ? "minute" : "minutes"} ${rest}` : rest;
}

/** @param {number} bytes */
export function formatBytes(bytes) {
  let value = bytes;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (value < 1000) return `${unit === "B" || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

const COUNT = new Intl.NumberFormat("en");

/** @param {number} count */
export function formatCount(count) {
  return COUNT.format(count);
}

/** "1 track", "2 tracks". @param {number} count @param {string} one */
export function plural(count, one) {
  return `${formatCount(count)} ${one}${count === 1 ? "" : "s"}`;
}

/** How long something takes: 3 s, 2 min, 1 h 5 min. @param {number} seconds */
export function formatDuration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** @param {string} text RFC 3339 @param {number} now milliseconds */
export function formatAge(text, now) {
  const seconds = (now - Date.parse(text)) / 1000;
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(text).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

/** "1/12800" as seconds for one tick. @param {string} timebase */
export function tickSeconds(timebase) {
  const [numerator, denominator = "1"] = timebase.split("/");
  return Number(numerator) / Number(denominator);
}

/** How a job's frames are chosen, in words. @param {any} sampling */
export function formatSampling(sampling) {
  if (sampling.kind === "every_frame") return "every frame";
  if (sampling.kind === "per_second") return `${sampling.n} per second`;
  return sampling.n ? `keyframes, ${sampling.n} per second` : "keyframes";
}
