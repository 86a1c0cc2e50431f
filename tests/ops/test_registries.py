"""What the parts of the compiler know of every operator, and why they do not know of some."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from harness import single_node_graph, tables

from dlspec.analyses.reach.registry import RULES as SEEN_THROUGH
from dlspec.backends.onnx.registry import LOWERINGS
from dlspec.backends.torch.lowering.registry import FUNCTIONS, MODULES
from dlspec.elaborate.gradients import cuts
from dlspec.ir.node import Node
from dlspec.ir.op import Op
from dlspec.ir.registry import Registry
from dlspec.ops import OPERATORS
from dlspec.ops.activation import Activation, ReLU, Tanh
from dlspec.ops.loss import Loss
from dlspec.passes.derivatives.registry import FORMULAS, RULES

NODES = [single_node_graph(row.op, row.types).nodes[0] for _, row in tables("CASES")]
DIFFERENTIABLE = {
    type(node.op) for node in NODES if not cuts(node) and any(value.type.dtype.is_float for value in node.inputs)
}
"""What has floats that come of floats: gradients pass it, in some form."""

KNOWN: dict[str, Callable[[type[Op]], bool]] = {
    "ONNX": lambda op: op in LOWERINGS or op.identity_in_eval,
    "PyTorch": lambda op: op in FUNCTIONS or op in MODULES or op.torch is not None,
    "a derivative": lambda op: op in RULES or op in FORMULAS or op.identity_in_eval or op not in DIFFERENTIABLE,
    "a receptive field": lambda op: SEEN_THROUGH.nearest(op) is not None or op.elementwise or not op.tensors,
}
ROWS = "an element depends on all rows before its own: that everything is seen is no worse"
STEPS = "an element depends on all steps before its own: that everything is seen is no worse"
RECURRENT = "it is a loop over the steps, backwards: PyTorch has it, and ONNX no operator for it"
OBJECTIVE = "it is the end of a `train`, and a receptive field is asked of a network"
LACKS: dict[tuple[str, str], str] = {
    ("Grad", "ONNX"): "ONNX has no gradients: `differentiated` replaces it before",
    ("Grad", "a receptive field"): "each element of a gradient depends on all that the output does",
    ("Prod", "a derivative"): "the quotient of the product by an element has no value where that is 0",
    (
        "Cholesky",
        "a derivative",
    ): "it is made of triangular systems, which ONNX has none of: they are written out for few rows",
    ("SolveTriangular", "a derivative"): "ONNX has no triangular systems: they are written out for few rows",
    ("Cholesky", "a receptive field"): ROWS,
    ("SolveTriangular", "a receptive field"): ROWS,
    **{(name, "a receptive field"): STEPS for name in ("RNN", "LSTM", "GRU")},
    **{(name, "a derivative"): RECURRENT for name in ("RNN", "LSTM", "GRU")},
    **{(op.__name__, "a receptive field"): OBJECTIVE for op in OPERATORS if issubclass(op, Loss)},
}


@pytest.mark.parametrize("what", KNOWN)
def test_what_lacks_is_known_with_its_reason(what: str) -> None:
    lacking = {operator.__name__ for operator in OPERATORS if not KNOWN[what](operator)}
    assert lacking == {name for name, lack in LACKS if lack == what}
    assert all(LACKS.values())


def test_an_operator_is_registered_once() -> None:
    registry: Registry[str] = Registry("called")
    assert registry.register(ReLU, Activation)("it") == "it"
    with pytest.raises(ValueError, match="ReLU is called twice"):
        registry.register(ReLU)("this")
    assert (registry.get(ReLU), registry.get(Tanh), registry.nearest(Tanh)) == ("it", None, "it")
    assert ReLU in registry
    assert Tanh not in registry


def test_of_bases_the_nearest_counts() -> None:
    registry: Registry[str] = Registry("called")
    registry.register(Op)("anything")
    assert registry.nearest(ReLU) == "anything"
    registry.register(Activation)("an activation")
    assert registry.nearest(ReLU) == "an activation"
    registry.register(ReLU)("itself")
    assert registry.nearest(ReLU) == "itself"


@pytest.mark.parametrize("registry", [LOWERINGS, FUNCTIONS, MODULES, RULES, FORMULAS, SEEN_THROUGH])
def test_registries_hold_something(registry: Registry[object]) -> None:
    assert any(registry.nearest(operator) is not None for operator in OPERATORS)


# Facts that stand in the classes


@pytest.mark.parametrize("node", [node for node in NODES if node.op.out_size], ids=lambda node: repr(node.op))
def test_the_field_of_the_size_of_the_output_is_that(node: Node) -> None:
    assert node.op.out_size
    shape = node.outputs[0].type.shape
    assert getattr(node.op, node.op.out_size) == shape[node.op.out_axis]
