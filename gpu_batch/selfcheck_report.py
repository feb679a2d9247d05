"""What the self-check finds, and what of it is not as it must be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """Its fields are those of the JSON line (docs/gpu.md)."""

    asked: str
    provider: str
    provider_reason: str
    decoder_reason: str
    is_decoded_on_gpu: bool
    frames: int
    frames_answered: int
    frames_in_place: int
    inputs_compared: int
    levels_apart: int
    """Of the pixel of an input that is furthest from the host's."""
    levels_allowed: int
    sure_boxes: int
    matched_boxes: int
    decode_fps: float
    decode_side_by_side_fps: float
    """Of as many decoders as a child has sessions on a GPU, all together."""
    first_frame_ms: float
    """To open a decoder and have its first frame: every cell of a video does."""
    resize_fps: float | None
    inference_fps: float
    whole_fps: float

    def find_failures(self) -> list[str]:
        """What is not as it must be."""
        failures = []
        if self.provider != self.asked:
            failures.append(f"the provider must be {self.asked} but is {self.provider}")
        if self.frames_answered != self.frames:
            failures.append(f"{self.frames} frames were decoded but {self.frames_answered} answered")
        if self.is_decoded_on_gpu and not self.frames_in_place:
            failures.append("the GPU decodes but no frame stays in its memory")
        if self.levels_apart > self.levels_allowed:
            failures.append(f"an input is {self.levels_apart} levels from the host's")
        if not self.sure_boxes:
            failures.append("the CPU finds no sure box to compare with")
        if self.matched_boxes < self.sure_boxes:
            failures.append(f"{self.sure_boxes - self.matched_boxes} sure boxes have no match")
        return failures
