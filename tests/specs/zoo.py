"""The table of the shipped networks and a picture of each family: ``make zoo`` writes docs/zoo.md and docs/zoo/."""

from __future__ import annotations

import ast
import io
import os
import re
import sys
import tokenize
from collections import defaultdict
from operator import attrgetter
from pathlib import Path

from catalogue import FILES, SPECS, graph_of, networks
from light import LIGHT
from references import REFERENCES, Reference
from without_record import WITHOUT_RECORD

import dlspec
from bench import peers
from dlspec.analyses.cost import cost
from dlspec.analyses.written import number
from dlspec.backends.diagram.layout import TooWide
from dlspec.backends.diagram.picture import Picture
from dlspec.ir.evaluation import evaluate

DOCS = Path(__file__).parents[2] / "docs"

PICTURED = {"lapgan": "LAPGAN", "latent": "EMStep"}
"""The network of a family whose picture says most, where it is not the first."""

WIDTH = 1000

_SMALLER = {"nvae": LIGHT["nvae:NVAE"]}

BOXES = 40
"""The most that a picture shows, where a whole network has more."""

HEAD = """# The zoo

{count} networks in {files} files, made by `make zoo`. Params and MACs are those of the whole network, with the outputs
of training, MACs at the sizes that are shown and a batch of 1. The tests of `tests/specs` compare each network that has
a reference with it, exactly: params, buffers, MACs, shapes and names of weights; and the outputs of at least one network
of most families. What differs from a reference stands beside it in `tests/specs/catalogue.py`. Lines are those with code,
without comments; of a reference those of the file that has its classes, without its tables of downloads.
"""


def zoo() -> str:
    """The text of docs/zoo.md. Raises ImportError where torchvision and timm are not."""
    known: dict[str, list[Reference]] = defaultdict(list)
    for reference in REFERENCES:
        known[reference.network].append(reference)
    families: dict[str, list[str]] = defaultdict(list)
    for network in networks():
        families[network.partition(":")[0]].append(network)
    parts = [HEAD.format(count=sum(map(len, families.values())), files=len(families))]
    for stem, members in families.items():
        path = SPECS / f"{stem}.dlspec"
        own = spec_lines(path.read_text(encoding="utf-8"))
        theirs = reference_lines([reference for each in members for reference in known[each]])
        beside = f", and the reference {theirs}" if theirs else ""
        parts.append(f"## [{stem}](../specs/{path.name})\n")
        parts.append(f"{paper(path)}. The spec has {own} lines{beside}. [Picture](zoo/{stem}.svg)\n")
        parts.append("| network | input | params | MACs | checked against |\n|---|---|--:|--:|---|")
        parts += [_row(network, known[network]) for network in members]
        parts.append("")
    return "\n".join(parts)


def _row(network: str, references: list[Reference]) -> str:
    graph = graph_of(network)
    sizes = graph.default_sizes()
    total = cost(graph, sizes).total
    shapes = [
        "x".join(str(evaluate(dim, sizes)) for dim in value.type.shape[1:]) or "1" for value in graph.inference_inputs()
    ]
    sources = list(dict.fromkeys(map(source, references))) or [WITHOUT_RECORD[network]]
    name = network.partition(":")[2]
    cells = [name, ", ".join(shapes), number(total.params), number(total.macs), "; ".join(sources)]
    return f"| {' | '.join(cells)} |"


def source(reference: Reference) -> str:
    """Whose implementation it is, and where in it."""
    if reference.torchvision is not None:
        return f"torchvision, `{reference.torchvision[0]}`"
    if reference.timm is not None:
        return f"timm, `{reference.timm[0]}`" + ", deployed" * reference.deployed
    assert reference.figures
    where = str(reference.figures["source"])
    packaged = re.match(r"(torchvision|timm) \S+ (?:models\.)?([\w.]+)", where)
    repository, _, file = where.partition(":")
    return f"{packaged[1]}, `{packaged[2]}`" if packaged else f"{repository.partition('@')[0]}, `{file or '.'}`"


def paper(path: Path) -> str:
    """The first that the head of a spec names in brackets: its authors, year and title."""
    head = re.match(r"(?:#.*\n)+", path.read_text(encoding="utf-8"))
    assert head, path
    found = re.search(r"\(([^()]*\b(?:19|20)\d\d\b[^()]*)\)", re.sub(r"\n?# ?", " ", head[0]).strip())
    assert found, f"the head of {path.name} names no paper"
    return re.sub(r"\s+", " ", found[1])


def spec_lines(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def reference_lines(references: list[Reference]) -> int:
    """Those of the files of torchvision and timm that build some references."""
    models, entry = peers.torchvision_models(), peers.timm().models.model_entrypoint
    builders = [attrgetter(reference.torchvision[0])(models) for reference in references if reference.torchvision]
    builders += [entry(reference.timm[0].partition(".")[0]) for reference in references if reference.timm]
    files = {sys.modules[builder.__module__].__file__ or "" for builder in builders}
    return sum(python_lines(Path(file).read_text(encoding="utf-8")) for file in files)


def python_lines(text: str) -> int:
    """The lines with code: without comments, texts that document, and classes that list weights to download."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        lists_weights = (isinstance(node, ast.ClassDef) and node.name.endswith("_Weights")) or (
            isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_cfgs"
        )
        documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if lists_weights or documents:
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    nothing = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines = {
        line
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in nothing
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - left_out)


def pictures() -> None:
    """Draws one network of each family, as far open as a page shows it. A picture names its file, from here."""
    (DOCS / "zoo").mkdir(exist_ok=True)
    os.chdir(DOCS.parent)
    for path in FILES:
        names = [network.partition(":")[2] for network in networks() if network.startswith(f"{path.stem}:")]
        if names:
            name = PICTURED.get(path.stem, names[0])
            picture(dlspec.load(path.relative_to(DOCS.parent), name, **_SMALLER.get(path.stem, {}))).save(
                DOCS / "zoo" / f"{path.stem}.svg"
            )


def picture(model: dlspec.Model) -> Picture:
    """The deepest with few boxes; from top to bottom where its lines do not fit a page."""
    few = [depth for depth in (2, 3) if _boxes(model.draw(depth=depth)) <= BOXES]
    depth = max(few, default=1)
    lines = model.draw(depth=depth, wrap=WIDTH)
    try:
        lines.svg()
    except TooWide:
        return model.draw(depth=depth)
    return lines


def _boxes(drawn: Picture) -> int:
    return sum(not box.open for box in drawn.scene.root.drawn())


if __name__ == "__main__":
    (DOCS / "zoo.md").write_text(zoo(), encoding="utf-8")
    pictures()
