"""A generator of valid programs: typed, from the operators' own registry and the tables of their tests.

Arguments are those of the cases in ``tests/ops/cases_*.py``. Whether an operator takes what it is given is asked of the
operator; that what it says is true is what the programs are run for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pieces import Chain, Defaults, Layer, Program, Statement, Step, Style, Typing, Untyped, Use, call, literal
from steps import WIDTHS, Steps, cases

from dlspec.ir.dims import Dim, symbol
from dlspec.ir.op import Op, OpError
from dlspec.ir.types import DTYPES, DType, TensorType
from dlspec.ops import OPERATORS, activation, combine, elementwise, loss, ordering, positions, random, slicing, solve
from dlspec.ops.constant import Param, Size, Tied
from dlspec.ops.gradient import Grad

OWN_WAY = (Param, Size, Tied, Grad, combine.Const, slicing.Index, positions.IndexTensors)
# Drawn as statements of their own, or written otherwise.
DEFAULTS: list[dict[str, Mapping[str, Any]]] = [
    {}, {}, {},
    {"Conv": {"bias": False}}, {"BatchNorm": {"eps": 0.001}}, {"Linear": {"bias": False}},
    {"LeakyReLU": {"negative_slope": 0.3}}, {"Conv": {"padding_mode": "replicate"}},
]  # fmt: skip
KINDS = ["float"] * 12 + ["float64", "float64"] + ["float16", "bfloat16"]


class Generator(Steps):
    """Draws one program. ``scope`` are the tensors in sight."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.seed = seed
        self.inputs: list[tuple[str, str]] = []
        self.scope: dict[str, TensorType] = {}
        self.networks: list[str] = []
        self.statements: list[Statement] = []
        by_name = {op.__name__: op for op in OPERATORS}
        self.defaults: Defaults = {by_name[name]: fields for name, fields in self.one(DEFAULTS).items()}

    # Programs

    def program(self) -> Program:
        self.kind = self.one(KINDS)
        for _ in range(self.one((1, 1, 2))):
            self.input(self.shape(), self.kind)
        if self.chance(0.3):
            self.input(self.shape(), self.one(["int", "int", "bool", "int32", "float64"]))
        self.attempt(self.in_turn)
        for _ in range(self.draw.randint(1, 5)):
            self.attempt(self.one([
                self.chain, self.chain, self.chain, self.chain, self.function, self.function, self.function,
                self.of_case, self.of_case, self.shared, self.weight, self.comprehension, self.listed, self.turns,
                self.sum, self.compared, self.indexed, self.network, self.gradient, self.expectation, self.constant,
                self.scanned,
            ]))  # fmt: skip
        used = {name for each in self.statements for name in each.needs}
        made = [name for each in self.statements for name in each.binds if name in self.scope]
        ends = [name for name in made if name not in used]
        outputs = [*ends[-3:]] or made[-1:]
        if not outputs:
            self.scope["y_0"] = next(iter(self.scope.values()))
            self.statements.append(
                Statement(("y_0",), (next(iter(self.scope)),), f"y_0 = {next(iter(self.scope))} -> Identity")
            )
            outputs = ["y_0"]
        training = frozenset(outputs[1:2] if len(outputs) > 1 and self.chance(0.15) else ())
        return Program(
            self.inputs, self.settings, outputs, training, self.blocks, self.networks, self.defaults, self.statements,
            frozenset(self.operators),
        )  # fmt: skip

    def attempt(self, make: Callable[[], Statement | None]) -> None:
        known = self.typing.conditions
        before = len(self.inputs), len(self.blocks), len(self.networks)
        scope, settings = dict(self.scope), dict(self.settings)
        try:
            made = make()
        except Untyped:
            made = None
        if made is not None:
            self.statements.append(made)
            return
        self.typing.conditions, self.scope, self.settings = known, scope, settings
        del self.inputs[before[0] :], self.blocks[before[1] :], self.networks[before[2] :]

    # Inputs

    def shape(self) -> tuple[Dim, ...]:
        channels = self.one([3, 4, 4, 6, 8])
        match self.one(["image", "image", "image", "row", "features", "sequence", "volume", "matrix"]):
            case "image":
                return symbol("N"), channels, self.size(), self.size()
            case "row":
                return symbol("N"), channels, self.size()
            case "features":
                return symbol("N"), channels
            case "sequence":
                return symbol("N"), self.size(), channels
            case "volume":
                return symbol("N"), channels, self.size(), self.size(), self.size()
            case _:
                return self.draw.randint(2, 5), self.draw.randint(2, 5)

    def size(self) -> Dim:
        if self.chance(0.4):
            return self.one([4, 5, 6, 7, 8, 9])
        open_ones = [name for name in self.typing.sizes if name != "N"]
        if open_ones and self.chance(0.4):
            return symbol(self.one(open_ones))
        name = self.name(self.one("HWL"))
        self.typing.sizes[name] = self.one([6, 8, 9, 12])
        return symbol(name)

    def input(self, axes: tuple[Dim, ...], kind: str) -> str:
        name = self.name("in")
        known = {token for _, type in self.inputs for token in type.replace("[", " ").replace(",", " ").split()}
        shown: list[str] = []
        for axis in axes:
            new = (
                str(axis) in self.typing.sizes
                and str(axis) not in known
                and str(axis) not in shown
                and axis != symbol("N")
            )
            shown.append(f"{axis} = {self.typing.sizes[str(axis)]}" if new else str(axis))
            known.add(str(axis))
        self.inputs.append((name, f"{kind}[{', '.join(shown)}]"))
        self.scope[name] = TensorType(DTYPES[kind], axes)
        return name

    def tensor(self, fits: Callable[[TensorType], bool] = lambda _: True) -> tuple[str, TensorType]:
        found = [name for name, type in self.scope.items() if fits(type)]
        if not found:
            raise Untyped("no tensor")
        name = self.one(found[-4:] if self.chance(0.7) else found)
        return name, self.scope[name]

    def bind(self, type: TensorType, needs: Sequence[str], text: str, chain: Chain | None = None,
             taps: Mapping[str, TensorType] | None = None) -> Statement:  # fmt: skip
        name = self.name("t")
        self.scope[name] = type
        self.scope |= taps or {}
        return Statement((name, *(taps or {})), tuple(needs), f"{name} = {text}", chain)

    # Statements

    def chain(self) -> Statement:
        source, x = self.tensor()
        made: list[Step] = []
        taps: dict[str, TensorType] = {}
        for _ in range(self.draw.randint(1, 4)):
            step, x = self.step(x, 2, None)
            if isinstance(step, Layer | Use) and self.chance(0.2):
                step.label = self.name("l")
            made.append(step)
            if self.chance(0.12):
                tap = self.name("tap")
                taps[tap] = x
                made[-1] = _Tapped(step, tap)
        return self.bind(x, (source, *self.settings), f"{source} -> @", Chain(made), taps)

    def function(self) -> Statement:
        """Any operator of any tensors in sight that it takes."""
        for _ in range(25):
            kind = self.one([op for op in cases() if op not in OWN_WAY])
            op = self.varied(self.one(cases()[kind]).op)
            try:
                return self.called(op, self.taken(op))
            except Untyped:
                continue
        raise Untyped("no function")

    def taken(self, op: Op) -> list[tuple[str, TensorType]]:
        """Tensors in sight for an operator, with weights made for it where nothing fits."""
        case = self.one(cases()[type(op)])
        slots = [slot for slot in op.tensors if not slot.endswith("?")]
        if op.tensors[:1] and op.tensors[0].startswith("*"):
            slots = ["x"] * len(case.inputs)
        found: list[tuple[str, TensorType]] = []
        for index, _ in enumerate(slots):
            wanted = case.types[index].dtype if index < len(case.types) else DType.FLOAT32
            found.append(self.tensor(partial(_alike, wanted)))
        return found

    def called(self, op: Op, tensors: Sequence[tuple[str, TensorType]]) -> Statement:
        """The call, as a layer or as a function, of tensors that are brought into its domain first."""
        kind = type(op)
        texts = [self.guarded(op, index, name, tensors) for index, (name, _) in enumerate(tensors)]
        types = self.typing.apply(op, [type for _, type in tensors])
        needs = tuple(name for name, _ in tensors)
        if kind.function and (not kind.layer or self.chance(0.5)):
            text = call(kind.function, op, {}, {}, texts)
        else:
            flow = texts[0] if len(texts) == 1 and not kind.tensors[0].startswith("*") else f"[{', '.join(texts)}]"
            flow = f"({flow})" if " " in flow and not flow.startswith("[") else flow
            text = f"{flow} -> {call(kind.__name__, op, self.defaults, {})}"
        self.operators.add(kind)
        if len(types) == 1:
            return self.bind(types[0], needs, text)
        names = [self.name("t") for _ in types]
        self.scope |= dict(zip(names, types, strict=True))
        return Statement(tuple(names), needs, f"{', '.join(names)} = {text}")

    def guarded(self, op: Op, index: int, name: str, tensors: Sequence[tuple[str, TensorType]]) -> str:
        """A tensor with numbers that the operator is defined for."""
        x = tensors[index][1]
        try:
            classes = op.classes(tuple(type for _, type in tensors))
        except OpError:
            raise Untyped("no such axis") from None
        if classes is not None and classes[0] == index:
            if not isinstance(classes[1], int):
                raise Untyped("an open number of classes")
            return f"{name} % {classes[1]}"
        match op:
            case ordering.Ordered() if not x.dtype.is_float or not name.startswith("in"):
                raise Untyped("elements that may be equal, of which the order is not said")
            case ordering.SearchSorted() if index == 0:
                return f"sort({name})[0]"
            case ordering.Bucketize() if index == 1:
                return f"sort({name})[0]"
            case combine.Div() | combine.FloorDiv() | combine.Mod() if index == 1:
                return f"abs({name}) + {'0.5' if x.dtype.is_float else '1'}"
            case combine.Pow():
                return (
                    f"abs({name}) % 4"
                    if x.dtype.is_integer
                    else (f"abs({name}) + 0.5" if index == 0 else f"tanh({name})")
                )
            case elementwise.Reciprocal() if index == 0:
                return f"abs({name}) + 0.5"
            case elementwise.Tan() | elementwise.Exp() | elementwise.Expm1() | elementwise.Sinh() | elementwise.Cosh():
                return f"tanh({name})"
            case solve.Cholesky():
                last = x.shape[-1] if x.rank > 1 else None
                if not x.dtype.is_float or not isinstance(last, int) or x.shape[-2] != last:
                    raise Untyped("no square matrix")
                return f"matmul({name}, transpose({name}, -2, -1)) + eye({last}, dtype={literal(x.dtype)})"
            case solve.SolveTriangular() if index == 0:
                last = x.shape[-1] if x.rank > 1 else None
                if not x.dtype.is_float or not isinstance(last, int):
                    raise Untyped("no square matrix")
                return f"0.1 * {name} + eye({last}, dtype={literal(x.dtype)})"
            case _ if op.takes is not None and index == 0:
                low, high = op.takes
                return (
                    f"tanh({name})"
                    if low < -0.9 and high <= 1
                    else f"sigmoid({name})"
                    if high <= 1
                    else f"abs({name}) + 0.5"
                )
            case loss.KLDivLoss() if index == 1:
                return f"sigmoid({name})"
            case loss.BCELoss() if index < 2:
                return f"sigmoid({name})"
            case _:
                return name

    def in_turn(self) -> Statement:
        """The operator whose turn it is: so all are drawn."""
        kinds = [op for op in cases() if op not in OWN_WAY]
        for _ in range(10):
            known, made, scope = self.typing.conditions, len(self.inputs), dict(self.scope)
            try:
                return self.of_case(kinds[self.seed % len(kinds)])
            except Untyped:
                self.typing.conditions, self.scope = known, scope
                del self.inputs[made:]
        raise Untyped("in no case")

    def of_case(self, kind: type[Op] | None = None) -> Statement:
        """An operator of the tables with inputs of its own, of the types of the case."""
        kind = kind or self.one([op for op in cases() if op not in OWN_WAY])
        case = self.one(cases()[kind])
        tensors: list[tuple[str, TensorType]] = []
        for given, type in zip(case.given, case.types, strict=True):
            axes = tuple(
                self.size_of(int(size)) if axis != 1 and self.chance(0.5) else size  # type: ignore[arg-type]
                for axis, size in enumerate(type.shape)
            )  # fmt: skip
            name = self.input(axes, given.dtype)
            tensors.append((name, self.scope[name]))
        return self.called(case.op, tensors)

    def size_of(self, size: int) -> Dim:
        found = [name for name, known in self.typing.sizes.items() if known == size and name != "N"]
        if found:
            return symbol(found[0])
        name = self.name("S")
        self.typing.sizes[name] = size
        return symbol(name)

    def shared(self) -> Statement:
        source, x = self.tensor()
        layer = self.layer(x, 0, None)
        name = self.name("s")
        first = self.typing.one(layer.op, x)
        text = f"shared {name} = {layer.written(Style(defaults=self.defaults))}\n"
        again = [other for other, type in self.scope.items() if type == x and other != source]
        one = self.bind(first, (), f"{source} -> {name}")
        other = self.bind(first, (), f"{self.one(again or [source])} -> {name}")
        needs = (source, *again, *self.settings)
        return Statement((*one.binds, *other.binds), needs, f"{text}{one.text}\n{other.text}")

    def weight(self) -> Statement:
        source, x = self.tensor(lambda type: type.dtype.is_float and type.rank > 1 and isinstance(type.shape[1], int))
        sizes = (x.shape[1], *[1] * (x.rank - 2))
        name, kind = self.name("p"), self.one(["param", "param", "buffer"])
        initial = self.one(["", " = 1.0", " = normal(0, 0.5)", " = uniform(-1, 1)"]) if kind == "param" else " = 0.5"
        declared = f"{kind} {name}: {x.dtype.label}{list(sizes)}{initial}"
        used = self.bind(x, (), f"{source} {self.one('*+-')} {name}")
        return Statement(used.binds, (source,), f"{declared}\n{used.text}")

    def comprehension(self) -> Statement:
        source, x = self.tensor()
        layer = self.layer(x, 0, None)
        own = next((each for each in WIDTHS if hasattr(layer.op, each)), None)
        if own is None:
            raise Untyped("nothing to vary")
        variable, values = self.name("i"), [self.one([2, 4, 6, 8]) for _ in range(2)]
        try:
            types = [self.typing.one(layer.op.changed(**{own: value}), x) for value in values]
        except Exception:
            raise Untyped("not for each value") from None
        names = [self.name("t") for _ in values]
        self.scope |= dict(zip(names, types, strict=True))
        text = Layer(layer.op, "", {own: variable}).written(Style(defaults=self.defaults))
        joined = f"{', '.join(names)} = [{source} -> {text} for {variable} in {values}]"
        return Statement(tuple(names), (source,), joined)

    def listed(self) -> Statement:
        """A list of tensors that flows into what joins them."""
        first, x = self.tensor()
        others = [name for name, type in self.scope.items() if type.dtype is x.dtype and type.rank == x.rank]
        names = [first, *(self.one(others) for _ in range(self.draw.randint(1, 2)))]
        op = self.one(
            [combine.Add(), combine.Mul(), combine.Concat(), combine.Stack(), combine.Max(), combine.Concat(-1)]
        )
        result = self.typing.one(op, *(self.scope[name] for name in names))
        self.operators.add(type(op))
        name = call(type(op).__name__, op, self.defaults, {})
        return self.bind(result, names, f"[{', '.join(names)}] -> {name}")

    def turns(self) -> Statement:
        """A name that is bound again by the turns of a loop or by an `if`."""
        source, x = self.tensor()
        layer = self.layer(x, 0, None)
        count, y = self.draw.randint(1, 3), x
        name, variable = self.name("t"), self.name("i")
        text = layer.written(Style(defaults=self.defaults))
        if self.chance(0.3):
            y = self.typing.one(layer.op, y)
            loop = f"if {self.one(['true', '1 < 2', 'len([1]) == 1'])} {{ {name} = {name} -> {text} }}"
        else:
            for _ in range(count):
                y = self.typing.one(layer.op, y)
            loop = f"for {variable} in range({count}) {{ {name} = {name} -> {text} }}"
        self.scope[name] = y
        return Statement((name,), (source, *self.settings), f"{name} = {source}\n{loop}")

    def scanned(self) -> Statement:
        """What a chain makes of a state that goes along an axis."""
        source, x = self.tensor(lambda type: type.rank > 1 and type.dtype.is_float)
        axis = self.draw.randrange(1, x.rank)
        state, part = self.name("h"), self.name("part")
        chain, y = self.steps(x.with_shape(*x.shape[:axis], *x.shape[axis + 1 :]), self.draw.randint(1, 2), 1, top=True)
        if axis > y.rank:
            raise Untyped("nothing to stack")
        header = f"along {axis}{self.one(['', ' backwards'])} with {state} = {source}[{':, ' * axis}0]"
        text = f"scan {part} in {source} {header} {{ {state} = tanh(0.5 * {state} + {part}); {state} -> @ }}"
        stacked = y.with_shape(*y.shape[:axis], x.shape[axis], *y.shape[axis:])
        return self.bind(stacked, (source, *self.settings), text, chain)

    def sum(self) -> Statement:
        a, x = self.tensor(lambda type: type.dtype is not DType.BOOL)
        b, y = self.tensor(lambda type: type.dtype is x.dtype)
        op, text = self.one([
            (combine.Add(), f"{a} + {b}"), (combine.Sub(), f"{a} - {b}"), (combine.Mul(), f"{a} * {b}"),
            (combine.Mul(), f"2 * {a} * {b}"), (combine.Add(), f"-{a} + {b}"),
        ])  # fmt: skip
        return self.bind(self.typing.one(op, x, y), (a, b), text)

    def compared(self) -> Statement:
        a, x = self.tensor(lambda type: type.dtype is not DType.BOOL)
        sign, op = self.one(
            [("<", combine.Less()), (">=", combine.GreaterEqual()), ("==", combine.Equal()), ("!=", combine.NotEqual())]
        )
        zero = "0" if x.dtype.is_integer else "0.1"
        truth = self.typing.one(op, x, x)
        if self.chance(0.5):
            return self.bind(truth, (a,), f"{a} {sign} {zero}")
        return self.bind(x, (a,), f"where({a} {sign} {zero}, {a}, {a} * 2)")

    def indexed(self) -> Statement:
        source, x = self.tensor(lambda type: type.rank > 1)
        kind = self.one([slicing.Index, slicing.Index, positions.IndexTensors])
        op: Any = self.one([case.op for case in cases()[kind]])
        names: list[str] = []
        sizes: list[Dim] = []
        if kind is positions.IndexTensors:
            (whole,) = self.typing.apply(op.plain, [x])
            sizes = [whole.shape[axis] for axis in op.axes(x.rank)]
        shown = []
        for item in op.items:
            match item:
                case ("rest",):
                    shown.append("...")
                case ("tensor",):
                    names.append(self.tensor(lambda type: type.dtype.is_integer)[0])
                    if not isinstance(sizes[len(names) - 1], int):
                        raise Untyped("an open size is indexed")
                    shown.append(f"{names[-1]} % {sizes[len(names) - 1]}")
                case ("at", position):
                    shown.append(str(position))
                case ("slice", start, stop, step):
                    shown.append(
                        f"{'' if start is None else start}:{'' if stop is None else stop}"
                        + (f":{step}" if step != 1 else "")
                    )
                case _:
                    shown.append("none")
        self.operators.add(kind)
        made = self.typing.one(op, x, *(self.scope[name] for name in names))
        return self.bind(made, (source, *names), f"{source}[{', '.join(shown)}]")

    def network(self) -> Statement:
        """A network that is a layer of this one."""
        source, x = self.tensor(lambda type: type.rank > 0)
        if x.rank and any(not isinstance(axis, int) and str(axis) not in self.typing.sizes for axis in x.shape):
            raise Untyped("sizes that are computed")
        name, own = self.name("Sub"), dict[str, int]()
        chain, y = self.steps(x, self.draw.randint(1, 2), 1, own, top=True)
        given = self.name("in")
        settings = "".join(f", {key} = {value}" for key, value in own.items())
        kind = {"float32": "float", "int64": "int"}.get(x.dtype.label, x.dtype.label)
        axes = [f"{axis} = {self.typing.sizes[str(axis)]}" if str(axis) in self.typing.sizes and str(axis) != "N"
                and axis not in x.shape[:index] else str(axis) for index, axis in enumerate(x.shape)]  # fmt: skip
        out = self.name("y")
        body = f"{given} -> {chain.written(Style())}"
        declared = name
        if self.chance(0.5):
            # A variant, which gives some settings by position and the others by name.
            declared, places = self.name("Base"), self.draw.randint(0, len(own))
            values = [str(v) if n < places else f"{k}={v}" for n, (k, v) in enumerate(own.items())]
            self.networks.append(f"network {name} = {declared}({', '.join(values)})")
            settings = "".join(f", {key}: int" for key in own)
        signature = f"{given}: {kind}[{', '.join(axes)}]{settings}"
        self.networks.append(f"network {declared}({signature}) -> {out} {{\n    {body}\n}}")
        return self.bind(y, (source,), f"{source} -> {name}")

    def gradient(self) -> Statement:
        source, x = self.tensor(lambda type: type.dtype is DType.FLOAT32 and type.rank > 0)
        smooth = self.one(
            [activation.Tanh(), activation.Sigmoid(), activation.SiLU(), elementwise.Sin(), activation.Softplus()]
        )
        name = type(smooth).function
        return self.bind(x, (source,), f"grad({name}({source}) * {source}, {source})")

    def expectation(self) -> Statement:
        source, x = self.tensor(lambda type: type.rank > 1)
        about = self.one([f"{source}.rank == {x.rank}", f"{source}.batch >= 1", f"len({source}.shape) == {x.rank}"])
        return Statement((), (source,), f'expect {about}, "{source} has {{{source}.rank}} axes"')

    def constant(self) -> Statement:
        op = self.one([case.op for case in cases()[combine.Const] + cases()[random.Eye] + cases()[random.Arange]])
        self.operators.add(type(op))
        return self.bind(self.typing.one(op), (), call(str(type(op).function), op, {}, {}))


class _Tapped:
    """`step as name`."""

    def __init__(self, step: Step, name: str) -> None:
        self.step, self.name = step, name

    def run(self, typing: Typing, x: TensorType) -> TensorType:
        return self.step.run(typing, x)

    def written(self, style: Style) -> str:
        return f"{self.step.written(style)} as {self.name}"


def _alike(wanted: DType, type: TensorType) -> bool:
    return type.dtype is wanted or (type.dtype.is_float and wanted.is_float)


def program(seed: int) -> Program:
    return Generator(seed).program()


__all__ = ["Generator", "cases", "program"]
