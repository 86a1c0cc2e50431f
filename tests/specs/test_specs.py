"""The shipped specs: they check, they are formatted, and they have the figures and the names of what they are named
after."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from catalogue import FILES, graph_of, networks, shape_at, sizes_for
from oracle import figures_of, measured, reference_model
from references import REFERENCES, Reference, Weight
from without_record import WITHOUT_RECORD

from dlspec.analyses.cost import cost, turns_of
from dlspec.ir.evaluation import evaluate
from dlspec.pipeline import check
from dlspec.source import Source
from dlspec.syntax.format import format_source

IN_EVAL = [reference for reference in REFERENCES if not reference.training]
NAMED = [r for r in REFERENCES if r.has_model or (not r.training and r.published)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_checks_without_a_finding(path: Path) -> None:
    assert [f"{found.span}: {found.message}" for found in check(path)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_is_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_source(Source(path.name, text, path)) == text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_begins_with_whose_it_is(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_every_network_has_a_reference_or_a_reason() -> None:
    compared = {reference.network for reference in REFERENCES}
    assert compared | WITHOUT_RECORD.keys() == set(networks())
    assert not compared & WITHOUT_RECORD.keys()


@pytest.mark.parametrize("reference", REFERENCES, ids=str)
def test_figures_equal_the_reference(reference: Reference) -> None:
    figures = figures_of(reference)
    graph = reference.graph()
    sizes = sizes_for(graph, reference.inputs or figures["input_shapes"])
    found: dict[str, Any] = {
        "params": (total := cost(graph, sizes).total).params,
        "trainable_params": total.params - reference.frozen,
        "buffers": total.buffers + reference.unsaved,
        "output_shapes": [
            list(shape_at(output.value.type, sizes))
            for output in graph.outputs
            if reference.training or not output.training
        ],
        "macs": sum(
            evaluate(turns_of(node) * node.op.macs(_types(node.inputs), _types(node.outputs)), sizes)
            for node in graph.nodes
            if (reference.training or not node.training) and not re.fullmatch(reference.unrun, node.name)
        ),
    }
    known = {name: figures[name] for name in found if figures[name] is not None}
    assert {name: found[name] for name in known} == known
    if not reference.training and not reference.unrun and "macs" in known:
        assert total.macs == figures["macs"]


def _types(values: Any) -> Any:
    return tuple(value.type for value in values)


@pytest.mark.parametrize("reference", NAMED, ids=str)
def test_weights_equal_the_published_state_dict(reference: Reference) -> None:
    graph = reference.graph()
    ours = [Weight(path, w.shape, w.dtype.label, w.kind) for path, w in graph.parameters.items()]
    published = _state_of(reference) if reference.has_model else reference.state
    assert len(published) > 0
    assert (ours != published) == reference.reordered
    assert sorted(ours) == sorted(published)


TIED = [reference for reference in NAMED if not reference.has_model and "aliases" in reference.truth]


@pytest.mark.parametrize("reference", TIED, ids=str)
def test_tied_weights_have_the_published_names(reference: Reference) -> None:
    assert reference.graph().aliases == reference.truth["aliases"]


def _state_of(reference: Reference) -> list[Weight]:
    model = reference_model(reference)
    trained = {name for name, _ in model.named_parameters()}
    return [
        Weight(
            key, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), "param" if key in trained else "buffer"
        )
        for key, tensor in model.state_dict().items()
    ]


def test_recursive_unet_has_the_weights_of_the_unrolled_one() -> None:
    shapes = [
        sorted(parameter.shape for parameter in graph_of(network).parameters.values())
        for network in ("unet:UNetRecursive", "unet:UNet")
    ]
    assert shapes[0] == shapes[1]


MEASURED = [reference for reference in IN_EVAL if reference.has_model and reference.figures is not None]


@pytest.mark.parametrize("reference", MEASURED, ids=str)
def test_model_measures_what_is_recorded(reference: Reference) -> None:
    figures, found = reference.figures, measured(reference)
    assert figures is not None
    known = {name: figures[name] for name in found if figures[name] is not None}
    assert {name: found[name] for name in known} == known


def test_oracle_builds_without_memory() -> None:
    resnet = next(reference for reference in REFERENCES if reference.record == "tv_resnet152")
    assert all(tensor.device == torch.device("meta") for tensor in reference_model(resnet).state_dict().values())
