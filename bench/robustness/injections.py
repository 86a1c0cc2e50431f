"""Texts of strangers that try to be more than text, in every place that has one and in every file that is written."""

from __future__ import annotations

import ast
import csv
import io
import os
import re
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from bench.robustness.damage import called
from bench.robustness.tally import Tally

PAYLOADS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "]]><!-- --><svg onload=alert(1)>", "&lt;b&gt;",
    '\\"\\"\\"\\nimport os\\nos.mkdir(\\"pwned\\")\\n\\"\\"\\"', "''' + __import__('os').mkdir('pwned') + '''", "\\\\", "a\\\\\\nb",
    "{{__import__('os').mkdir('pwned')}}", "$(mkdir pwned)", "`mkdir pwned`", "; mkdir pwned", "end\\n}}\\nsubgraph evil [x]",
    "=cmd|' /C calc'!A0", "@SUM(A1)", "[x](javascript:alert(1))", "![x](http://example.org/x.png)", "|a|b|", "**bold** <br>",
    "%n%s%x", "../../../../pwned", "#quot; #35;", "javascript:alert(1)", "http://example.org",
    "}}\\\\immediate\\\\write18{{mkdir pwned}}", "\\\\input{{/etc/passwd}} % $x_1^2$ ~ &",
)  # fmt: skip
"""As they stand in a string of a spec."""

PLACES: dict[str, str] = {
    "setting": 'network Net(x: float[N, 4], act = "{}") -> y {{ x -> fc: Linear(2) -> ReLU }}\n',
    "comment": "# {}\nnetwork Net(x: float[N, 4]) -> y {{ x -> fc: Linear(2) -> ReLU }}\n",
    "comment inside": "network Net(x: float[N, 4]) -> y {{\n  # {}\n  x -> fc: Linear(2) -> ReLU # {}\n}}\n",
    "block": '# {}\nblock B(kind = "{}") {{ Linear(2) -> ReLU }}\nnetwork Net(x: float[N, 4]) -> y {{ x -> fc: B(kind="{}") }}\n',
    "label": 'network Net(x: float[N, 4]) -> y {{ x -> "{}": Linear(2) }}\n',
}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        self.found |= {name for name, _ in attrs if name.startswith("on")}
        self.found |= {f"{name} to {value}" for name, value in attrs if name in ("href", "src")}


def _python(text: str) -> str | None:
    tree = ast.parse(text)
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    if imported - {"collections", "torch", "torch.nn.functional"} or "__import__" in called:
        return f"imports {imported}, calls {called}"
    return None


def _page(text: str) -> str | None:
    tags = _Tags()
    tags.feed(text)
    bad = {tag for tag in tags.found if tag in ("img", "iframe", "object") or tag.startswith(("on", "href", "src"))}
    if text.count("<script") != len(
        re.findall(r'<script(?: type="application/json" id="[\w-]+"| id="[\w-]+"[^>]*)?>', text)
    ):
        bad.add("script")
    return f"has {bad}" if bad else None


def _picture(text: str) -> str | None:
    root = ElementTree.fromstring(text)
    for node in root.iter():
        tag = node.tag.rpartition("}")[2]
        if tag in ("script", "image", "foreignObject", "a") or any(
            name.lower().startswith("on") for name in node.attrib
        ):
            return f"has <{tag}>"
    return None


def _tex(text: str) -> str | None:
    body = text[text.index("\\documentclass") :]
    commands = set(re.findall(r"\\([A-Za-z]+)", body)) & {
        "write",
        "immediate",
        "input",
        "include",
        "openout",
        "catcode",
        "csname",
    }
    if commands:
        return f"runs {commands}"
    return "has a comment" if re.search(r"(?<!\\)%", body) else _plain(text)


def _plain(text: str) -> str | None:
    bad = {hex(ord(c)) for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf")}
    return f"has {bad}" if bad else None


def _sheet(text: str) -> str | None:
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    return next((f"has a formula: {cell}" for cell in cells if cell.startswith(("=", "+", "@"))), _plain(text))


def _markdown(text: str) -> str | None:
    bare = re.sub(r"(`+).*?\1|\\.", "", text)
    return "has markup" if re.search(r"<\w|\]\(|\*\*", bare) else _plain(text)


OUTPUTS: dict[str, tuple[list[str], str, Callable[[str], str | None]]] = {
    "PyTorch source": (["compile", "net.dlspec", "-o", "x.py"], "x.py", _python),
    "SVG": (["draw", "net.dlspec", "-o", "x.svg"], "x.svg", _picture),
    "TikZ": (["draw", "net.dlspec", "-o", "x.tex"], "x.tex", _tex),
    "page": (["draw", "net.dlspec", "-o", "x.html"], "x.html", _page),
    "Mermaid": (["draw", "net.dlspec", "-o", "x.mmd"], "x.mmd", _plain),
    "DOT": (["draw", "net.dlspec", "-o", "x.dot"], "x.dot", _plain),
    "table": (["summary", "net.dlspec"], "", _plain),
    "CSV": (["summary", "net.dlspec", "--format", "csv"], "", _sheet),
    "Markdown": (["summary", "net.dlspec", "--format", "markdown"], "", _markdown),
    "check": (["check", "net.dlspec"], "", _plain),
}


def run(folder: Path) -> list[Tally]:
    """Every payload in every place, in all that is written and printed."""
    folder.mkdir(parents=True, exist_ok=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return [_written(name) for name in OUTPUTS]
    finally:
        os.chdir(before)


def _written(name: str) -> Tally:
    arguments, file, wrong = OUTPUTS[name]
    tally = Tally("injections", name)
    for place, spec in PLACES.items():
        for payload in PAYLOADS:
            Path("net.dlspec").write_text(spec.replace("{}", payload).replace("{{", "{").replace("}}", "}"))
            Path(file or "none").unlink(missing_ok=True)
            try:
                status, out, err = called(arguments)
                written = Path(file).read_text() if file and Path(file).exists() else out
                fault = _plain(err) or (None if status and not Path(file or ".").is_file() else wrong(written))
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
            if Path("pwned").exists():
                fault = "is run"
            tally.note(f"{name}, {payload!r} in a {place}: {fault}" if fault else None)
    return tally
