"""Reads a TFJS graph model (`model.json` and its weight shards) into nodes and numpy weights.

Source: the format as written by `tensorflowjs_converter`: a TensorFlow `GraphDef` as JSON, and a manifest that
lists the weights in the order of their bytes. Integers come as strings, byte strings as base64 or as lists of
codes.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_DTYPE_BY_NAME = {"float32": np.float32, "int32": np.int32, "bool": np.bool_}


@dataclass(frozen=True, slots=True)
class Node:
    """One TensorFlow operation, with the few kinds of attributes that detectors use."""

    op: str
    name: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any]

    def integers(self, attribute: str) -> list[int]:
        """A list attribute: strides, kernel sizes, dilations (one number per axis)."""
        return [int(value) for value in self.attributes[attribute]["list"]["i"]]

    def number(self, attribute: str) -> float:
        """A float attribute."""
        return float(self.attributes[attribute]["f"])

    def flag(self, attribute: str) -> bool:
        """A boolean attribute; absent means false."""
        return bool(self.attributes.get(attribute, {}).get("b", False))

    def text(self, attribute: str) -> str:
        """A string attribute."""
        coded = self.attributes[attribute]["s"]
        return (base64.b64decode(coded) if isinstance(coded, str) else bytes(coded)).decode()


@dataclass(frozen=True, slots=True)
class Package:
    """A TFJS graph model in memory."""

    node_by_name: dict[str, Node]
    weights_by_name: dict[str, npt.NDArray[Any]]


def read_package(model_json: Path) -> Package:
    """Read `model_json` and the shards beside it."""
    document = json.loads(model_json.read_text())
    nodes = [
        Node(entry["op"], entry["name"], tuple(entry.get("input") or ()), entry.get("attr", {}))
        for entry in document["modelTopology"]["node"]
    ]
    weights: dict[str, npt.NDArray[Any]] = {}
    for group in document["weightsManifest"]:
        shards = b"".join((model_json.parent / path).read_bytes() for path in group["paths"])
        weights |= _split_shards(shards, group["weights"])
    return Package({node.name: node for node in nodes}, weights)


def _split_shards(shards: bytes, entries: list[dict[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    weights: dict[str, npt.NDArray[Any]] = {}
    offset = 0
    for entry in entries:
        dtype = np.dtype(_DTYPE_BY_NAME[entry["dtype"]])
        stored_dtype = _stored_dtype(entry, dtype)
        count = int(np.prod(entry["shape"], dtype=np.int64))
        stored = np.frombuffer(shards, stored_dtype, count, offset)
        weights[entry["name"]] = stored.astype(dtype).reshape(entry["shape"])
        offset += stored.nbytes
    return weights


def _stored_dtype(entry: dict[str, Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    quantization = entry.get("quantization")
    if quantization is None:
        return dtype
    if quantization["dtype"] != "float16":
        raise ValueError(f"weights must be plain or float16 but {entry['name']} is {quantization['dtype']}")
    return np.dtype(np.float16)
