"""Recurrent layers against PyTorch: layers, directions, projections, initial states, the order of axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

from harness import Case, Input, Refusal
from torch import Tensor, nn

from dlspec.ir.init import Init, constant
from dlspec.ops.recurrent import GRU, LSTM, RNN, Recurrent

STEPS, BATCH, FEATURES, HIDDEN = 5, 3, 4, 6


class FlatLSTM(nn.LSTM):
    """With its states side by side."""

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        y, (h, c) = super().forward(x, states or None)  # type: ignore[arg-type]
        return y, h, c


_MODULES: dict[type[Recurrent], type[nn.Module]] = {RNN: nn.RNN, GRU: nn.GRU, LSTM: FlatLSTM}


def case(kind: type[Recurrent], state: bool = False, rank: int = 3, **fields: Any) -> Case:
    op: Any = kind(HIDDEN, **fields)
    x: tuple[int, ...] = (BATCH, STEPS, FEATURES) if op.batch_first else (STEPS, BATCH, FEATURES)
    names: tuple[str | int, ...] = ("N", "T", FEATURES) if op.batch_first else ("T", "N", FEATURES)
    batch: tuple[int, ...] = (BATCH,)
    open_batch: tuple[str | int, ...] = ("N",)
    if rank == 2:
        x, names, batch, open_batch = (STEPS, FEATURES), ("T", FEATURES), (), ()
    layers = op.num_layers * len(op.directions)
    states = [(layers, *batch, size) for size in op.state_sizes] if state else []
    symbols = {0: names} | {place: (layers, *open_batch, shape[-1]) for place, shape in enumerate(states, 1)}

    def torch() -> Callable[..., Any]:
        return _MODULES[kind](FEATURES, HIDDEN, **fields)

    differs = op.dropout > 0
    return Case(op, (x, *states), torch, symbols=symbols, tolerance=(1e-4, 1e-5), training_differs=differs)


_FORMS: list[dict[str, Any]] = [
    {"num_layers": layers, "bidirectional": both, "batch_first": first, "bias": bias, "state": state}
    for layers, both, first, bias, state in product((1, 2), (False, True), (False, True), (True, False), (False, True))
    if bias or (layers, first) == (1, False)
]

KINDS: tuple[type[Recurrent], ...] = (RNN, GRU, LSTM)
BOTH = (False, True)
CASES = [
    *[case(kind, **form) for kind in KINDS for form in _FORMS],
    *[
        case(kind, rank=2, state=state, bidirectional=both, batch_first=both)
        for kind, state, both in product(KINDS, BOTH, BOTH)
    ],
    *[case(RNN, nonlinearity="relu", bidirectional=both, num_layers=1 + both) for both in BOTH],
    *[case(LSTM, proj_size=2, **form) for form in _FORMS],
    *[case(LSTM, proj_size=3, rank=2, state=state, bidirectional=True) for state in BOTH],
    *[case(kind, dropout=0.5, num_layers=3) for kind in KINDS],
    *[
        Case(
            kind(HIDDEN, num_layers=2, weight_init=Init("orthogonal", ()), bias_init=constant(0.5)),
            ((STEPS, BATCH, FEATURES),),
            partial(_MODULES[kind], FEATURES, HIDDEN, 2),
            {0: ("T", "N", FEATURES)},
            tolerance=(1e-4, 1e-5),
        )
        for kind in KINDS
    ],
    *[
        Case(kind(5), ((1, 2, FEATURES),), partial(_MODULES[kind], FEATURES, 5), symbols={0: (1, "N", FEATURES)})
        for kind in KINDS
    ],
]

X = (STEPS, BATCH, FEATURES)
REFUSED: list[Refusal] = [
    (lambda: LSTM(0), (X,), "`hidden_size`"),
    (lambda: LSTM(8, num_layers=0), (X,), "`num_layers`"),
    (lambda: LSTM(8, proj_size=8), (X,), "`proj_size` is less than `hidden_size`"),
    (lambda: LSTM(8, proj_size=-1), (X,), "`proj_size` is less than `hidden_size`"),
    (lambda: GRU(8, dropout=0.5), (X,), "`dropout` is between layers"),
    (lambda: GRU(8, num_layers=2, dropout=1.5), (X,), "a probability from 0 to 1"),
    (lambda: RNN(8, nonlinearity="sigmoid"), (X,), "nonlinearity"),
    (lambda: RNN(8), ((3, 4, 5, 6),), "takes an input of rank 2 or 3"),
    (lambda: RNN(8), (Input(X, "int64"),), "RNN takes"),
    (lambda: GRU(8), (X, (1, BATCH, 7)), "`h_0` must be float[1, 3, 8]"),
    (lambda: GRU(8, bidirectional=True), (X, (1, BATCH, 8)), "`h_0` must be float[2, 3, 8]"),
    (lambda: GRU(8, batch_first=True), (X, (1, BATCH, 8)), "`h_0` must be float[1, 5, 8]"),
    (lambda: GRU(8), (X, (BATCH, 8)), "`h_0` must be float[1, 3, 8]"),
    (lambda: LSTM(8), (X, (1, BATCH, 8)), "takes `h_0` and `c_0` together"),
    (lambda: LSTM(8, proj_size=4), (X, (1, BATCH, 4), (1, BATCH, 4)), "`c_0` must be float[1, 3, 8]"),
    (lambda: LSTM(8), (Input(X, "float64"), (1, BATCH, 8), (1, BATCH, 8)), "LSTM"),
]
