"""First values of weights drawn from a seed, and whether given ones fit a network.

Every weight has generators of its own, NumPy's SFC64 seeded with a BLAKE2 hash of the seed, the weight's path and the
position of the piece, so that values depend neither on the order nor on the threads they are drawn in. The
distributions are those of ``torch.nn.init``; the numbers are not torch's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from math import prod, sqrt
from typing import TYPE_CHECKING, Any, TypeAlias

from dlspec.backends.room import weigh
from dlspec.backends.weight_names import shared_beginning
from dlspec.diagnostics import Diagnostic, DlspecError, Severity, did_you_mean
from dlspec.ir.graph import Graph
from dlspec.ir.init import Init, misfit
from dlspec.ir.node import Parameter
from dlspec.ir.types import DType
from dlspec.objectives.training import Training
from dlspec.passes.retype import narrowed, numpy_dtype

if TYPE_CHECKING:
    import numpy as np

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

PIECE = 1 << 20
"""Elements drawn from one generator."""

_WHOLE = ("orthogonal", "eye", "dirac", "data")
"""Initialisers under which the elements of a weight hang together."""

_COPIES = 8  # of an orthogonal weight: drawn, decomposed and multiplied in float64


def draw(parameter: Parameter, seed: int = 0) -> Array:
    """The first values of a weight, of its shape and dtype. Raises `DlspecError` where its initialiser does not fit
    it."""
    import numpy as np

    pieces = pieces_of(parameter, seed)
    if len(pieces) == 1:
        return pieces[0]().reshape(parameter.shape)
    flat = np.empty(parameter.elements, numpy_dtype(parameter.dtype))
    for index, piece in enumerate(pieces):
        flat[index * PIECE : (index + 1) * PIECE] = piece()
    return flat.reshape(parameter.shape)


def draw_all(graph: Graph, seed: int = 0) -> dict[str, Array]:
    """The first values of all weights of a graph by path. Raises `DlspecError` as `draw`, and where memory has no room."""
    weigh(graph.parameters.values())
    return {path: draw(parameter, seed) for path, parameter in graph.parameters.items()}


def initial_weights(training: Training, seed: int = 0) -> dict[str, Array]:
    """The first values of the weights of a train by path; a moving average begins as its source. Raises as `draw_all`."""
    parameters = training.graph.parameters
    weigh(parameters.values())
    return {
        path: draw(parameters.get(training.origin(path), parameter), seed) for path, parameter in parameters.items()
    }


def pieces_of(parameter: Parameter, seed: int) -> list[Callable[[], Array]]:
    """The flat values of a weight in pieces that may be drawn in any order, each by a call. One of 16 bits is drawn as a
    float32 and narrowed, as it would begin in a wider network; a call raises `DlspecError` where it does not fit."""
    wrong = misfit(parameter.init, parameter.shape, parameter.dtype)
    if wrong:
        raise _error(parameter, wrong)
    if parameter.dtype.is_half:
        wide = pieces_of(_drawn(parameter), seed)
        return [lambda piece=piece: narrowed(piece(), parameter) for piece in wide]
    spread = _spread(parameter)
    if spread is None:
        return [lambda: _whole(parameter, _generator(parameter, seed, 0)).ravel()]

    def piece(index: int, size: int) -> Callable[[], Array]:
        def values() -> Array:
            drawn = spread.draw(_generator(parameter, seed, index), size, parameter.dtype)
            if zeros is not None:
                drawn[max(0, zeros[0] - index * PIECE) : max(0, zeros[1] - index * PIECE)] = 0
            return drawn

        return values

    zeros = _zero_row(parameter)

    count = parameter.elements
    return [piece(index, min(PIECE, count - index * PIECE)) for index in range(max(1, -(-count // PIECE)))]


def weigh_whole(parameters: Iterable[Parameter]) -> None:
    """Raises `DlspecError` where memory has no room to draw the largest of those weights that cannot be drawn in pieces: in
    float64, with what is made on the way."""
    whole = [_drawn(parameter) for parameter in parameters if parameter.init.kind in _WHOLE]
    weigh(sorted(whole, key=lambda parameter: parameter.bytes)[-1:], _COPIES)


def _drawn(parameter: Parameter) -> Parameter:
    """In the type that a weight is drawn in."""
    return parameter.copied(parameter.path, DType.FLOAT32) if parameter.dtype.is_half else parameter


def _zero_row(parameter: Parameter) -> tuple[int, int] | None:
    """The elements of the row that begins as zeros: `padding_idx` of an embedding."""
    row = dict(parameter.init.arguments).get("zero_row")
    if row is None:
        return None
    width = prod(parameter.shape[1:])
    return int(row) * width, (int(row) + 1) * width


def _generator(parameter: Parameter, seed: int, piece: int) -> np.random.Generator:
    import numpy as np

    digest = blake2b(f"{seed}/{piece}/{parameter.path}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest, "little")))


@dataclass(frozen=True, slots=True)
class _Spread:
    """A distribution whose elements are independent: uniform from ``a`` to ``b``, normal, normal cut to [a, b],
    constant."""

    kind: str
    a: float = 0.0
    b: float = 0.0
    mean: float = 0.0
    std: float = 1.0

    def draw(self, generator: np.random.Generator, size: int, dtype: DType) -> Array:
        import numpy as np

        if self.kind == "constant":
            return np.full(size, self.mean, numpy_dtype(dtype))
        drawn = np.float64 if dtype is DType.FLOAT64 else np.float32
        if self.kind == "uniform":
            values = generator.random(size, drawn)
            values *= drawn(self.b - self.a)
            values += drawn(self.a)
        elif self.kind == "normal":
            values = generator.standard_normal(size, drawn)
            values *= drawn(self.std)
            values += drawn(self.mean)
        else:
            low, high = (self.a - self.mean) / self.std, (self.b - self.mean) / self.std
            values = _cut_normal(generator, size, low, high) * self.std + self.mean
            values = values.clip(self.a, self.b).astype(drawn)
        return values.astype(numpy_dtype(dtype), copy=False)


def _cut_normal(generator: np.random.Generator, size: int, low: float, high: float) -> Array:
    """Standard normal numbers between two bounds, by rejection: from the normal itself where much of it lies between
    them, otherwise from the uniform distribution, for a far tail only on the part where it has weight."""
    import numpy as np

    if low <= 0 <= high and high - low > 2.5:
        nearest = None
    else:
        nearest = min(max(low, 0.0), high)
        reach = 40 / max(abs(nearest), 1.0)
        low, high = max(low, nearest - reach), min(high, nearest + reach)
    accepted: list[Array] = []
    missing = size
    while missing > 0:
        if nearest is None:
            candidates = generator.standard_normal(missing)
            keep = (candidates >= low) & (candidates <= high)
        else:
            candidates = generator.uniform(low, high, missing)
            keep = generator.random(missing) <= np.exp((nearest**2 - candidates**2) / 2)
        accepted.append(candidates[keep])
        missing -= accepted[-1].size
    return np.concatenate(accepted) if accepted else np.empty(0)


def _spread(parameter: Parameter) -> _Spread | None:
    """The distribution of a weight with independent elements, else None."""
    init = parameter.init
    number = _numbers(init)
    match init.kind:
        case "constant":
            spread = _Spread("constant", mean=number("val", 0.0))
        case "zeros":
            spread = _Spread("constant", mean=0.0)
        case "ones":
            spread = _Spread("constant", mean=1.0)
        case "uniform":
            spread = _Spread("uniform", number("a", 0.0), number("b", 1.0))
        case "normal":
            spread = _Spread("normal", mean=number("mean", 0.0), std=number("std", 1.0))
        case "trunc_normal":
            spread = _Spread("cut", number("a", -2.0), number("b", 2.0), number("mean", 0.0), number("std", 1.0))
        case "xavier_uniform" | "xavier_normal":
            fan_in, fan_out = _fans(parameter)
            std = number("gain", 1.0) * sqrt(2 / (fan_in + fan_out))
            spread = _with_std(init.kind, std)
        case "kaiming_uniform" | "kaiming_normal":
            fan_in, fan_out = _fans(parameter)
            fan = fan_out if _words(init)("mode", "fan_in") == "fan_out" else fan_in
            gain = _gain(_words(init)("nonlinearity", "leaky_relu"), number("a", 0.0))
            spread = _with_std(init.kind, gain / sqrt(fan))
        case kind if kind in _WHOLE:
            return None
        case _:
            raise _error(parameter, "is not one that can be drawn", "see torch.nn.init for those there are")
    return spread


def _with_std(kind: str, std: float) -> _Spread:
    if kind.endswith("normal"):
        return _Spread("normal", std=std)
    return _Spread("uniform", -sqrt(3) * std, sqrt(3) * std)


def _fans(parameter: Parameter) -> tuple[int, int]:
    """Inputs and outputs of one element, as ``torch.nn.init`` takes them from a weight's shape."""
    field = prod(parameter.shape[2:])
    return parameter.shape[1] * field, parameter.shape[0] * field


