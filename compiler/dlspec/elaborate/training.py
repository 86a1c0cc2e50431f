"""Elaborates a `train` of a file: what its objectives compute, and what is updated by which optimizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar, cast

from dlspec.collector import paused_collector
from dlspec.diagnostics import Diagnostics, Note, did_you_mean
from dlspec.elaborate.builder import Builder, too_much
from dlspec.elaborate.calls import Given, bind_named, field_value
from dlspec.elaborate.expressions import Measure
from dlspec.elaborate.flow import Elaborator
from dlspec.elaborate.network import (
    bind_settings,
    check_defaults,
    deep_recursion,
    graph_input,
    new_graph,
    refuse_unknown_sizes,
)
from dlspec.elaborate.pairs import check_change, check_pair, pixels_of
from dlspec.elaborate.recorder import Recording
from dlspec.elaborate.session import Session
from dlspec.elaborate.values import (
    POISON,
    UNBOUND,
    Abandon,
    AverageLayer,
    BlockLayer,
    Env,
    Failure,
    FrozenLayer,
    Layer,
    Module,
    SharedLayer,
    has_poison,
    kind_of,
)
from dlspec.ir.conditions import Conditions
from dlspec.ir.fields import MISSING, Fielded
from dlspec.ir.graph import Output, Value
from dlspec.ir.op import OpError
from dlspec.ir.types import DType, TensorType
from dlspec.ir.verify import verified
from dlspec.limits import Exceeded
from dlspec.objectives import augmentations, optimizers
from dlspec.objectives.augmentations import Augmentation
from dlspec.objectives.optimizers import Limits, Optimizer, Schedule
from dlspec.objectives.schedules import SCHEDULES
from dlspec.objectives.training import STEP, Data, Direction, Network, Training, Update
from dlspec.ops.algebra import Algebra
from dlspec.ops.constant import Param
from dlspec.source import Span
from dlspec.syntax import ast

_Kind = TypeVar("_Kind")
_Fielded = TypeVar("_Fielded", bound=Fielded)

_LIMITS = [field.name for field in Limits.fields]


class Using(NamedTuple):
    """`Adam(lr=1e-3, schedule=StepLR(100), clip_grad_norm=1)`: an optimizer with what it is called with beside."""

    optimizer: Optimizer
    schedule: Schedule | None
    limits: Limits
    rate: Value | None = None


@verified
def elaborate_train(
    module: Module,
    declaration: ast.Train,
    settings: Mapping[str, object],
    sizes: Mapping[str, int],
    diagnostics: Diagnostics,
    session: Session,
) -> Training | None:
    """The objectives of a `train`, or None where ``diagnostics`` has new errors, or something of it could not be read.

    Arguments as `elaborate_network`.
    """
    name = declaration.name
    graph = new_graph(declaration)
    conditions = Conditions()
    builder, made, measure = Builder(graph, conditions, session.known), Training(graph), session.measure
    if session.recorder is None:
        elaborator = TrainElaborator(builder, diagnostics, measure, made)
    else:
        elaborator = _Recording(builder, diagnostics, measure, made, recorder=session.recorder)
    before = len(diagnostics.errors)
    with deep_recursion(), paused_collector(), suppress(Abandon):
        try:
            elaborator.run(module, declaration, settings, sizes)
            if not elaborator.incomplete and len(diagnostics.errors) == before:
                graph.conditions = conditions.simplified()
                check_defaults(graph, name, diagnostics)
        except Exceeded as error:
            elaborator.report(too_much(error, name.span))
        except Failure as failure:
            elaborator.report(failure)
    if elaborator.incomplete or len(diagnostics.errors) > before:
        return None
    return elaborator.training if len(diagnostics.errors) == before else None


class TrainElaborator(Elaborator):
    """Runs the body of a `train`. Beside what networks know it has schedules, optimizers, frozen networks and moving
    averages."""

    def __init__(self, builder: Builder, diagnostics: Diagnostics, measure: Measure | None, made: Training) -> None:
        super().__init__(builder, diagnostics, measure)
        self.training = made
        self._step: Value | None = None

    def run(
        self, module: Module, declaration: ast.Train, settings: Mapping[str, object], sizes: Mapping[str, int]
    ) -> None:
        """Runs the statements. Raises `Failure` for what ends it, and reports what does not."""
        graph, span = self.training.graph, declaration.name.span
        self.training.doc = declaration.doc
        before = len(self.diagnostics.errors)
        env = bind_settings(self, graph, BlockLayer(cast("ast.Block", declaration), module), settings)
        if env is None:
            return
        for statement in declaration.statements:
            match statement:
                case ast.Data():
                    self._data(statement, env, sizes)
                case ast.Pair():
                    self._pair(statement, env, sizes)
                case ast.Update():
                    self._update(statement, env)
                case _:
                    self.statement(statement, env)
        refuse_unknown_sizes(graph, declaration.name, sizes)
        if not self.training.updates and not self.incomplete and len(self.diagnostics.errors) == before:
            hint = "write `minimize loss over net using Adam(lr=1e-3)`"
            raise Failure("DL0703", f"`{graph.name}` updates nothing", span, hint=hint)
        given = {*(data.value.name for data in self.training.data), *self.training.networks}
        self.training.named = {n: v for n, v in env.names.items() if isinstance(v, Value) and n not in given}

    # Statements

    def _data(self, node: ast.Data, env: Env, sizes: Mapping[str, int]) -> Data | None:
        try:
            if node.type.axes is None:
                hint = f"write `data {node.name.name}: {node.type.name}[N, ...]`"
                raise Failure("DL0305", "data is a tensor with its shape", node.type.span, hint=hint)
            if any(data.value.name == node.name.name for data in self.training.data) or node.name.name == STEP:
                raise Failure("DL0307", f"`{node.name.name}` is taken", node.name.span)
            value = graph_input(self, self.training.graph, node.name, node.type, env, sizes)
            self.training.graph.inputs.append(value)
            made = self._changes(node.augmentations, env)
            for change, step in zip(made, node.augmentations, strict=False):
                check_change(change, value.type, step)
            data = Data(value, made)
            data.pixels = pixels_of(node.type, lambda factor: self.evaluate(factor, env))
            self.training.data.append(data)
            env.names[value.name] = value
            return data
        except Failure as failure:
            self.report(failure)
            env.names[node.name.name] = POISON
            return None

    def _pair(self, node: ast.Pair, env: Env, sizes: Mapping[str, int]) -> None:
        made = [data for each in node.given if (data := self._data(each, env, sizes)) is not None]
        try:
            common = self._changes(node.augmentations, env)
            if len(made) == len(node.given):
                check_pair(node, made, common)
        except Failure as failure:
            self.report(failure)
            return
        for data in made:
            data.common = common
            data.pair = tuple(each.value.name for each in made)

    def _changes(self, steps: Iterable[ast.Expression], env: Env) -> tuple[Augmentation, ...]:
        made = (self._recipe(step, env, Augmentation, augmentations.AUGMENTATIONS, "an augmentation") for step in steps)
        return tuple(recipe for recipe in made if recipe is not None)

    def _update(self, node: ast.Update, env: Env) -> None:
        try:
            objective = self.evaluate(node.objective, env)
            over = [self._target(name, env) for name in node.over]
            times = 1 if node.times is None else self.evaluate(node.times, env)
            using = self._recipe(node.optimizer, env, Using, optimizers.OPTIMIZERS, "an optimizer")
            if using is None or has_poison([objective, times, *over]):
                self.incomplete = True
                return
            if not isinstance(objective, Value) or objective.type.rank or not objective.type.dtype.is_float:
                hint = "reduce it with `mean` or `sum`" if isinstance(objective, Value) else ""
                message = f"an objective is one number, float[], not {kind_of(objective)}"
                raise Failure("DL0704", message, node.objective.span, hint=hint)
            if type(times) is not int or times < 1:
                at = node.times.span if node.times else node.span
                raise Failure("DL0305", f"`times` takes how often, not {kind_of(times)}", at)
        except Failure as failure:
            self.report(failure)
            return
        known = [update.name for update in self.training.updates]
        base = "_".join(over)
        name = next(n for n in (base, *(f"{base}_{i}" for i in range(2, len(known) + 3))) if n not in known)
        direction: Direction = "minimize" if node.direction == "minimize" else "maximize"
        at = node.objective.span
        update = Update(
            name,
            direction,
            objective,
            tuple(over),
            using.optimizer,
            using.schedule,
            using.limits,
            times,
            node.span,
            at,
            using.rate,
        )
        self.training.updates.append(update)
        self.training.graph.outputs.append(Output(name, objective, training=False))

    def _target(self, name: ast.Expression, env: Env) -> str:
        """The path of what a name after `over` stands for."""
        if not isinstance(name, ast.Name):
            message = f"`{name.span.text}` is no network or weight by its name"
            hint = "a part that is trained by itself is a `shared` network of its own"
            raise Failure("DL0705", message, name.span, hint=hint)
        value = env.find(name.name)
        if value is POISON:
            return name.name
        if isinstance(value, Value) and value.producer is not None and isinstance(value.producer.op, Param):
            if value.producer.op.kind == "param":
                return value.producer.name
            raise Failure("DL0705", f"`{name.name}` is a buffer, which is not trained", name.span, hint="`param`")
        known = self.training.networks
        if not isinstance(value, SharedLayer):
            what = f"`{name.name}` is {kind_of(value)}" if value is not UNBOUND else f"there is no `{name.name}` here"
            trained = [n for n, network in known.items() if not network.frozen]
            hint = did_you_mean(name.name, trained) or f"declare it: `shared {name.name} = ...`"
            raise Failure("DL0705", f"only networks and weights can be trained: {what}", name.span, hint=hint)
        network = known[value.label]
        if network.frozen:
            note = Note(network.span, "declared here")
            what = "a moving average" if network.source else "frozen"
            raise Failure("DL0705", f"`{name.name}` is {what} and is not trained", name.span, notes=(note,))
        return value.label

    def shared(self, node: ast.Shared, env: Env) -> Any:
        made = super().shared(node, env)
        if isinstance(made, SharedLayer) and not made.home:  # others are parts of a network
            inner, frozen, source, decay = made.layer, False, None, 0.0
            if isinstance(inner, FrozenLayer):
                inner, frozen = inner.layer, True
            elif isinstance(inner, AverageLayer):
                frozen, source, decay = True, inner.source.label, inner.decay
                inner = inner.source.layer
            self.training.networks[made.label] = Network(
                made.label, inner.title.strip("`"), node.span, frozen=frozen, source=source, decay=decay
            )
        return made

    def declared(self, node: ast.Param, env: Env) -> Any:
        value = super().declared(node, env)
        if isinstance(value, Value) and not self.builder.level.path:
            frozen = node.kind == "buffer"
            self.training.networks[node.name.name] = Network(node.name.name, node.kind, node.span, frozen=frozen)
        return value

    # Optimizers and augmentations

    def _recipe(
        self, node: ast.Expression, env: Env, kind: type[_Kind], known: Iterable[str], what: str
    ) -> _Kind | None:
        """What an expression such as `Adam(lr=1e-3)` or `Adam` describes; None after an error in it that is reported.
        Raises `Failure`."""
        name = _called(node)
        if name is not None and env.find(name.name) is UNBOUND:
            if name.name not in known or (isinstance(node, ast.Call) and node.branches is not None):
                hint = did_you_mean(name.name, known) or f"there is {', '.join(known)}"
                raise Failure("DL0706", f"`{node.span.text}` is not {what}", name.span, hint=hint)
            if isinstance(node, ast.Name):
                node = ast.Call(node.span, node, (), None)
        value = self.evaluate(node, env)
        if value is POISON:
            return None
        if not isinstance(value, kind):
            hint = f"there is {', '.join(known)}"
            raise Failure("DL0706", f"{kind_of(value)} is not {what}", node.span, hint=hint)
        return value

    def argument(self, argument: ast.Argument, env: Env) -> Any:
        if argument.name is not None and argument.name.name == "schedule":
            return self._recipe(argument.value, env, Schedule, optimizers.SCHEDULES, "a schedule") or POISON
        return super().argument(argument, env)

    def _using(self, name: ast.Name, given: list[Given], span: Span) -> Using:
        """The optimizer of a call, with its schedule and limits."""
        optimizer = optimizers.OPTIMIZERS[name.name]
        more = {"schedule": None, **{field.name: None for field in Limits.fields}}
        bound = bind_named(f"`{name.name}`", given, _defaults(optimizer) | more, span)
        rate = bound["lr"] if isinstance(bound.get("lr"), Value) else None
        if rate is not None:
            _check_rate(rate, _place_of("lr", given, span))
            bound["lr"] = _defaults(optimizer)["lr"]
            if bound["schedule"] is not None:
                raise Failure("DL0208", "`lr` is computed from the steps already, and `schedule` changes it too", span)
        limits = _fielded(Limits, name, {key: bound[key] for key in bound if key in _LIMITS}, given, span)
        for key in _LIMITS:
            if getattr(limits, key) is not None and getattr(limits, key) <= 0:
                raise Failure("DL0208", f"`{key}` is positive, not {getattr(limits, key):g}", span)
        schedule: Schedule | None = bound["schedule"]
        momentum = {"momentum", "betas"} & {field.name for field in optimizer.fields}
        cycling = [part for part in (schedule.parts if schedule else ()) if getattr(part, "cycle_momentum", False)]
        if cycling and not momentum:
            message = f"`{type(cycling[0]).__name__}` changes the momentum too, and `{name.name}` has none"
            raise Failure("DL0208", message, span, hint="set cycle_momentum=false")
        return Using(_fielded(optimizer, name, bound, given, span), schedule, limits, rate)

    # Functions

    def special(self, node: ast.Call, function: ast.Name, given: list[Given], env: Env) -> Any:
        name = function.name
        if name in SCHEDULES:
            return self._schedule(node, name, given)
        if name == "freeze":
            (layer,) = _arguments(name, given, ("layer",), node.span)
            if not isinstance(layer, Layer):
                raise Failure("DL0305", f"`freeze` takes a layer, not {kind_of(layer)}", node.span)
            return FrozenLayer(layer)
        if name == "moving_average":
            source, decay = _arguments(name, given, ("network", "decay"), node.span)
            if not isinstance(source, SharedLayer):
                raise Failure("DL0305", f"`moving_average` takes a `shared` network, not {kind_of(source)}", node.span)
            if type(decay) not in (int, float) or not 0 <= decay < 1:
                raise Failure("DL0208", f"`decay` is between 0 and 1, not {kind_of(decay)}", node.span)
            return AverageLayer(source, float(decay))
        if name in optimizers.OPTIMIZERS:
            return self._using(function, given, node.span)
        recipe = optimizers.SCHEDULES.get(name) or augmentations.AUGMENTATIONS.get(name)
        if recipe is not None:
            bound = bind_named(f"`{name}`", given, _defaults(recipe), node.span)
            return _fielded(recipe, function, bound, given, node.span)
        return super().special(node, function, given, env)

    def _schedule(self, node: ast.Call, name: str, given: list[Given]) -> Value:
        schedule, parameters = SCHEDULES[name]
        values = _arguments(name, given, parameters, node.span)
        for parameter, value in zip(parameters, values, strict=True):
            whole = parameter in ("steps", "every", "middle")
            if type(value) not in ((int,) if whole else (int, float)) or (whole and value < 1):
                expected = "a whole positive number" if whole else "a number"
                raise Failure("DL0305", f"`{parameter}` of `{name}` is {expected}, not {kind_of(value)}", node.span)
        algebra = Algebra(self.builder, node.span)
        step = algebra.term(self._steps()).call("cast", dtype="float32")
        return schedule(step, *values).value

    def _steps(self) -> Value:
        if self._step is None:
            graph = self.training.graph
            self._step = Value(STEP, TensorType(DType.INT64, ()), None, graph.root.span)
            graph.inputs.append(self._step)
        return self._step


class _Recording(Recording, TrainElaborator):
    """The same, with a recorder."""


def _check_rate(rate: Value, span: Span) -> None:
    """Raises `Failure` for a rate that is no function of the steps alone."""
    hint = "write lr=ramp(0.0, 1e-3, steps=500), or a computation with such numbers"
    if rate.type.rank or not rate.type.dtype.is_float:
        raise Failure("DL0305", f"`lr` is one number, not {kind_of(rate)}", span, hint=hint)
    waiting, seen = [rate], set[Value]()
    while waiting:
        value = waiting.pop()
        node = value.producer
        if node is None and value.name != STEP:
            raise Failure("DL0305", f"`lr` is computed from the steps alone, not from `{value.name}`", span, hint=hint)
        if node is not None and (node.weights or node.op.random or isinstance(node.op, Param)):
            what = type(node.op).function or type(node.op).__name__
            raise Failure("DL0305", f"`lr` is computed from the steps alone, not by `{what}`", span, hint=hint)
        new = [] if node is None else [each for each in node.inputs if each not in seen]
        seen.update(new)
        waiting += new
    if all(value.name != STEP for value in (rate, *seen)):
        raise Failure("DL0305", "`lr` is a tensor that does not change with the steps", span, hint=hint)


def _called(node: ast.Expression) -> ast.Name | None:
    """The name of what is called, `Adam` of `Adam(lr=1e-3)`; a bare name is a call without arguments."""
    function = node.function if isinstance(node, ast.Call) else node
    return function if isinstance(function, ast.Name) else None


def _defaults(cls: type[Fielded]) -> dict[str, Any]:
    return {field.name: field.default for field in cls.fields}


def _fielded(cls: type[_Fielded], name: ast.Name, bound: Mapping[str, Any], given: list[Given], span: Span) -> _Fielded:
    """An instance with the values of its fields among ``bound``. Raises `Failure` for one of a wrong kind."""
    title = f"`{name.name}`"
    values = {f.name: field_value(f, bound[f.name], _place_of(f.name, given, span), title) for f in cls.fields}
    try:
        return cls(**values)
    except OpError as error:
        raise Failure(error.code, error.message, span, hint=error.hint) from None


def _place_of(name: str, given: list[Given], span: Span) -> Span:
    """Where an argument stands, that of the call if it has no name there."""
    return next((argument.span for argument, _ in given if argument.name and argument.name.name == name), span)


def _arguments(name: str, given: list[Given], parameters: tuple[str, ...], span: Span) -> list[Any]:
    """The values of all parameters in order. Raises `Failure`."""
    return list(bind_named(f"`{name}`", given, dict.fromkeys(parameters, MISSING), span).values())
