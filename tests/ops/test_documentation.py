"""Docstrings of operators: they are the reference, and what they say of ONNX is what the backend writes."""

from __future__ import annotations

import re
from functools import cache

import onnx
import pytest
from harness import Case, single_node_graph, tables

from dlspec.backends.onnx.write import to_model_proto
from dlspec.ir.op import Op
from dlspec.ops import OPERATORS, activation, conv, dropout, embedding, norm, pooling, softmax
from dlspec.reference import entries, page
from dlspec.resources import resource

KNOWN = {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain}

LAYERS = [op for family in (conv, norm, activation, softmax, pooling, dropout, embedding) for op in family.OPERATORS]
NO_PAPER = {
    "ConvFunction": "Conv has it",
    "ConvTransposeFunction": "ConvTranspose has it",
    "Sigmoid": "older than networks",
    "Tanh": "older than networks",
    "LogSigmoid": "a logarithm of Sigmoid",
    "Tanhshrink": "arithmetic",
    "Threshold": "arithmetic",
    "LogSoftmax": "a logarithm of Softmax",
    "Softmin": "Softmax of -x",
    "GlobalMaxPool": "MaxPool over everything",
    "Identity": "nothing",
}


def documentation(op: type[Op]) -> str:
    return op.__dict__.get("__doc__") or ""


@cache
def written() -> dict[type[Op], list[set[str]]]:
    """What the ONNX backend writes for each operator: the kinds of nodes, for each of its cases."""
    kinds: dict[type[Op], list[set[str]]] = {}
    case: Case
    for _, case in tables("CASES"):
        nodes = to_model_proto(single_node_graph(case.op, case.types)).graph.node
        # An output that is an input under another name is an Identity.
        kinds.setdefault(type(case.op), []).append({node.op_type for node in nodes} - {"Identity"})
    return kinds


def test_the_reference_is_current() -> None:
    assert resource("grammar/operators.md").read_text() == page(entries()), "run `make reference`"


def test_every_summary_is_a_sentence() -> None:
    assert [entry.title for entry in entries() if not entry.summary.endswith(".")] == []


def each(operators: list[type[Op]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("op", operators, ids=lambda op: op.__name__)


@each([*OPERATORS])
def test_the_first_line_is_a_sentence(op: type[Op]) -> None:
    first, _, rest = documentation(op).partition("\n")
    assert first.endswith(".")
    assert not rest or rest.startswith("\n")


@each([*OPERATORS])
def test_onnx_is_named_where_it_is_one_operator(op: type[Op]) -> None:
    sentence = (re.findall(r"\bONNX: ([^.]*)\.", documentation(op)) or [""])[0]
    named = set(re.findall(r"\b[A-Z]\w+", sentence))
    alone = {kind for kinds in written().get(op, []) if len(kinds) == 1 for kind in kinds}
    assert named <= KNOWN
    if re.search(r"\b(written|left out)\b", sentence):
        assert not named & alone
    else:
        assert alone <= named <= set().union(*written().get(op, []))


@each(LAYERS)
def test_layers_name_their_paper(op: type[Op]) -> None:
    cites = re.search(r',\s\d{4},\s"[A-Z]', documentation(op)) is not None
    assert cites != (op.__name__ in NO_PAPER)
