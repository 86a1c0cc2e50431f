"""First values of weights against torch.nn.init, and weights from files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import init as torch_init

from dlspec.backends.weights import PIECE, check_weights, draw, pieces_of
from dlspec.diagnostics import DlspecError, Severity
from dlspec.ir.graph import Graph
from dlspec.ir.init import ONES, ZEROS, Init, constant, data, fan_in_uniform, normal, uniform
from dlspec.ir.node import Parameter
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType, TensorType
from dlspec.ops.embedding import Embedding
from dlspec.source import Source, Span

SPAN = Span(Source("weights.dlspec", "layer"), 0, 5)


def weight(init: Init, *shape: int, path: str = "fc.weight", dtype: DType = DType.FLOAT32) -> Parameter:
    return Parameter(path, shape, dtype, "param", init, SPAN)


def of(kind: str, **arguments: float | str) -> Init:
    return Init(kind, tuple(arguments.items()))


DISTRIBUTIONS: list[tuple[Init, tuple[int, ...], Callable[[torch.Tensor], Any]]] = [
    (uniform(-0.25, 0.5), (300, 400), lambda w: torch_init.uniform_(w, -0.25, 0.5)),
    (of("uniform"), (300, 400), torch_init.uniform_),
    (normal(0.5, 0.02), (300, 400), lambda w: torch_init.normal_(w, 0.5, 0.02)),
    (of("normal"), (300, 400), torch_init.normal_),
    (of("trunc_normal"), (300, 400), torch_init.trunc_normal_),
    (of("trunc_normal", std=0.02), (300, 400), lambda w: torch_init.trunc_normal_(w, std=0.02)),
    (
        of("trunc_normal", mean=1.0, std=2.0, a=0.0, b=1.5),
        (300, 400),
        lambda w: torch_init.trunc_normal_(w, 1, 2, 0, 1.5),
    ),
    (of("trunc_normal", a=2.0, b=4.0), (300, 400), lambda w: torch_init.trunc_normal_(w, 0, 1, 2, 4)),
    (of("trunc_normal", a=-9.0, b=-1.5), (300, 400), lambda w: torch_init.trunc_normal_(w, 0, 1, -9, -1.5)),
    (of("trunc_normal", a=-0.1, b=8.0), (300, 400), lambda w: torch_init.trunc_normal_(w, 0, 1, -0.1, 8)),
    (of("xavier_uniform"), (200, 30, 3, 5), torch_init.xavier_uniform_),
    (of("xavier_uniform", gain=2.0), (300, 400), lambda w: torch_init.xavier_uniform_(w, 2.0)),
    (of("xavier_normal"), (200, 30, 3, 5), torch_init.xavier_normal_),
    (of("xavier_normal", gain=0.5), (300, 400), lambda w: torch_init.xavier_normal_(w, 0.5)),
    (of("kaiming_uniform"), (200, 30, 3, 5), torch_init.kaiming_uniform_),
    (of("kaiming_uniform", a=5**0.5), (200, 30, 3, 5), lambda w: torch_init.kaiming_uniform_(w, a=5**0.5)),
    (of("kaiming_uniform", mode="fan_out"), (200, 30, 3, 5), lambda w: torch_init.kaiming_uniform_(w, mode="fan_out")),
    (of("kaiming_normal"), (200, 30, 3, 5), torch_init.kaiming_normal_),
    *(
        (
            of("kaiming_normal", mode="fan_out", nonlinearity=nonlinearity),
            (200, 30, 3, 5),
            lambda w, n=nonlinearity: torch_init.kaiming_normal_(w, mode="fan_out", nonlinearity=n),
        )
        for nonlinearity in ("relu", "tanh", "selu", "sigmoid", "linear", "conv2d", "leaky_relu")
    ),
    (fan_in_uniform(400), (300, 400), lambda w: torch_init.kaiming_uniform_(w, a=5**0.5)),
]


@pytest.mark.parametrize(("init", "shape", "initialise"), DISTRIBUTIONS, ids=[str(row[0]) for row in DISTRIBUTIONS])
def test_distributions_are_torchs(
    init: Init, shape: tuple[int, ...], initialise: Callable[[torch.Tensor], Any]
) -> None:
    torch.manual_seed(0)
    theirs = torch.empty(shape)
    initialise(theirs)
    ours = draw(weight(init, *shape))
    assert ours.dtype == np.float32
    assert ours.shape == shape
    # Kolmogorov-Smirnov: two samples of 90,000 and more of one distribution differ by more in one of a million cases.
    a, b = np.sort(ours.ravel()), np.sort(theirs.numpy().ravel())
    both = np.concatenate([a, b])
    apart = np.abs(np.searchsorted(a, both, "right") / a.size - np.searchsorted(b, both, "right") / b.size).max()
    assert apart < 2.7 * np.sqrt(2 / a.size)
    assert abs(a.std() / b.std() - 1) < 0.02


def test_bounds_are_kept() -> None:
    for init, low, high in ((uniform(-0.25, 0.5), -0.25, 0.5), (of("trunc_normal", std=3.0, a=-1.0, b=0.5), -1.0, 0.5)):
        values = draw(weight(init, 100_000))
        assert low <= values.min() < low + 0.01
        assert high - 0.01 < values.max() <= high


EXACT: list[tuple[Init, tuple[int, ...], Callable[[torch.Tensor], Any]]] = [
    (ZEROS, (3, 4), torch_init.zeros_),
    (ONES, (3, 4), torch_init.ones_),
    (of("zeros"), (3,), torch_init.zeros_),
    (of("ones"), (3,), torch_init.ones_),
    (constant(0.25), (), lambda w: torch_init.constant_(w, 0.25)),
    (of("eye"), (3, 5), torch_init.eye_),
    (of("dirac"), (4, 3, 5), torch_init.dirac_),
    (of("dirac"), (3, 5, 3, 4), torch_init.dirac_),
    (of("dirac", groups=2), (4, 3, 3, 3, 3), lambda w: torch_init.dirac_(w, 2)),
    (data(((1, 2.5), (3, 4))), (2, 2), lambda w: w.copy_(torch.tensor([[1, 2.5], [3, 4]]))),
    (data(7), (2, 2), lambda w: w.fill_(7)),
]


@pytest.mark.parametrize(("init", "shape", "initialise"), EXACT, ids=[str(row[0]) for row in EXACT])
def test_exact_values_are_torchs(init: Init, shape: tuple[int, ...], initialise: Callable[[torch.Tensor], Any]) -> None:
    theirs = torch.full(shape, -1.0)
    initialise(theirs)
    np.testing.assert_array_equal(draw(weight(init, *shape)), theirs.numpy())


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (16, 3, 3, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    values = draw(weight(of("orthogonal", gain=2.0), *shape)).reshape(shape[0], -1).astype(np.float64)
    square = values @ values.T if shape[0] <= values.shape[1] else values.T @ values
    np.testing.assert_allclose(square, 4 * np.eye(len(square)), atol=1e-5)


def test_other_element_types() -> None:
    assert draw(weight(uniform(0, 1), 5, dtype=DType.FLOAT64)).dtype == np.float64
    assert draw(weight(normal(), 5, dtype=DType.FLOAT16)).dtype == np.float16
    np.testing.assert_array_equal(draw(weight(constant(3), 2, dtype=DType.INT64)), np.array([3, 3]))
    np.testing.assert_array_equal(draw(weight(data((True, False)), 2, dtype=DType.BOOL)), np.array([True, False]))


def test_values_depend_on_seed_and_path_alone() -> None:
    one = draw(weight(normal(), 8))
    np.testing.assert_array_equal(one, draw(weight(normal(), 8)))
    assert not np.array_equal(one, draw(weight(normal(), 8), seed=1))
    assert not np.array_equal(one, draw(weight(normal(), 8, path="fc2.weight")))
    # Written down, so that a change of the generator is noticed: models are promised to be the same for the same input.
    np.testing.assert_array_equal(
        draw(weight(uniform(-1, 1), 4)), np.array(FIRST_UNIFORM, np.float32), "uniform numbers changed"
    )


FIRST_UNIFORM = [0.3725939989089966, -0.3835347890853882, 0.06304967403411865, 0.629368782043457]


def test_pieces_of_a_large_weight() -> None:
    parameter = weight(uniform(0, 1), 2, PIECE + 10)
    pieces = pieces_of(parameter, 0)
    assert len(pieces) == 3
    backwards = [piece() for piece in reversed(pieces)][::-1]
    np.testing.assert_array_equal(np.concatenate(backwards).reshape(2, -1), draw(parameter))
    assert not np.array_equal(backwards[0][:10], backwards[1][:10])


BAD: list[tuple[Parameter, str]] = [
    (weight(of("xavier_normal"), 5), "rank 2 or more"),
    (weight(of("kaiming_uniform"), 5), "rank 2 or more"),
    (weight(of("orthogonal"), 5), "rank 2 or more"),
    (weight(of("eye"), 2, 2, 2), "rank 2, not"),
    (weight(of("dirac"), 2, 2), "rank 3, 4 or 5"),
    (weight(of("dirac", groups=2), 3, 3, 3), "divisible by 2"),
    (weight(of("trunc_normal", a=1.0, b=1.0), 3), "a < b"),
    (weight(of("sparse"), 3, 3), "not one that can be drawn"),
    (weight(normal(), 3, dtype=DType.INT64), "int64"),
    (weight(data((1, 2, 3)), 2), "has the shape [3]"),
]


@pytest.mark.parametrize(("parameter", "message"), BAD, ids=[message for _, message in BAD])
def test_initialisers_that_do_not_fit(parameter: Parameter, message: str) -> None:
    with pytest.raises(DlspecError) as caught:
        draw(parameter)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.span) == ("DL0605", SPAN)
    assert message in diagnostic.message


# Files


def graph_of(*parameters: Parameter) -> Graph:
    graph = Graph("Net", Scope("network", None, SPAN))
    graph.parameters = {parameter.path: parameter for parameter in parameters}
    return graph


GRAPH = graph_of(weight(normal(), 2, 3, path="fc.weight"), weight(ZEROS, 2, path="fc.bias"))
GOOD = {"fc.weight": np.ones((2, 3), np.float32), "fc.bias": np.ones(2, np.float32)}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


CHECKS: list[tuple[str, dict[str, Any], list[tuple[str, str, str]]]] = [
    ("fits", GOOD, []),
    ("missing", without("fc.bias"), [("DL0602", "the weight `fc.bias` is missing", "")]),
    (
        "unexpected",
        GOOD | {"head.weight": np.ones(1, np.float32)},
        [("DL0603", "`head.weight` is among the weights, and Net has no such weight", "--drop-unknown leaves it out")],
    ),
    (
        "misspelt",
        without("fc.bias") | {"fc.bais": GOOD["fc.bias"]},
        [
            ("DL0602", "the weight `fc.bias` is missing", "did you mean `fc.bais`?"),
            ("DL0603", "`fc.bais` is among the weights, and Net has no such weight", "did you mean `fc.bias`?"),
        ],
    ),
    (
        "shape",
        GOOD | {"fc.weight": np.ones((3, 2), np.float32)},
        [("DL0604", "`fc.weight` has the shape [3, 2] in the weights and [2, 3] in the spec", "")],
    ),
    (
        "all begin alike",
        {f"_orig_mod.module.{name}": tensor for name, tensor in GOOD.items()},
        [
            (
                "DL0603",
                "the names of the weights begin with `_orig_mod.module.`, and those of Net do not",
                "--strip-prefix _orig_mod.module takes it off",
            )
        ],
    ),
    (
        "all begin alike, and one has another shape",
        {
            "module.fc.weight": np.ones((3, 2), np.float32),
            "module.fc.bias": GOOD["fc.bias"],
            "module.x": GOOD["fc.bias"],
        },
        [
            (
                "DL0603",
                "the names of the weights begin with `module.`, and those of Net do not",
                "--strip-prefix module takes it off",
            ),
            ("DL0604", "`fc.weight` has the shape [3, 2] in the weights and [2, 3] in the spec", ""),
            ("DL0603", "`x` is among the weights, and Net has no such weight", "--drop-unknown leaves it out"),
        ],
    ),
    (
        "none begins as those of the network",
        {name.removeprefix("fc."): tensor for name, tensor in GOOD.items()},
        [
            (
                "DL0602",
                "the names of Net begin with `fc.`, and those of the weights do not",
                "--rename '*=fc.*' puts it before them",
            )
        ],
    ),
    (
        "dtype",
        GOOD | {"fc.bias": np.ones(2, np.float16)},
        [
            (
                "DL0604",
                "`fc.bias` is float16 in the weights and float32 in the spec",
                "`dlspec weights convert FILE -o OUT --dtype float32` converts them",
            )
        ],
    ),
]


@pytest.mark.parametrize(("tensors", "expected"), [row[1:] for row in CHECKS], ids=[row[0] for row in CHECKS])
def test_check_weights(tensors: dict[str, Any], expected: list[tuple[str, str, str]]) -> None:
    found = check_weights(GRAPH, tensors)
    assert [(d.code, d.message, d.hint) for d in found] == expected
    assert all(d.span == SPAN and d.severity is Severity.ERROR for d in found)


def test_what_is_not_needed_may_be_missing_with_a_warning() -> None:
    (diagnostic,) = check_weights(GRAPH, without("fc.bias"), needed={"fc.weight"})
    assert diagnostic.severity is Severity.WARNING


def test_the_padding_row_of_an_embedding_is_zero() -> None:
    """Also where the table is drawn in several pieces, and the row lies across two of them."""
    for rows, width, row in ((10, 4, 3), (3, PIECE - 5, 1)):
        types = (TensorType(DType.INT64, (2,)),)
        (table,) = Embedding(rows, width, padding_idx=row).weights(types)
        values = draw(weight(table.init, *table.shape), 0)
        assert (values[row] == 0).all()
        assert (values[[i for i in range(rows) if i != row]] != 0).mean() > 0.99
