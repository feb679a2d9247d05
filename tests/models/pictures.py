"""Pictures made by arithmetic, the same everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def colour_card(height: int, width: int) -> npt.NDArray[np.uint8]:
    """Waves of three colours, a disc and a rectangle: uint8 (height, width, 3) RGB."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 120 * np.sin(x / 23.0 + k) * np.cos(y / (17.0 + 5 * k)) for k in range(3)]
    picture = np.stack(waves, axis=-1)
    picture[(x - width // 3) ** 2 + (y - height // 2) ** 2 < (height // 5) ** 2] = (220, 60, 40)
    picture[height // 2 : height // 2 + height // 4, width // 2 : width // 2 + width // 3] = (30, 90, 200)
    return np.rint(picture).clip(0, 255).astype(np.uint8)
