"""TikZ: text is LaTeX text whatever it says, every line is of a known form, and a LaTeX takes it where there is one."""

# ruff: noqa: RUF001

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from drawn import hostile_scene, shipped
from hostile import HOSTILE

from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.layout import Drawing, lay_out
from dlspec.backends.diagram.picture import Picture
from dlspec.backends.diagram.scene import Scene
from dlspec.backends.diagram.tex import tex
from dlspec.backends.diagram.tikz import tikz

LETTER = (
    r"(?:[^\\{}$%&#_^~]|\\[&%#_{}]|\\[a-zA-Z]+\d*\{\}|\\['`^\"~=.urHvc]\{[A-Za-z]\}|~|-\{\}"
    r"|\\ensuremath\{[^{}$%&#~]*(?:\{\w\})?\})"
)
SPAN = rf"\{{\\fontsize\{{[\d.]+\}}\{{[\d.]+\}}\\selectfont(?:\\bfseries)?\\color\{{dl\d+\}} ?{LETTER}*\}}"
POINT = r"\(-?[\d.]+, -?[\d.]+\)"
FORMS = (
    r"\\definecolor\{dl\d+\}\{HTML\}\{[0-9A-F]{6}\}",
    rf"\\path\[[\w =.,]*\] {POINT}(?: (?:--|rectangle) {POINT})+(?: -- cycle)?;",
    rf"\\node\[anchor=base(?: west| east)?\] at {POINT} \{{(?:{SPAN})*\}};",
)
EVERYTHING = (
    *HOSTILE, r"a & b % c $ d # e _ f { g } h ~ i ^ j \ k", "α Ω Δ ε × · … → ≤ ⊕ ½", "é ü ß Ø ñ ő Привет 日本",
    "a--b ''c'' `d` <e> |f| ?` \"g\"",
    "".join(map(chr, range(32, 0x180))),
)  # fmt: skip


def check_forms(document: str) -> None:
    head, _, rest = document.partition(r"\begin{tikzpicture}")
    assert head.count("\n") == 5
    _, *lines = rest.splitlines()
    assert lines[-2:] == [r"\end{tikzpicture}", r"\end{document}"]
    for line in lines[:-2]:
        assert any(re.fullmatch(form, line) for form in FORMS), line


@pytest.mark.parametrize(("text", "written"), [
    ("a&b%c#d_e{f}g", r"a\&b\%c\#d\_e\{f\}g"),
    ("~^\\$", r"\textasciitilde{}\textasciicircum{}\textbackslash{}\char36{}"),
    ("2×3 → α", r"2\ensuremath{\times}3 \ensuremath{\rightarrow} \ensuremath{\alpha}"),
    ("Λλ Α", r"\ensuremath{\Lambda}\ensuremath{\lambda} \ensuremath{\mathrm{A}}"),
    ("é e\u0301 ß", r"\'{e} \'{e} \ss{}"),
    ("你\x00", "[U+4F60][U+FFFD]"),
    ("a--b 'c'", r"a-{}-{}b \char39{}c\char39{}"),
    (" a  b ", "~a~~b~"),
])  # fmt: skip
def test_text_is_latex_text(text: str, written: str) -> None:
    assert tex(text) == written


@pytest.mark.parametrize("text", EVERYTHING, ids=lambda text: repr(text[:14]))
def test_nothing_of_a_text_is_a_command(text: str) -> None:
    assert re.fullmatch(f"{LETTER}*", tex(text))


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: repr(name[:14]))
def test_hostile_names_are_text_in_tikz(name: str) -> None:
    check_forms(tikz(lay_out(hostile_scene(name))))


def test_it_says_how_to_include_it() -> None:
    document = tikz(lay_out(shipped("lenet", "LeNet5")))
    assert document.startswith("% LeNet5, drawn by dlspec.")
    assert r"\documentclass[tikz]{standalone}" in document
    assert r"\node[anchor=base] at" in document


def test_what_is_longer_than_a_length_of_tex_is_refused() -> None:
    small = lay_out(shipped("lenet", "LeNet5"))
    with pytest.raises(EngineError, match="16,383") as error:
        tikz(Drawing(small.scene, small.width, 16_001.0, small.root))
    assert "--depth" in error.value.hint


def compiled(folder: Path, document: str) -> None:
    file = folder / "net.tex"
    file.write_text(document)
    made = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name],
        cwd=folder, capture_output=True, text=True, errors="replace", timeout=600, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout[-3000:]
    assert file.with_suffix(".pdf").stat().st_size > 1000


@pytest.fixture
def latex() -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex")


def test_latex_takes_it(latex: None, tmp_path: Path) -> None:
    scene: Scene = shipped("lenet", "LeNet5")
    compiled(tmp_path, Picture(scene, "LR").tikz())


def test_latex_takes_it_as_a_figure(latex: None, tmp_path: Path) -> None:
    (tmp_path / "figure.tex").write_text(Picture(hostile_scene("ünïcode_Ωμ→% { \\end{document}")).tikz())
    compiled(
        tmp_path,
        "\\documentclass{article}\n\\usepackage{standalone, tikz}\n\\begin{document}\n\\begin{figure}"
        "\\resizebox{\\linewidth}{!}{\\input{figure}}\\end{figure}\n\\end{document}\n",
    )


def test_latex_takes_every_text(latex: None, tmp_path: Path) -> None:
    lines = "\\par\n".join(map(tex, EVERYTHING))
    compiled(tmp_path, f"\\documentclass{{article}}\n\\begin{{document}}\n\\sffamily {lines}\n\\end{{document}}\n")
