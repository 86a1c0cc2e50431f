"""Recurrent layers: a node for each layer, over [T, N, features]."""

from __future__ import annotations

from typing import Any

from dlspec.backends.onnx.emitter import Emitter
from dlspec.backends.onnx.registry import lowers
from dlspec.ir.node import Node
from dlspec.ops.recurrent import GRU, LSTM, RNN, Recurrent

_ORDER: dict[type[Recurrent], tuple[int, ...]] = {RNN: (0,), GRU: (1, 0, 2), LSTM: (0, 3, 1, 2)}
"""The gates of ONNX by their places in torch's weights."""


@lowers(RNN, GRU, LSTM)
def recurrent(e: Emitter, op: Recurrent, node: Node, xs: list[str], ws: list[str]) -> tuple[str, ...]:
    x_type = node.inputs[0].type
    batched, swapped = x_type.rank == 3, op.time(x_type) == 1
    x, *states = xs
    if not batched:
        x, *states = (e.op("Unsqueeze", [each, e.constant([1])]) for each in xs)
    elif swapped:
        x = e.op("Transpose", [x], perm=[1, 0, 2])
    names = [weight.name for weight in op.weights((x_type,))]
    named = dict(zip(names, ws, strict=True))
    layers = [[*_parted(e, state, op.num_layers)] for state in states]
    ends: list[tuple[str, ...]] = []
    for layer in range(op.num_layers):
        begun = [parts[layer] for parts in layers]
        x, *last = _layer(e, op, node, x, begun, {n: w for n, w in named.items() if _in_layer(n, layer)})
        ends.append(tuple(last))
    if not batched:
        x = e.op("Squeeze", [x, e.constant([1])])
    elif swapped:
        x = e.op("Transpose", [x], perm=[1, 0, 2])
    results = [x]
    for parts in zip(*ends, strict=True):
        state = parts[0] if len(parts) == 1 else e.op("Concat", list(parts), axis=0)
        results.append(state if batched else e.op("Squeeze", [state, e.constant([1])]))
    return tuple(results)


def _in_layer(name: str, layer: int) -> bool:
    return name.removesuffix("_reverse").endswith(f"_l{layer}")


def _parted(e: Emitter, state: str, layers: int) -> tuple[str, ...]:
    """A state for each layer."""
    if layers == 1:
        return (state,)
    if e.opset >= 18:
        return e.op("Split", [state], outputs=layers, axis=0, num_outputs=layers)
    return e.op("Split", [state], outputs=layers, axis=0)


def _layer(e: Emitter, op: Recurrent, node: Node, x: str, begun: list[str], named: dict[str, str]) -> tuple[str, ...]:
    """The outputs of a layer, both directions joined, and its last states."""
    own = [_gathered(e, op, named, direction) for direction in op.directions]
    if isinstance(op, LSTM) and op.proj_size:
        return _projected(e, op, node, x, begun, own)
    parts = [[weights[name] for weights in own] for name in own[0]]
    w, r, *b = (each[0] if len(each) == 1 else e.op("Concat", each, axis=0) for each in parts)
    y, *last = _run(e, op, [x, w, r, *(b or [""]), "", *begun], "bidirectional" if op.bidirectional else "forward")
    return _joined(e, op, y), *last


def _gathered(e: Emitter, op: Recurrent, named: dict[str, str], direction: str) -> dict[str, str]:
    """The weights of a direction as ONNX has them: gates in its order, a first axis for directions, both biases in one."""
    order = _ORDER[type(op)]
    rows = [gate * op.hidden_size + unit for gate in order for unit in range(op.hidden_size)]
    gates = e.constant([rows])
    own = {
        name.partition("_l")[0]: weight
        for name, weight in named.items()
        if name.endswith("_reverse") == bool(direction)
    }
    made = {name: e.op("Gather", [weight, gates], axis=0) for name, weight in own.items() if name != "weight_hr"}
    if op.bias:
        made["bias"] = e.op("Concat", [made.pop("bias_ih"), made.pop("bias_hh")], axis=1)
    return made | {name: weight for name, weight in own.items() if name == "weight_hr"}


def _run(e: Emitter, op: Recurrent, inputs: list[str], direction: str) -> tuple[str, ...]:
    attributes: dict[str, Any] = {}
    if isinstance(op, GRU):
        attributes["linear_before_reset"] = 1
    if isinstance(op, RNN):
        attributes["activations"] = [op.nonlinearity.capitalize()] * (2 if direction == "bidirectional" else 1)
    while not inputs[-1]:
        inputs = inputs[:-1]
    return e.op(
        type(op).__name__, inputs, outputs=1 + len(op.state_sizes), hidden_size=op.hidden_size,
        direction=None if direction == "forward" else direction, **attributes,
    )  # fmt: skip


def _joined(e: Emitter, op: Recurrent, y: str) -> str:
    """[T, directions, N, size] with the directions on the last axis."""
    if not op.bidirectional:
        return e.op("Squeeze", [y, e.constant([1])])
    y = e.op("Transpose", [y], perm=[0, 2, 1, 3])
    return e.op("Reshape", [y, e.constant([0, 0, -1])])


def _projected(
    e: Emitter, op: LSTM, node: Node, x: str, begun: list[str], own: list[dict[str, str]]
) -> tuple[str, ...]:
    """ONNX's LSTM has no projection: it is carried unprojected, and `W_hh W_hr` takes it into the next step. What the first
    state adds to the first step flows in as further features of that step."""
    results: list[list[str]] = []
    starts = [_parted(e, state, len(op.directions)) for state in begun]
    for place, (direction, weights) in enumerate(zip(op.directions, own, strict=True)):
        hr = weights["weight_hr"]
        w, r = weights["weight_ih"], e.op("MatMul", [weights["weight_hh"], hr])
        taken, c_0 = x, ""
        if starts:
            h_0, c_0 = (state[place] for state in starts)
            x_type = node.inputs[0].type
            rest = x_type.shape[op.time(x_type)] - 1
            pads = [0, 0, 0, rest, 0, 0] if not direction else [rest, 0, 0, 0, 0, 0]
            taken = e.op("Concat", [x, e.op("Pad", [h_0, e.shape(pads)])], axis=2)
            w = e.op("Concat", [w, weights["weight_hh"]], axis=2)
        inputs = [taken, w, r, weights.get("bias", ""), "", "", c_0]
        run = _run(e, op, inputs, "reverse" if direction else "forward")
        back = e.op("Transpose", [hr], perm=[1, 0])
        results.append([*(e.op("MatMul", [part, back]) for part in run[:2]), run[2]])
    if len(results) == 1:
        y, *last = results[0]
        return e.op("Squeeze", [y, e.constant([1])]), *last
    ys, *lasts = zip(*results, strict=True)
    y = e.op("Squeeze", [e.op("Concat", list(ys), axis=3), e.constant([1])])
    return y, *(e.op("Concat", list(last), axis=0) for last in lasts)
