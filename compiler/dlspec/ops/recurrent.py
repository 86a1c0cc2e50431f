"""Layers that carry a state along a sequence."""

from __future__ import annotations

from math import sqrt
from typing import ClassVar, Literal

from dlspec.ir.dims import Dim, product
from dlspec.ir.init import Init, uniform
from dlspec.ir.op import Needs, Op, OpError, Types, Weight, require_rank
from dlspec.ir.types import TensorType
from dlspec.ops.rules import require_float, same_dtype
from dlspec.ops.window import require_bound


class Recurrent(Op):
    """Base of recurrent layers: what they have in common, and the shapes of their weights.

    * ``gates``: what a step computes of the input and the state for each hidden unit. ``cell``: floating-point operations
      of a step for each hidden unit beside the gates' affine maps.
    """

    leads = True
    wide = True
    left_out = (("input_size", 0),)
    torch_sizes = (0, 1)
    gates: ClassVar[int] = 1
    cell: ClassVar[int] = 1

    hidden_size: int
    num_layers: int = 1
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    bidirectional: bool = False

    def check(self) -> None:
        require_bound(self.hidden_size, 1, "hidden_size")
        require_bound(self.num_layers, 1, "num_layers")
        if not 0 <= self.dropout <= 1:
            raise OpError(f"`dropout` is a probability from 0 to 1, not {self.dropout:g}", code="DL0208")
        if self.dropout and self.num_layers == 1:
            hint = "put `Dropout` behind the layer, or give it more layers"
            raise OpError("`dropout` is between layers, and there is one layer", hint, "DL0208")

    @property
    def directions(self) -> tuple[str, ...]:
        """What the names of the weights of each direction end with."""
        return ("", "_reverse") if self.bidirectional else ("",)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """The size of each state; the first is that of the output of a direction."""
        return (self.hidden_size,)

    def last_size(self, output: int) -> tuple[str, int, tuple[str, ...]]:
        times = 1 if output else len(self.directions)
        projected = self.state_sizes[max(output - 1, 0)] != self.hidden_size
        return "proj_size" if projected else "hidden_size", times, ("bidirectional", "proj_size")

    def infer(self, need: Needs, inputs: Types) -> Types:
        x, *states = inputs
        name = type(self).__name__
        self._features(x)
        same_dtype(inputs, name)
        if len(states) not in (0, len(self.state_sizes)):
            raise OpError(f"{name} takes `h_0` and `c_0` together", code="DL0202")
        made = [x.with_shape(*shape) for shape in self._state_shapes(x)]
        for state, known, slot in zip(states, made, self.tensors[1:], strict=False):
            message = f"{name}: `{slot.rstrip('?')}` must be {known} for the input {x}, not {state}"
            if state.rank != known.rank:
                raise OpError(message, code="DL0202")
            for size, wanted in zip(state.shape, known.shape, strict=True):
                need.equal(size, wanted, message)
        return (x.with_shape(*x.shape[:-1], len(self.directions) * self.state_sizes[0]), *made)

    def _state_shapes(self, x: TensorType) -> list[tuple[Dim, ...]]:
        batch = x.shape[1 - self.time(x) : 2 - self.time(x)] if x.rank == 3 else ()
        return [(self.num_layers * len(self.directions), *batch, size) for size in self.state_sizes]

    def time(self, x: TensorType) -> int:
        """The axis that the state is carried along."""
        return int(self.batch_first and x.rank == 3)

    def along(self, inputs: Types) -> int:
        return self.time(inputs[0])

    def _features(self, x: TensorType) -> int:
        name = type(self).__name__
        require_float(x, name)
        require_rank(x, (2, 3), name)
        features = x.shape[-1]
        if not isinstance(features, int):
            hint = (
                "give the last axis a number: the input is [T, N, features], or [N, T, features] with batch_first=true"
            )
            raise OpError(f"{name} needs a known number of features on the last axis, not {features}", hint, "DL0205")
        return features

    def _in_features(self, x: TensorType) -> list[int]:
        """What flows into a step of each layer."""
        return [self._features(x)] + [len(self.directions) * self.state_sizes[0]] * (self.num_layers - 1)

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        bound = 1 / sqrt(self.hidden_size)
        drawn, rows, dtype = uniform(-bound, bound), self.gates * self.hidden_size, inputs[0].dtype
        made: list[Weight] = []
        for layer, features in enumerate(self._in_features(inputs[0])):
            for direction in self.directions:
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, features),
                    "weight_hh": (rows, self.state_sizes[0]),
                }
                if self.bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                shapes |= self._more_shapes()
                for name, shape in shapes.items():
                    init = getattr(self, f"{name.partition('_')[0]}_init") or drawn
                    made.append(Weight(f"{name}_l{layer}{direction}", shape, init, dtype=dtype))
        return tuple(made)

    def _more_shapes(self) -> dict[str, tuple[int, ...]]:
        return {}

    def _units(self, x: TensorType) -> Dim:
        """Hidden units that are computed: of all steps, layers and directions."""
        return product(x.shape[:-1]) * (self.num_layers * len(self.directions) * self.hidden_size)

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        x = inputs[0]
        per_step = sum(self.gates * (features + self.state_sizes[0]) for features in self._in_features(x))
        return product(x.shape[:-1]) * (len(self.directions) * self.hidden_size * per_step)

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        adds = self.gates * (3 if self.bias else 1)
        return 2 * self.macs(inputs, outputs) + self._units(inputs[0]) * (adds + self.cell)


