from __future__ import annotations

import re
from pathlib import Path

import pytest

from dlspec.backends.onnx.model import build
from dlspec.backends.onnx.write import to_bytes
from dlspec.cli import parser
from dlspec.codes import CODES, Page
from dlspec.diagnostics import DlspecError
from dlspec.pipeline import check_source, elaborate, open_source
from dlspec.source import Source

COMPILER = Path(__file__).parents[1] / "compiler" / "dlspec"
PAGES = (Path(__file__).parents[1] / "grammar" / "errors.md").read_text()
SPECS = [page for page in CODES.values() if not page.wrong.startswith("$")]
COMMANDS = [text for page in CODES.values() for text in (page.wrong, page.right) if page.wrong.startswith("$")]


def raised() -> set[str]:
    """The codes that stand as strings in the compiler's source."""
    return {code for path in COMPILER.rglob("*.py") for code in re.findall(r"\"(DL\d{4})\"", path.read_text())}


def findings(text: str, folder: Path) -> list[str]:
    """The codes of what is found in a spec, and when it is compiled if nothing was."""
    path = folder / "example.dlspec"
    path.write_text(text)
    source = Source("example.dlspec", text, path)
    found = [diagnostic.code for diagnostic in check_source(source)]
    if found or "network Example" not in text:
        return found
    try:
        to_bytes(build(elaborate(open_source(source), "Example")))
    except DlspecError as error:
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


def test_every_code_that_is_raised_has_a_page_and_every_page_is_raised() -> None:
    assert raised() == set(CODES)


def test_every_page_is_read() -> None:
    assert re.findall(r"^### (DL\d{4}) ", PAGES, re.MULTILINE) == list(CODES) == sorted(CODES)


@pytest.mark.parametrize("page", SPECS, ids=lambda page: page.code)
def test_the_wrong_example_has_the_finding(page: Page, tmp_path: Path) -> None:
    assert set(findings(page.wrong, tmp_path)) == {page.code}


@pytest.mark.parametrize("page", SPECS, ids=lambda page: page.code)
def test_the_mended_example_has_none(page: Page, tmp_path: Path) -> None:
    assert findings(page.right, tmp_path) == []


def test_a_page_as_it_is_shown() -> None:
    assert str(CODES["DL0304"]) == (
        "DL0304: A missing argument\n\n"
        "An argument without a default must be given.\n\n"
        "    network Example(x: float[N, 3, 32, 32]) -> y { x -> Conv(8) }\n\n"
        "The kernel size is given.\n\n"
        "    network Example(x: float[N, 3, 32, 32]) -> y { x -> Conv(8, 3) }"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_commands_are_commands(command: str) -> None:
    program, *arguments = command.removeprefix("$ ").split()
    assert program == "dlspec"
    assert parser(arguments).parse_args(arguments).command == arguments[0]
