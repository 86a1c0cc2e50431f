from __future__ import annotations

import re
from pathlib import Path

import pytest
from dlspec.diagnostics import DlspecError
from dlspec.source import Source
from dlspec.syntax.format import WIDTH, format_source
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import Programs, careless_text
from syntax_tools import parse_text, show

COMMENT = re.compile(r"# (?:note|top|end|a|b)\r?$", re.MULTILINE)


def format_text(text: str) -> str:
    return format_source(Source("test", text))


@given(st.integers(0, 2**32))
@settings(max_examples=1000, deadline=None)
def test_formatting_keeps_the_program_and_is_idempotent(seed: int) -> None:
    text = careless_text(Programs(seed).program(), seed)
    once = format_text(text)
    assert show(parse_text(once)) == show(parse_text(text))
    assert format_text(once) == once
    assert len(COMMENT.findall(once)) == len(COMMENT.findall(text))
    assert not re.search(r"[ \t\r]$|\n\n\n", once, re.MULTILINE)
    assert not once or (once[0] != "\n" and once[-1] == "\n" and once[-2:] != "\n\n")
