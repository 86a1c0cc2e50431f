"""What the classes of generated source say: the author's own expressions, each parameter that a call gives, one layer for
one layer. Each spec is one in which a class that is guessed from numbers went wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from source_blocks import BLOCKS
from source_loops import LOOPS

from dlspec.backends.torch import source
from dlspec.backends.verify import verify
from dlspec.ir.types import DType
from dlspec.passes.retype import with_dtype
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

CASES = BLOCKS | LOOPS


@pytest.mark.parametrize("name", CASES)
def test_source_says_what_the_author_wrote(name: str, compared: Callable[[str, int], None]) -> None:
    spec, says, not_says = CASES[name]
    program = open_source(Source(f"{name}.dlspec", spec))
    graph = elaborate(program, "Net")
    text = source(graph)
    for part in says:
        assert part in text, text
    for part in not_says:
        assert part not in text, text
    report = verify(graph)
    assert report.faults == []
    compared("values of sources compared with ONNX Runtime", report.compared)


def test_a_graph_of_a_graph_has_the_labels() -> None:
    """Labels that do not rise evenly are known of a graph that a pass made, too."""
    text = (
        "network Net(x: float[N, 8], depth = 2) -> y {\n    y = x\n"
        '    for i in range(depth) { side = 2 ** i\n        y = y + (y -> "fc{side}": Linear(8)) }\n    y\n}'
    )
    graph = elaborate(open_source(Source("labels.dlspec", text)), "Net")
    assert 'f"fc{2**i}"' in source(with_dtype(graph, DType.BFLOAT16))


def test_no_backend_parses_text() -> None:
    backends = Path(__file__).parents[3] / "compiler" / "dlspec" / "backends"
    for path in backends.rglob("*.py"):
        text = path.read_text()
        assert "syntax.parser" not in text, path
