"""The contract an operator fulfils.

An operator is one class. Its annotated fields are its signature, its docstring the documentation (the first line is the
summary), and its methods say what the compiler needs to know: shapes, weights, MACs and FLOPs. A rule never sees where in
a spec it is used; what it demands of sizes it states through `Needs`, and what it cannot accept it raises as `OpError`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, TypeAlias, dataclass_transform

from dlspec.diagnostics import Hinted
from dlspec.ir.dims import Dim, Expr, at_least
from dlspec.ir.fields import Fielded
from dlspec.ir.init import Init
from dlspec.ir.intervals import NEGATIVE, REALS, SIGNED, UNIT, Interval, Intervals, hull
from dlspec.ir.types import DType, TensorType, format_shape

Types: TypeAlias = tuple[TensorType, ...]
Numbers: TypeAlias = Literal["logits", "log_probabilities", "probabilities", "signed"]


_BETWEEN: dict[Numbers, Interval] = {
    "logits": REALS,
    "log_probabilities": NEGATIVE,
    "probabilities": UNIT,
    "signed": SIGNED,
}


class OpError(Hinted):
    """Inputs or arguments that an operator does not accept."""

    def __init__(self, message: str, hint: str = "", code: str = "DL0201") -> None:
        super().__init__(message, hint, code)


class Weight:
    """A tensor an operator owns: a ``param`` that is trained, or a ``buffer`` that is kept."""

    __slots__ = ("dtype", "init", "kind", "name", "shape")

    def __init__(
        self,
        name: str,
        shape: tuple[int, ...],
        init: Init,
        kind: Literal["param", "buffer"] = "param",
        dtype: DType = DType.FLOAT32,
    ) -> None:
        self.name = name
        self.shape = shape
        self.init = init
        self.kind: Literal["param", "buffer"] = kind
        self.dtype = dtype


Message: TypeAlias = str | Callable[[], str]
"""What a message says, or what makes it: nearly all demands hold, and nobody reads the message."""


def as_text(message: Message) -> str:
    return message if isinstance(message, str) else message()


class Requirement:
    """A demand on sizes that only the network's preconditions can settle: ``left == right``, ``left >= right`` or
    ``left % right == 0``."""

    __slots__ = ("code", "demand", "hint", "left", "message", "relation", "right")

    def __init__(
        self, relation: Literal["==", ">=", "%"], left: Dim, right: Dim, message: Message, hint: str, code: str
    ) -> None:
        self.demand = relation, left, right
        self.relation: Literal["==", ">=", "%"] = relation
        self.left = left
        self.right = right
        self.message = message
        self.hint = hint
        self.code = code


class Needs:
    """Collects what an operator demands of its input sizes.

    A demand on constants is decided at once: raises `OpError` with the given message where it is broken. One on symbols is
    kept as a `Requirement` for the elaborator, which derives a precondition or reports the message.
    """

    __slots__ = ("requirements",)

    def __init__(self) -> None:
        self.requirements: list[Requirement] = []

    def equal(self, left: Dim, right: Dim, message: str, hint: str = "", code: str = "DL0201") -> Dim:
        """Demands ``left == right`` and returns the simpler of the two."""
        if left == right:
            return left
        if isinstance(left, int) and isinstance(right, int):
            raise OpError(message, hint, code)
        self.requirements.append(Requirement("==", left, right, message, hint, code))
        return (
            left if isinstance(left, int) or (isinstance(right, Expr) and len(str(left)) <= len(str(right))) else right
        )

    def at_least(self, size: Dim, bound: int, message: Message, hint: str = "", code: str = "DL0203") -> None:
        """Demands ``size >= bound``."""
        if at_least(size, bound):
            return
        if isinstance(size, int):
            raise OpError(as_text(message), hint, code)
        self.requirements.append(Requirement(">=", size, bound, message, hint, code))

    def divisible(self, size: Dim, by: int, message: str, hint: str = "", code: str = "DL0204") -> None:
        """Demands ``size % by == 0``."""
        if isinstance(size, int):
            if size % by:
                raise OpError(message, hint, code)
        else:
            self.requirements.append(Requirement("%", size, by, message, hint, code))


@dataclass_transform(frozen_default=True)
class Op(Fielded):
    """Base of all operators.

    What is always so of an operator is said here once, by class attributes; whoever needs a fact asks for it, and no one
    keeps lists of operators. What it is called:

    * ``tensors``: its tensor inputs by name. ``"*xs"`` takes any number (the only one then), ``"bias?"`` may be left out
      (only at the end). The first is what flows in; the others are arguments that are tensors.
    * ``layer``: the class name can be used as a layer of a chain. ``function``: the lower-case name it has as a function of
      tensors, if any.
    * ``aliases``: further names of the function. ``neutral``: the number that stands for an optional tensor which is left
      out before one that is given.
    * ``alike``: the tensor that an optional one is where it is left out, by their names.
    * ``truths``: those of its tensors that hold truth values, and ``positions`` those that hold integers, whatever type the
      others have.
    * ``torch_order``: its tensors and fields in the order in which the function takes them too, where torch has a field
      before a tensor: ``gather(x, 1, index)``.
    * ``takes_numbers``: people write numbers for its tensors, as in ``2 * x``.
    * ``more``: the field that takes arguments by names of the author's choice, as ``rearrange(x, "b (h p) -> b h p", p=7)``.
    * ``pinned``: ``(("Conv1d", 1), ...)``, further layer names that fix the number of spatial axes.
    * ``flat``: the layer that pins one spatial axis also takes [N, C], as BatchNorm1d does.

    What it does:

    * ``view``: the output is the input's data in another shape, so it takes no memory.
    * ``identity_in_eval``: does nothing at inference (Dropout).
    * ``cuts_gradient``: no gradient passes, though the result is a float.
    * ``random``: draws random numbers at inference too.
    * ``elementwise``: an element of the output depends on those at its place in the inputs, which are aligned at the end.
    * ``keeps_shape``: the first output has the shape of the first input, whatever that is.
    * ``copies``: the elements of the output are those of its first input, of all where it takes any number: at other
      places, repeated or of another type, but not computed.
    * ``gives``: what numbers it gives, where that can be told: raw scores, probabilities, their logarithms, or numbers from
      -1 to 1.
    * ``between``: the interval of its output, whatever flows in, where ``gives`` does not say it. ``range`` tells it from
      those of the inputs.
    * ``takes``: the interval that its first input must be in for the result to be a number.
    * ``divergence``: it gives how far two distributions are apart, which is to be small.
    * ``overwritable``: no derivative looks at its output again, so what comes after may be written over it.
    * ``leads``: of several results the first is what flows on in a chain. The others are had by names: `y, h = x -> GRU(8)`.
    * ``light``: a small step that people write into the line of the one beside it: activations, normalisation, arithmetic.
    * ``wide``: of half precision it computes in float32, for sums and statistics do not fit into it.
    * ``narrow_in_torch``: PyTorch does not, so it gets its inputs in float32.
    * ``infinite``: the fields that may be infinite.
    * ``out_size``: the field that says how many channels or features come out.
    * ``out_axis``: the axis of the output that has them.
    * ``several``: the layer that does to the tensors of a list what this does to the elements of one.
    * ``slides``: a window of ``kernel_size``, ``stride``, ``padding`` and ``dilation``, as far as it has these fields,
      gives each spatial axis its size.
    * ``left_out``: what ``torch`` asks for and the input says, its sizes, by name with its position there. Such an operator
      takes only what it needs by position: who writes torch's arguments would have a size taken for another number.

    What it is elsewhere:

    * ``torch``: the class in ``torch.nn`` with the same arguments, where there is one to one; ``{n}`` stands for the
      number of spatial axes: ``"Conv{n}d"``. ``torch_sizes``: which of the class's arguments are numbers of channels or
      features, by position.
    * ``torch_function``: the function of PyTorch that takes the same tensors and then the fields by their names.
    * ``inplace``: both have an argument ``inplace`` that writes the output over the input.
    * ``onnx``: the operator of ONNX that takes the same tensors, and no attribute.
    """

    tensors: ClassVar[tuple[str, ...]] = ("x",)
    layer: ClassVar[bool] = True
    function: ClassVar[str | None] = None
    aliases: ClassVar[tuple[str, ...]] = ()
    neutral: ClassVar[dict[str, float]] = {}
    alike: ClassVar[dict[str, str]] = {}
    truths: ClassVar[tuple[str, ...]] = ()
    positions: ClassVar[tuple[str, ...]] = ()
    torch_order: ClassVar[tuple[str, ...]] = ()
    takes_numbers: ClassVar[bool] = False
    pinned: ClassVar[tuple[tuple[str, int], ...]] = ()
    flat: ClassVar[bool] = False
    view: ClassVar[bool] = False
    identity_in_eval: ClassVar[bool] = False
    cuts_gradient: ClassVar[bool] = False
    random: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    keeps_shape: ClassVar[bool] = False
    copies: ClassVar[bool] = False
    gives: ClassVar[Numbers | None] = None
    between: ClassVar[Interval | None] = None
    takes: ClassVar[Interval | None] = None
    divergence: ClassVar[bool] = False
    overwritable: ClassVar[bool] = False
    leads: ClassVar[bool] = False
    light: ClassVar[bool] = False
    wide: ClassVar[bool] = False
    narrow_in_torch: ClassVar[bool] = False
    infinite: ClassVar[tuple[str, ...]] = ()
    out_size: ClassVar[str | None] = None
    out_axis: ClassVar[int] = -1
    several: ClassVar[str] = ""
    slides: ClassVar[bool] = False
    left_out: ClassVar[tuple[tuple[str, int], ...]] = ()
    torch: ClassVar[str | None] = None
    torch_sizes: ClassVar[tuple[int, ...]] = ()
    torch_function: ClassVar[str | None] = None
    inplace: ClassVar[bool] = False
    onnx: ClassVar[str | None] = None

    def infer(self, need: Needs, inputs: Types) -> TensorType | Types:
        """The types of the outputs. Raises `OpError` for inputs that are not accepted."""
        raise NotImplementedError

    def infer_any(self, inputs: Types) -> TensorType | Types:
        """The types of the outputs as formulas of sizes of which nothing is known, where `infer` would demand something of
        them."""
        return self.infer(Needs(), inputs)

    def element_type(self, inputs: Types) -> DType | None:
        """What the numbers among the fields are computed with: the operator's own type, or that of its floats."""
        own = getattr(self, "dtype", None)
        found = own if isinstance(own, DType) else next((x.dtype for x in inputs if x.dtype.is_float), None)
        return DType.FLOAT32 if self.wide and found is not None and found.is_half else found

    def syntax(self) -> str | None:
        """How an operator is written that has no name in the language, of a tensor `x`: `x[:, 0]`. None for the others."""
        return None

    def given(self, inputs: Types) -> Types:
        """What each turn of its body is given, for an operator whose nodes have one: slices, then states."""
        return ()

    def turns(self, inputs: Types) -> Dim:
        """How often its body runs."""
        return 1

    def turned(self, inputs: Types, part: TensorType) -> tuple[TensorType, TensorType]:
        """The type of a tensor that it goes along so that each turn of its body gets a part of it, and that part: with axes
        of size 1 in front where it would have too few."""
        raise NotImplementedError

    def formula(self, inputs: Types, outputs: Types) -> tuple[str, ...]:
        """The sizes of the output that are computed, each with the numbers put in, for people to follow.

        ``axis 2: floor((224 + 2*3 - 1*(7-1) - 1)/2) + 1 = 112``; symbols stand where sizes are open. Empty where a size
        is what it was, or what an argument says.
        """
        return ()

    def along(self, inputs: Types) -> int | None:
        """The axis of the first input that a state is carried along; None for what has no state."""
        return None

    def keeps(self, axis: int, rank: int) -> int | None:
        """The input that has the axis of the first output, of as many axes; None where that is not always so."""
        return 0 if self.keeps_shape else None

    def last_size(self, output: int) -> tuple[str, int, tuple[str, ...]] | None:
        """Which field says the size of the last axis of an output, how often that is taken, and the fields that decide on
        both; None where no field alone says it."""
        return None

    def range(self, inputs: Intervals) -> Interval | None:
        """Between which numbers the outputs are for inputs in these intervals; None where that cannot be told."""
        if self.copies and inputs:
            return hull(inputs if self.tensors[0].startswith("*") else inputs[:1])
        return self.between or (_BETWEEN[self.gives] if self.gives else None)

    def slopes(self, inputs: Intervals) -> tuple[int, ...]:
        """For each input whether the outputs grow with it, 1, fall, -1, or neither can be told, 0."""
        return tuple(int(self.copies and index == 0) for index in range(len(inputs)))

    def weights(self, inputs: Types) -> tuple[Weight, ...]:
        """The weights owned, in the order of ``torch.nn``'s state dict."""
        return ()

    def classes(self, inputs: Types) -> tuple[int, Dim, int | None] | None:
        """Which input holds class numbers, how many classes there are, and which number stands for none of them."""
        return None

    def macs(self, inputs: Types, outputs: Types) -> Dim:
        """Multiply-accumulates, as torchvision counts: convolution, linear and matrix products only."""
        return 0

    def causal_macs(self, inputs: Types, outputs: Types) -> Dim:
        """Those of its MACs that a causal mask leaves about half of. They are counted in full."""
        return 0

    def idle_macs(self, inputs: Types, outputs: Types) -> Dim:
        """The MACs of experts that are not chosen. They are not counted."""
        return 0

    def flops(self, inputs: Types, outputs: Types) -> Dim:
        """Floating-point operations, all of them: two per MAC, and one per output element unless a subclass says more."""
        macs = self.macs(inputs, outputs)
        return 2 * macs if macs != 0 else sum((y.elements for y in outputs), 0)


def types_of(op: Op, inputs: Types) -> Types:
    """The types of the outputs, without regard to what is demanded of sizes. Raises `OpError`."""
    result = op.infer(Needs(), inputs)
    return (result,) if isinstance(result, TensorType) else tuple(result)


def require_rank(x: TensorType, ranks: range | tuple[int, ...], name: str) -> None:
    """Raises `OpError` unless the input's rank is one of ``ranks``."""
    if x.rank not in ranks:
        allowed = " or ".join(map(str, ranks)) if len(ranks) < 4 else f"{ranks[0]} or more"
        raise OpError(f"{name} takes an input of rank {allowed}, not {format_shape(x.shape)}", code="DL0202")


def constant_channels(x: TensorType, name: str) -> int:
    """The channel axis as a number: a weight cannot have a symbolic size."""
    channels = x.shape[1] if x.rank > 1 else x.shape[0]
    if not isinstance(channels, int):
        raise OpError(
            f"{name} needs a known number of channels, not {channels}", "give the channel axis a number", "DL0205"
        )
    return channels
