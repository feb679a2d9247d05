"""Which models are opened, and which are refused before onnxruntime sees them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from chalicelib.domain.errors import ErrorCode
from gpu_batch.errors import BadOrder
from gpu_batch.models.loader import Model, load
from gpu_batch.models.onnx_safety import check_onnx
from tests.models.makers import (
    a_classifier,
    a_classifier_manifest,
    a_detector,
    a_manifest,
    an_external_tensor,
    an_if_with,
)

TINY = a_detector().SerializeToString()


def test_a_canonical_model_runs() -> None:
    boxes, scores, labels = load(a_manifest(TINY), TINY).run(np.zeros((1, 300, 300, 3), np.uint8))
    assert (boxes.shape, scores.shape, labels.shape) == ((1, 2, 4), (1, 2), (1, 2))


def test_the_provider_and_its_reason_are_stated(nanodet: Model) -> None:
    assert (nanodet.provider_class, bool(nanodet.provider_reason)) in {("cpu", True), ("cuda", True)}


def test_other_bytes_than_the_manifest_names_are_refused() -> None:
    with pytest.raises(BadOrder, match="must have SHA-256") as refusal:
        load(a_manifest(b"other bytes"), TINY)
    assert refusal.value.failure.code is ErrorCode.MODEL_INVALID


@pytest.mark.parametrize(
    "model",
    [
        a_detector(boxes=an_external_tensor()),
        a_detector(extra_nodes=(an_if_with(tensors=(an_external_tensor(),)),)),
        a_detector(extra_nodes=(helper.make_node("Constant", [], ["c"], value=an_external_tensor()),)),
        a_detector(
            extra_nodes=(an_if_with(an_if_with(helper.make_node("Constant", [], ["c"], value=an_external_tensor()))),)
        ),
    ],
    ids=["initializer", "initializer of a subgraph", "constant", "constant two subgraphs down"],
)
def test_external_data_is_refused_wherever_it_is(model: onnx.ModelProto, tmp_path: Path) -> None:
    content = model.SerializeToString()
    with pytest.raises(BadOrder, match="external files") as refusal:
        load(a_manifest(content), content)
    assert refusal.value.failure.code is ErrorCode.MODEL_INVALID


@pytest.mark.parametrize(
    "model",
    [
        a_detector(domain="com.example"),
        a_detector(extra_nodes=(helper.make_node("Steal", [], ["loot"], domain="com.example"),)),
        a_detector(extra_nodes=(an_if_with(helper.make_node("Steal", [], ["loot"], domain="com.example")),)),
    ],
    ids=["operator set", "node", "node of a subgraph"],
)
def test_operators_of_a_custom_domain_are_refused(model: onnx.ModelProto) -> None:
    with pytest.raises(BadOrder, match=r"domain 'com\.example'"):
        check_onnx(model.SerializeToString())


def test_functions_of_a_custom_domain_are_refused() -> None:
    model = a_detector()
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("com.example", "F", ["x"], ["x"], [], opsets))
    with pytest.raises(BadOrder, match=r"domain 'com\.example'"):
        check_onnx(model.SerializeToString())


def test_deep_nesting_is_refused() -> None:
    node = helper.make_node("Constant", [], ["c"], value_int=1)
    for _ in range(12):
        node = an_if_with(node)
    with pytest.raises(BadOrder, match="deep"):
        check_onnx(a_detector(extra_nodes=(node,)).SerializeToString())


@given(st.integers(min_value=0, max_value=len(TINY) - 1), st.binary(max_size=8))
def test_damaged_bytes_raise_nothing_but_a_refusal(cut: int, rest: bytes) -> None:
    with suppress(BadOrder):
        check_onnx(TINY[:cut] + rest)


@pytest.mark.parametrize("content", [b"not a model", b"\x3a\xff\xff\xff\xff\x7f", b""], ids=["text", "cut", "empty"])
def test_what_is_no_model_is_refused(content: bytes) -> None:
    with pytest.raises(BadOrder):
        load(a_manifest(content), content)


def test_a_graph_that_is_not_canonical_is_refused() -> None:
    model = a_detector()
    del model.graph.output[1]
    content = model.SerializeToString()
    with pytest.raises(BadOrder, match="does not run"):
        load(a_manifest(content), content)


def test_a_graph_of_another_number_of_rows_is_refused() -> None:
    with pytest.raises(BadOrder, match="must give"):
        load(a_manifest(TINY, max_detections=3), TINY)


def test_a_classifier_is_opened_and_gives_a_score_for_each_label() -> None:
    content = a_classifier().SerializeToString()
    model = load(a_classifier_manifest(content), content)
    (scores,) = model.run(np.full((2, 300, 300, 3), (255, 51, 0), np.uint8))
    np.testing.assert_allclose(scores, [[1, 0.2, 0]] * 2, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "message"),
    [(a_classifier(4), "must give .*3.* for scores but gave .*4"), (a_classifier(output="logits"), "does not run")],
    ids=["another number of labels", "another name"],
)
def test_a_classifier_that_is_not_canonical_is_refused(model: onnx.ModelProto, message: str) -> None:
    content = model.SerializeToString()
    with pytest.raises(BadOrder, match=message):
        load(a_classifier_manifest(content), content)
