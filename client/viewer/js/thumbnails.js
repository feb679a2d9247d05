/** Small pictures of any moment, taken from the video itself by a second element that nobody sees. */

const WIDTH = 176;

export class Thumbnails {
  /** @param {string} url @param {number} aspect width by height */
  constructor(url, aspect) {
    this.url = url;
    this.canvas = document.createElement("canvas");
    this.canvas.width = WIDTH * 2;
    this.canvas.height = Math.round((WIDTH * 2) / aspect);
    /** @type {HTMLVideoElement | null} */
    this.video = null;
    /** @type {number | null} */
    this.wanted = null;
    this.isBusy = false;
  }

  /** Show the picture of a media time as soon as it is there; of many the last. @param {number} mediaTime */
  show(mediaTime) {
    this.wanted = mediaTime;
    this.video ??= this.open();
    this.seek();
  }

  open() {
    const video = document.createElement("video");
    video.muted = true;
    video.preload = "auto";
    video.src = this.url;
    video.addEventListener("loadeddata", () => this.seek());
    video.addEventListener("seeked", () => {
      if (this.video !== video) return;
      this.canvas.getContext("2d")?.drawImage(video, 0, 0, this.canvas.width, this.canvas.height);
      this.canvas.classList.add("is-ready");
      this.isBusy = false;
      this.canvas.dispatchEvent(new Event("drawn"));
      this.seek();
    });
    return video;
  }

  seek() {
    if (this.isBusy || this.wanted === null || !this.video || this.video.readyState < 2) return;
    this.isBusy = true;
    this.video.currentTime = this.wanted;
    this.wanted = null;
  }

  /** Let the video go, and its connection; `show` opens it again. */
  dispose() {
    const { video } = this;
    this.video = null;
    this.isBusy = false;
    this.wanted = null;
    video?.removeAttribute("src");
    video?.load();
  }
}
