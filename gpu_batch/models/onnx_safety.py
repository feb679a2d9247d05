"""Looks through an ONNX file, without onnx or onnxruntime, for what a model from outside must not bring along.

onnxruntime reads external tensors from the worker's own disk, even for a model that is loaded from bytes; so such a
file has to be refused before onnxruntime sees it. The walk follows protobuf's wire format through every message
that can hold a tensor or a node, subgraphs and functions included, and skips the rest unread.

Source: the field numbers of `onnx.proto3`; the wire format of protobuf's encoding guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from gpu_batch.errors import BadOrder

Wire: TypeAlias = int | memoryview

_STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
_MAX_DEPTH = 32
"""Levels of nested messages; control flow in real models takes 4 to each `If` or `Loop`."""

_CHILD_BY_FIELD_BY_MESSAGE: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 8: "OperatorSet", 20: "Training", 25: "Function"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 9: "OperatorSet", 11: "Attribute"},
}
"""Messages that lead to a tensor, a node or an operator set."""
_DOMAIN_FIELD_BY_MESSAGE = {"OperatorSet": 1, "Node": 7, "Function": 10}
_EXTERNAL_DATA_FIELD, _DATA_LOCATION_FIELD = 13, 14
"""Of a tensor."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check_onnx(model_bytes: bytes) -> None:
    """Refuse a model that reaches outside its own bytes or outside the standard operators.

    Raises:
        BadOrder: MODEL_INVALID: external data, an operator of a custom domain, or not a protobuf at all.
    """
    try:
        _check("Model", memoryview(model_bytes), depth=0)
    except (IndexError, UnicodeDecodeError) as error:
        raise BadOrder(f"the model is not an ONNX file: {error}") from error


def _check(message: str, content: memoryview, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise BadOrder(f"the model nests messages more than {_MAX_DEPTH} deep")
    child_by_field = _CHILD_BY_FIELD_BY_MESSAGE.get(message, {})
    for field, value in _fields(content):
        if message == "Tensor" and (field == _EXTERNAL_DATA_FIELD or (field == _DATA_LOCATION_FIELD and value != 0)):
            raise BadOrder("the model keeps tensors in external files, which are not accepted")
        if not isinstance(value, memoryview):
            continue
        if field == _DOMAIN_FIELD_BY_MESSAGE.get(message):
            _check_domain(bytes(value).decode())
        if field in child_by_field:
            _check(child_by_field[field], value, depth + 1)


def _check_domain(domain: str) -> None:
    if domain not in _STANDARD_DOMAINS:
        raise BadOrder(f"the model uses operators of the domain {domain!r}; only the standard ones are accepted")


def _fields(content: memoryview) -> Iterator[tuple[int, Wire]]:
    """The fields of one message: number and value; all but varints as the bytes that they take."""
    position = 0
    while position < len(content):
        key, position = _varint(content, position)
        wire_type = key & 7
        if wire_type == _VARINT:
            value, position = _varint(content, position)
            yield key >> 3, value
            continue
        if wire_type == _BYTES:
            size, position = _varint(content, position)
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise IndexError(f"wire type {wire_type} at byte {position}")
        if position + size > len(content):
            raise IndexError(f"a field at byte {position} is longer than its message")
        yield key >> 3, content[position : position + size]
        position += size


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