def _gain(nonlinearity: str, a: float) -> float:
    """``torch.nn.init.calculate_gain``."""
    gains = {"tanh": 5 / 3, "relu": sqrt(2), "leaky_relu": sqrt(2 / (1 + a * a)), "selu": 3 / 4}
    return gains.get(nonlinearity, 1.0)


def _whole(parameter: Parameter, generator: np.random.Generator) -> Array:
    """A weight whose elements hang together."""
    import numpy as np

    init, shape, dtype = parameter.init, parameter.shape, numpy_dtype(parameter.dtype)
    number = _numbers(init)
    if init.kind == "data":
        values = np.asarray(init.values, dtype)
        return np.broadcast_to(values, shape)
    if init.kind == "orthogonal":
        rows, columns = shape[0], prod(shape[1:])
        normal = generator.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(normal)
        q *= np.sign(np.diag(r))
        return (number("gain", 1.0) * (q.T if rows < columns else q)).reshape(shape).astype(dtype)
    values = np.zeros(shape, dtype)
    if init.kind == "eye":
        np.fill_diagonal(values, 1)
        return values
    groups = int(number("groups", 1.0))
    channels = shape[0] // groups
    center = tuple(size // 2 for size in shape[2:])
    for group in range(groups):
        for channel in range(min(channels, shape[1])):
            values[(group * channels + channel, channel, *center)] = 1
    return values


def _numbers(init: Init) -> Callable[[str, float], float]:
    given = dict(init.arguments)
    return lambda name, default: float(given.get(name, default))


def _words(init: Init) -> Callable[[str, str], str]:
    given = dict(init.arguments)
    return lambda name, default: str(given.get(name, default))


def _error(parameter: Parameter, message: str, hint: str = "") -> DlspecError:
    text = f"the initialiser `{parameter.init.kind}` of `{parameter.path}` {message}"
    return DlspecError([Diagnostic("DL0605", text, parameter.span, hint=hint)])


def check_weights(
    graph: Graph, tensors: Mapping[str, Array], needed: Collection[str] | None = None
) -> list[Diagnostic]:
    """Everything in which tensors differ from a graph's weights: names missing and unexpected, shapes and dtypes.

    ``needed`` are the paths that have to be there (all unless told): what else is missing is a warning. A beginning that
    all names have or lack is one finding, and the rest is compared without it.
    """
    found: list[Diagnostic] = []
    tensors = {name: tensor for name, tensor in tensors.items() if name not in graph.aliases}
    unexpected = [name for name in tensors if name not in graph.parameters]
    missing = [path for path in graph.parameters if path not in tensors]
    if unexpected and missing and (shared := shared_beginning(missing, unexpected)):
        found.append(_of_beginning(graph, *shared))
        theirs, ours = (f"{beginning}." if beginning else "" for beginning in shared)
        tensors = {ours + name.removeprefix(theirs): tensor for name, tensor in tensors.items()}
        unexpected = [name for name in tensors if name not in graph.parameters and name not in graph.aliases]
    for path, parameter in graph.parameters.items():
        tensor = tensors.get(path)
        if tensor is None:
            severity = Severity.ERROR if needed is None or path in needed else Severity.WARNING
            hint = did_you_mean(path, unexpected)
            found.append(
                Diagnostic("DL0602", f"the weight `{path}` is missing", parameter.span, hint=hint, severity=severity)
            )
        elif tensor.shape != parameter.shape:
            message = (
                f"`{path}` has the shape {list(tensor.shape)} in the weights and {list(parameter.shape)} in the spec"
            )
            found.append(Diagnostic("DL0604", message, parameter.span))
        elif tensor.dtype.name != parameter.dtype.label:
            message = f"`{path}` is {tensor.dtype.name} in the weights and {parameter.dtype.label} in the spec"
            hint = f"`dlspec weights convert FILE -o OUT --dtype {parameter.dtype.label}` converts them"
            found.append(Diagnostic("DL0604", message, parameter.span, hint=hint))
    for name in unexpected:
        hint = did_you_mean(name, graph.parameters.keys() - tensors.keys()) or "--drop-unknown leaves it out"
        message = f"`{name}` is among the weights, and {graph.name} has no such weight"
        found.append(Diagnostic("DL0603", message, graph.root.span, hint=hint))
    return found


def untied(graph: Graph, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Tensors under the paths of the weights: one that a state dict has under several names is given by any of them.

    Raises `DlspecError` where what is given under two names is not the same.
    """
    import numpy as np

    made = {name: tensor for name, tensor in tensors.items() if name not in graph.aliases}
    wrong: list[Diagnostic] = []
    for name, path in graph.aliases.items():
        if name not in tensors:
            continue
        known, other = made.setdefault(path, tensors[name]), tensors[name]
        if known is not other and not (known.dtype == other.dtype and np.array_equal(known, other, equal_nan=True)):
            message = f"`{name}` and `{path}` are one weight of {graph.name}, and differ in what is given"
            hint = "where they are two weights, the layer of the spec has its own, without `weight=`"
            wrong.append(Diagnostic("DL0604", message, graph.parameters[path].span, hint=hint))
    if wrong:
        raise DlspecError(wrong)
    return made


def with_aliases(graph: Graph, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The weights of a graph under all names that its state dict has for them."""
    return {**tensors, **{name: tensors[path] for name, path in graph.aliases.items() if path in tensors}}


def _of_beginning(graph: Graph, theirs: str, ours: str) -> Diagnostic:
    if theirs:
        message = f"the names of the weights begin with `{theirs}.`, and those of {graph.name} do not"
        return Diagnostic("DL0603", message, graph.root.span, hint=f"--strip-prefix {theirs} takes it off")
    message = f"the names of {graph.name} begin with `{ours}.`, and those of the weights do not"
    return Diagnostic("DL0602", message, graph.root.span, hint=f"--rename '*={ours}.*' puts it before them")


def without_gaps(graph: Graph, tensors: Mapping[str, Array]) -> tuple[dict[str, Array], list[Diagnostic]]:
    """Tensors by the paths of the weights, with the counters that they lack at their first values, and a warning of that:
    files of old versions of PyTorch have no `num_batches_tracked`, and PyTorch takes them too. Raises as `untied`."""
    tensors = untied(graph, tensors)
    lacking = [p for path, p in graph.parameters.items() if path not in tensors and p.is_counter]
    fits = any(path in tensors for path in graph.parameters)
    if not lacking or not fits:
        return dict(tensors), []
    first = lacking[0]
    message = f"the weight `{first.path}` is missing, a counter, and begins anew"
    if len(lacking) > 1:
        message = f"{len(lacking)} counters such as `{first.path}` are missing among the weights, and begin anew"
    warning = Diagnostic("DL0602", message, first.span, severity=Severity.WARNING)
    return {**tensors, **{parameter.path: draw(parameter) for parameter in lacking}}, [warning]
