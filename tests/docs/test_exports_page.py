"""The page about exports: its examples run, and its table is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.domain.exports import FACTS_BY_FORMAT, ExportFormat
from gpu_batch.exports.writers import WRITER_BY_FORMAT
from tests.exports.job import written

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
ROWS = {
    cells[0].strip("` "): cells for cells in (line.split("|")[1:-1] for line in PAGE.splitlines() if line[:3] == "| `")
}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split()[1])
def test_an_example_runs_beside_exports_of_a_job(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for export, writer in WRITER_BY_FORMAT.items():
        (tmp_path / f"street{FACTS_BY_FORMAT[export].suffix}").write_bytes(written(writer))
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/exports.md", "exec"), {})


@pytest.mark.parametrize("export", ExportFormat)
def test_the_table_says_of_every_format_how_its_file_ends_and_where_it_counts_from(export: ExportFormat) -> None:
    facts, (_, suffix, _, base, *_) = FACTS_BY_FORMAT[export], ROWS[export]
    assert f"`{facts.suffix}`" in suffix
    assert base.strip(" *")[:1] == ("n" if facts.index_base is None else str(facts.index_base))
