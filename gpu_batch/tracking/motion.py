"""Where a box will be: four independent constant-velocity Kalman filters a track (centre x, centre y, width, height).

A motion is float64 (T, 5, 4): for each track and each of the four quantities its value, its speed, the variance of the
value, the covariance of both, the variance of the speed; in pixels and seconds. Only +, -, *, / and sqrt are used,
element by element and never summed: IEEE 754 fixes their last bit, so the same rows give the same motion on every
machine.

Source: the textbook filter with white-noise acceleration; Bar-Shalom, Li and Kirubarajan, "Estimation with Applications
to Tracking and Navigation", section 6.2.2. Noise in shares of the box: Wojke et al., "Simple Online and Realtime
Tracking with a Deep Association Metric", 2017.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gpu_batch.tracking.params import TrackerParams

MOTION_SHAPE = (5, 4)
_VALUE, _SPEED, _VAR_VALUE, _COVARIANCE, _VAR_SPEED = range(5)
_CENTRE, _EXTENT = slice(0, 2), slice(2, 4)

_Floats = NDArray[np.float64]


def start_motion(boxes: _Floats, noise_factor: _Floats, params: TrackerParams) -> _Floats:
    """Motions of things seen once, (n, 5, 4): here, with an unknown speed around 0.

    `boxes` are (n, 4) xyxy; `noise_factor` (n,) says how much worse than a high row each was measured.
    """
    motion = np.zeros((len(boxes), *MOTION_SHAPE))
    motion[:, _VALUE] = _to_centres(boxes)
    size = _size(motion)
    motion[:, _VAR_VALUE] = _measurement_variance(size, noise_factor, params)
    motion[:, _VAR_SPEED] = _squared(_per_quantity(params.start_speed, params.start_size_speed) * size)
    return motion


def predict_motion(motion: _Floats, seconds: float, params: TrackerParams) -> _Floats:
    """The motions `seconds` later; a step of 0 changes nothing."""
    value, speed, var_value, covariance, var_speed = _parts(motion)
    size = _size(motion)
    decay = 1.0 / (1.0 + seconds / _per_quantity(params.speed_decay_seconds, params.size_decay_seconds))
    # Way made while the speed falls from 1 to `decay`.
    reach = seconds * 0.5 * (1.0 + decay)
    drift = _squared(params.position_noise * size) * seconds
    acceleration = _squared(_per_quantity(params.acceleration_noise, params.size_acceleration_noise) * size)
    seconds_squared = seconds * seconds

    later = np.empty_like(motion)
    later[:, _VALUE] = value + reach * speed
    later[:, _SPEED] = decay * speed
    later[:, _VAR_VALUE] = (
        var_value
        + 2.0 * reach * covariance
        + reach * reach * var_speed
        + drift
        + acceleration * (seconds_squared * seconds / 3.0)
    )
    later[:, _COVARIANCE] = decay * (covariance + reach * var_speed) + acceleration * (seconds_squared / 2.0)
    later[:, _VAR_SPEED] = decay * decay * var_speed + acceleration * seconds
    return _with_real_extent(later)


def correct_motion(motion: _Floats, boxes: _Floats, noise_factor: _Floats, params: TrackerParams) -> _Floats:
    """The motions after each thing was seen at its box; arguments as in `start_motion`."""
    value, speed, var_value, covariance, var_speed = _parts(motion)
    total = var_value + _measurement_variance(_size(motion), noise_factor, params)
    gain, speed_gain = var_value / total, covariance / total
    surprise = _to_centres(boxes) - value

    seen = np.empty_like(motion)
    seen[:, _VALUE] = value + gain * surprise
    seen[:, _SPEED] = speed + speed_gain * surprise
    seen[:, _VAR_VALUE] = var_value - gain * var_value
    seen[:, _COVARIANCE] = covariance - gain * covariance
    seen[:, _VAR_SPEED] = var_speed - speed_gain * covariance
    return _with_real_extent(seen)


def boxes_of(motion: _Floats) -> _Floats:
    """The boxes that the motions stand for, (T, 4) xyxy."""
    centre, half = motion[:, _VALUE, _CENTRE], 0.5 * motion[:, _VALUE, _EXTENT]
    return np.concatenate([centre - half, centre + half], axis=1)


def margins_of(motion: _Floats, params: TrackerParams) -> _Floats:
    """How far each thing may well be from its prediction, (T, 2): pixels in x and y."""
    likely = params.margin_sigmas * np.sqrt(motion[:, _VAR_VALUE, _CENTRE])
    return np.minimum(likely, params.margin_limit * _size(motion))


def _parts(motion: _Floats) -> tuple[_Floats, ...]:
    return tuple(motion[:, part] for part in range(MOTION_SHAPE[0]))


def _per_quantity(of_centre: float, of_extent: float) -> _Floats:
    return np.array([of_centre, of_centre, of_extent, of_extent])


def _size(motion: _Floats) -> _Floats:
    """The longer side of each box, (T, 1)."""
    extent = motion[:, _VALUE, _EXTENT]
    return np.maximum(extent[:, :1], extent[:, 1:])


def _measurement_variance(size: _Floats, noise_factor: _Floats, params: TrackerParams) -> _Floats:
    return _squared(params.measurement_noise * noise_factor[:, None] * size)


def _squared(values: _Floats) -> _Floats:
    return values * values


def _to_centres(boxes: _Floats) -> _Floats:
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([0.5 * (low + high), high - low], axis=1)


def _with_real_extent(motion: _Floats) -> _Floats:
    # A box that shrinks for long would turn inside out.
    motion[:, _VALUE, _EXTENT] = np.maximum(motion[:, _VALUE, _EXTENT], 1.0)
    return motion