class RNN(Recurrent):
    """Recurrent layers of one gate: h = nonlinearity(W_ih x + b_ih + W_hh h + b_hh) for each step.

    The input is [T, N, features], [N, T, features] with batch_first, or [T, features]. h_0, zeros where left out, is
    [num_layers, N, hidden_size], twice as many where bidirectional, the reverse of each layer behind it. Gives the outputs
    of the last layer, both directions joined on the last axis, and the last states in the shape of h_0:
    `y, h = x -> RNN(64)`; in a chain only the outputs flow on. The nonlinearity is "tanh" or "relu". Dropout acts between
    layers while training. Weights, named as in torch, are drawn from U(-b, b), b = 1 / sqrt(hidden_size); weight_init
    and bias_init are for all of them. MACs: for each step and unit one per input feature and one per element of h. FLOPs:
    two per MAC, an addition for each bias and for the sum of both products, and one for the nonlinearity.

    ONNX: RNN. Elman, 1990, "Finding Structure in Time".
    """

    tensors = ("x", "h_0?")

    nonlinearity: Literal["tanh", "relu"] = "tanh"
    weight_init: Init | None = None
    bias_init: Init | None = None


class GRU(Recurrent):
    """Gated recurrent units: h = (1 - z) * n + z * h with n = tanh(W x + b + r * (W h + b)), r and z being sigmoids.

    Inputs, results and weights are as for RNN: `y, h = x -> GRU(64)`. The rows of the weights are those of r, z and n in
    this order. MACs: for each step and unit three per input feature and three per element of h. FLOPs: two per MAC, for
    each gate three additions (one without biases), and 8 for what makes the state of the gates.

    ONNX: GRU. Cho et al., 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
    Translation".
    """

    tensors = ("x", "h_0?")
    gates = 3
    cell = 8

    weight_init: Init | None = None
    bias_init: Init | None = None


class LSTM(Recurrent):
    """Long short-term memory: c = f * c + i * g and h = o * tanh(c), g being a tanh and i, f and o sigmoids of W x + W h.

    The input is as for RNN, the states are h_0 and c_0, both or none of them: `[x, h, c] -> LSTM(64)`. Gives outputs and
    the last states, `y, h, c = x -> LSTM(64)`; in a chain only the outputs flow on. With proj_size, h = W_hr (o * tanh(c))
    has that size and c keeps hidden_size. The rows of the weights are those of i, f, g and o in this order. MACs: for each
    step and unit four per input feature, four per element of h, and one per element of the projection. FLOPs: two per MAC,
    for each gate three additions (one without biases), and 9 for what makes the states of the gates.

    ONNX: LSTM; a projection becomes a part of the recurrent weights. Hochreiter & Schmidhuber, 1997, "Long Short-Term
    Memory".
    """

    tensors = ("x", "h_0?", "c_0?")
    gates = 4
    cell = 9

    proj_size: int = 0
    weight_init: Init | None = None
    bias_init: Init | None = None

    def check(self) -> None:
        super().check()
        if not 0 <= self.proj_size < self.hidden_size:
            hint = "leave it out where the output is not projected"
            raise OpError(f"`proj_size` is less than `hidden_size`, and {self.proj_size} is not", hint, "DL0208")

    @property
    def state_sizes(self) -> tuple[int, ...]:
        return (self.proj_size or self.hidden_size, self.hidden_size)

    def _more_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight_hr": (self.proj_size, self.hidden_size)} if self.proj_size else {}

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        return super().macs(inputs, outputs) + self._units(inputs[0]) * self.proj_size


OPERATORS: tuple[type[Op], ...] = (RNN, LSTM, GRU)
