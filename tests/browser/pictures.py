"""Which frame of a file a picture is: both small and grey, compared with every frame of a plain decode."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from tests.browser.cdp import Page

WIDTH, HEIGHT = 64, 36

GRAB = """
(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: %d, height: %d });
  const context = canvas.getContext("2d");
  context.drawImage(document.querySelector(%r), 0, 0, canvas.width, canvas.height);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return Array.from({ length: data.length / 4 }, (_, at) => (data[4 * at] + data[4 * at + 1] + data[4 * at + 2]) / 3);
})()
"""


def decode(path: Path, quarter_turns: int = 0) -> tuple[list[float], np.ndarray]:
    """Seconds of each shown frame, and all frames: float32 (N, HEIGHT, WIDTH), grey."""
    seconds, frames = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            assert frame.pts is not None
            assert frame.time_base is not None
            seconds.append(float(frame.pts * frame.time_base))
            rgb = np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns)
            frames.append(_shrink(rgb.mean(axis=2)))
    return seconds, np.stack(frames)


def shown_frame(page: Page, frames: np.ndarray, selector: str = "video") -> int:
    """The index of the frame that is nearest to what the page shows."""
    grabbed = np.array(page.run(GRAB % (WIDTH, HEIGHT, selector)), dtype=np.float32).reshape(HEIGHT, WIDTH)
    differences = np.abs(frames - grabbed).mean(axis=(1, 2))
    return int(np.argmin(differences))


def _shrink(grey: np.ndarray) -> np.ndarray:
    rows = np.linspace(0, grey.shape[0], HEIGHT + 1).astype(int)
    columns = np.linspace(0, grey.shape[1], WIDTH + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(grey, rows[:-1], axis=0), columns[:-1], axis=1)
    counts = np.outer(np.diff(rows), np.diff(columns))
    small: np.ndarray = (sums / counts).astype(np.float32)
    return small
