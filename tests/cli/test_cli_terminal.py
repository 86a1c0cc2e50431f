"""What names of strangers can do to a terminal, a spreadsheet and a page of Markdown: nothing."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
import struct
import subprocess
import sys
import termios
import unicodedata
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from calls import ROOT, Call
from markdown_it import MarkdownIt
from safetensors.numpy import save_file

from dlspec.analyses.report import summarise
from dlspec.diagnostics import DlspecError
from dlspec.pipeline import elaborate, open_source
from dlspec.render import plain
from dlspec.report import as_csv, as_markdown, as_table
from dlspec.source import Source
from dlspec.syntax.parser import parse

ESCAPES = [
    "\x1b[31mred",
    "\x07bell",
    "\x9b31m",
    "back\x08\x08",
    "turn\u202eed",
    "\u2066iso",
    "two\nlines",
    "tab\tbed",
    "a\rb",
    "\x85",
    "\u2028",
]
NET = "network Net(x: float[N, 4]) -> y { x -> fc: Linear(2) }\n"


def controls(text: str) -> set[str]:
    """The characters of a text that would do something to a terminal."""
    return {hex(ord(c)) for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")}


@pytest.mark.parametrize("bad", ESCAPES, ids=ascii)
def test_no_name_of_a_file_or_a_weight_reaches_the_terminal(bad: str, call: Call) -> None:
    Path("net.dlspec").write_text(NET)
    spec, folder = f"n{bad}.dlspec", Path(f"d{bad}")
    Path(spec).write_text(NET.replace("4", "  4"))
    folder.mkdir()
    weights = f"w{bad}.safetensors"
    save_file({f"fc{bad}": np.ones(2, np.float32), "fc.weight": np.ones((2, 4), np.float32)}, weights)
    Path(f"l{bad}.txt").write_text(f"a\nb{bad}\n")
    np.save(f"x{bad}.npy", np.ones((1, 4), np.float32))
    calls = [
        ["check", spec],
        ["check", "--format", "json", spec],
        ["check", f"none{bad}.dlspec"],
        ["fmt", spec],
        ["summary", spec],
        ["summary", f"{spec}:None"],
        ["compile", spec, "-o", str(folder / "x.onnx")],
        ["compile", spec, "-o", str(folder / "x.py")],
        ["compile", spec, "-o", str(folder / "x.json")],
        ["compile", spec, "-o", f"x.{bad}"],
        ["draw", spec, "-o", str(folder / "x.mmd")],
        ["weights", "list", weights],
        ["weights", "diff", "net.dlspec", weights],
        ["weights", "list", f"none{bad}.pt"],
        ["weights", "list", weights, "--key", bad],
        ["weights", "convert", weights, "-o", f"y{bad}.pt"],
        ["weights", "init", spec, "-o", f"z{bad}.safetensors"],
        ["run", "net.dlspec", "--weights", weights],
        ["run", spec, "--repeat", "1"],
        ["run", "net.dlspec", "--repeat", "1", "--labels", f"l{bad}.txt"],
        ["run", "net.dlspec", "--repeat", "1", "--labels", f"m{bad}"],
        ["run", "net.dlspec", "--input", f"x=x{bad}.npy", "--repeat", "1"],
        ["run", "net.dlspec", "--input", f"x{bad}=x.npy"],
        ["run", "net.dlspec", "--set", f"a{bad}=1"],
        ["summary", "net.dlspec", "--size", f"{bad}=1"],
        ["verify", f"none{bad}.dlspec"],
        ["explain", bad],
        ["ops", bad],
        [bad],
        ["train", spec, "--data", f"d{bad}"],
        ["draw", "net.dlspec", "-o", f"none{bad}/x.svg"],
    ]
    for arguments in calls:
        _, out, err = call(*arguments)
        assert out or err
        assert controls(out) | controls(err) == set(), arguments


@pytest.mark.parametrize("bad", [text for text in ESCAPES if "\n" not in text and "\t" not in text], ids=ascii)
@pytest.mark.parametrize(
    "spec", ["# {}\n", 'a = "{}"\n', "network A(x: float[2]) -> y {{ x -> {} }}\n"], ids=["comment", "string", "code"]
)
def test_a_spec_has_no_such_characters(spec: str, bad: str) -> None:
    with pytest.raises(DlspecError) as caught:
        parse(Source("x.dlspec", spec.format(bad))).check()
    assert caught.value.diagnostics[0].code == "DL0101"


def test_nothing_is_printed_past_the_one_place() -> None:
    """Names of strangers go through `say` or `Paint`; the rest prints what is the compiler's own."""
    own = {"common.py": 2, "check.py": 1, "explain.py": 2, "ops.py": 2, "summary.py": 2, "version.py": 1}
    commands = ROOT / "compiler" / "dlspec" / "commands"
    found = {path.name: len(re.findall(r"(?<![\w.])print\(", path.read_text())) for path in commands.glob("*.py")}
    assert {name: count for name, count in found.items() if count} == own


