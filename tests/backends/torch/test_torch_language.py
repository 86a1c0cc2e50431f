"""Everything that gives a network its structure, in both lowerings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from snippets import SNIPPETS

from dlspec.backends.torch import source
from dlspec.backends.torch.live import load_source, to_module
from dlspec.backends.torch.lowering.helpers import HELPERS
from dlspec.backends.verify import verify
from dlspec.ir.graph import Graph
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

RUFF = Path(sys.executable).with_name("ruff")


def graph_of(text: str, network: str | None = None) -> Graph:
    program = open_source(Source("snippet.dlspec", text))
    return elaborate(program, network or next(name for name in reversed(program.networks)))


def each() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("text", SNIPPETS.values(), ids=SNIPPETS)


@each()
def test_both_lowerings_agree(text: str) -> None:
    report = verify(graph_of(text))
    assert report.faults == []
    assert report.compared > 0


@each()
def test_state_dict(text: str) -> None:
    graph = graph_of(text)
    module = to_module(graph)
    named = graph.parameters | {name: graph.parameters[path] for name, path in graph.aliases.items()}
    assert {path: tuple(tensor.shape) for path, tensor in module.state_dict().items()} == {
        path: parameter.shape for path, parameter in named.items()
    }
    assert all(module.get_parameter(name) is module.get_parameter(path) for name, path in graph.aliases.items())


@each()
def test_text_is_the_same_every_time(text: str) -> None:
    assert source(graph_of(text)) == source(graph_of(text))


@pytest.mark.parametrize("helper", [*HELPERS, "enumerate", "zip"])
def test_no_variable_hides_what_generated_code_calls(helper: str) -> None:
    graph = graph_of(f"network Net({helper}: float[N, 3]) -> y {{ y = {helper} * 2 }}")
    assert f"self, {helper}_: Tensor" in source(graph)


def test_formatted_as_ruff_does(tmp_path: Path) -> None:
    for name, text in SNIPPETS.items():
        (tmp_path / f"{name}.py").write_text(source(graph_of(text)), encoding="utf-8")
    found = subprocess.run(
        [RUFF, "format", "--isolated", "--line-length", "100", "--diff", tmp_path], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


def test_several_networks_of_a_file() -> None:
    program = open_source(Source("snippet.dlspec", SNIPPETS["nested_network"]))
    text = source([elaborate(program, name) for name in program.networks])
    module = load_source(text)
    assert module.__all__ == ["Inner", "Net"]
    assert "import dlspec" not in text
