"""The records are those of the document of the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_type_hints

import pytest

from reelscan import records
from tools.write_sdk_records import DOCUMENT, FOLDER, make_modules, record_name


def test_the_records_are_written_from_the_document_as_it_is() -> None:
    stored = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.py"))}
    assert stored == make_modules(json.loads(DOCUMENT.read_text(encoding="utf-8"))), "run make openapi"


@pytest.mark.parametrize("name", sorted(records.__all__))
def test_the_types_of_a_record_are_there_and_it_says_what_it_is(name: str) -> None:
    record = getattr(records, name)
    assert get_type_hints(record)
    assert record.__doc__


def test_what_is_answered_and_what_is_sent_have_different_names() -> None:
    names = ["VideoOut", "VideoIn", "SelectForm", "ErrorOut"]
    assert [record_name(name) for name in names] == ["Video", "VideoForm", "SelectForm", "Failure"]


def test_the_package_brings_its_types() -> None:
    assert (Path(records.__file__).parent.parent / "py.typed").exists()