TEXTS = [
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](http://e/x.png)",
    "a|b",
    "`code`",
    "``two`` `",
    "**bold**",
    "_it_",
    "~~gone~~",
    "back\\slash",
    "&lt;",
    "[a]: http://e",
    "<http://e>",
    "two\nlines",
    "\x1b[31m",
]


@pytest.mark.parametrize("text", TEXTS)
def test_tables_show_texts_as_they_are(text: str) -> None:
    """Labels are names by the grammar; the tables do not rely on it."""
    setting = f'act = "{text}"'.replace("\\", "\\\\").replace("\n", "\\n") if text != "\x1b[31m" else 'act = "a"'
    program = open_source(
        Source("x.dlspec", f"network A(x: float[2, 4, 9], {setting}) -> y {{ x -> a: Linear(3) -> b: ReLU }}")
    )
    summary = summarise(elaborate(program, "A"))
    for node in summary.graph.nodes:
        node.name = f"{text}{node.name}" if node.name == "a" else node.name
    shown = plain(text).replace("\n", "\N{REPLACEMENT CHARACTER}")
    assert f"{shown}a  " in as_table([summary])
    assert controls(as_table([summary])) == set()
    row = next(csv.reader(io.StringIO(as_csv([summary]).split("\n", 1)[1])))
    assert row[0] == (f"'{shown}a" if shown[0] in "=+-@" else f"{shown}a")
    page = MarkdownIt("gfm-like", {"linkify": False}).render(as_markdown([summary]))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page)
    assert cells[0] == f"{shown}a".replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert not re.search(r"<(a|img|script|em|strong|s)\b", page)


def in_a_terminal(wide: int, *arguments: str, **environment: str) -> str:
    """What a call prints in a terminal of so many columns."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, wide, 0, 0))
    unset = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-m", "dlspec", *arguments],
        stdin=theirs,
        stdout=theirs,
        env=unset | {"TERM": "xterm"} | environment,
    ):
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # Linux says so at the end
            while part := os.read(ours, 4096):
                shown += part
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"COLUMNS": "100"}], ids=str)
def test_a_table_fits_the_terminal(environment: dict[str, str]) -> None:
    text = in_a_terminal(80, "summary", f"{ROOT}/specs/lenet.dlspec", **environment)
    coloured = "\x1b[1m" in text
    assert coloured == ("NO_COLOR" not in environment)
    rule = max(re.sub(r"\x1b\[[\d;]*m", "", text).splitlines(), key=len)
    assert len(rule) <= int(environment.get("COLUMNS", 80))


def test_a_pipe_has_all_columns_that_it_needs(call: Call) -> None:
    whole = call("summary", f"{ROOT}/specs/resnet.dlspec:ResNet18")[1]
    assert "Conv(64, 7, stride=2, padding=3, bias=false)" in whole
    assert "118,013,952" in whole
    narrow = call("summary", f"{ROOT}/specs/resnet.dlspec:ResNet18", "--width", "80")[1]
    assert max(map(len, narrow.splitlines())) == 80
    assert "1,814,073,344" in narrow
    update = call("summary", f"{ROOT}/specs/gan.dlspec:TrainGAN", "--width", "50")[1]
    assert max(map(len, update.splitlines())) <= 50
    assert call("summary", "tiny.dlspec", "--width", "80", "--format", "csv")[0] == 2
