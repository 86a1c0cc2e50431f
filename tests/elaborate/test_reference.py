"""Every example of the language reference compiles, or is refused with the code it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlspec.diagnostics import DlspecError
from dlspec.pipeline import check_source
from dlspec.resources import resource
from dlspec.source import Source

EXAMPLES = re.findall(r"^```dlspec\n(.*?)^```", resource("grammar/reference.md").read_text(), re.M | re.S)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 20


@pytest.mark.parametrize("text", EXAMPLES, ids=[str(index) for index in range(len(EXAMPLES))])
def test_example(text: str, tmp_path: Path) -> None:
    found = check_source(Source("example.dlspec", text, tmp_path / "example.dlspec"))
    refused = re.match(r"# refused: (DL\d+)", text)
    expected = [refused[1]] if refused else []
    assert [d.code for d in found] == expected, str(DlspecError(found))
