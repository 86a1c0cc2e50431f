"""Elaborates a `train` of a file: what its objectives compute, and what is updated by which optimizer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeVar, cast

from dlspec.collector import paused_collector
from dlspec.diagnostics import Diagnostics, did_you_mean
from dlspec.elaborate.builder import Builder, too_much
from dlspec.elaborate.calls import Given, bind_named
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
from dlspec.elaborate.targets import path_of, settle
from dlspec.elaborate.using import Using, check_decay, defaults, fielded, group_with, using_of
from dlspec.elaborate.values import (
    POISON,
    UNBOUND,
    Abandon,
    AverageLayer,
    BlockLayer,
    Env,
    Failure,
    FrozenLayer,
    Module,
    SharedLayer,
    has_poison,
    kind_of,
)
from dlspec.ir.conditions import Conditions
from dlspec.ir.fields import MISSING
from dlspec.ir.forget import take_apart
from dlspec.ir.graph import Output
from dlspec.ir.node import Value
from dlspec.ir.types import DType, TensorType
from dlspec.ir.verify import verified
from dlspec.limits import Exceeded
from dlspec.objectives import augmentations, optimizers
from dlspec.objectives.augmentations import Augmentation
from dlspec.objectives.optimizers import Schedule
from dlspec.objectives.schedules import SCHEDULES
from dlspec.objectives.training import STEP, Data, Direction, Group, Network, Training, Update
from dlspec.ops.algebra import Algebra
from dlspec.source import Span
from dlspec.syntax import ast

_Kind = TypeVar("_Kind")


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
    if not elaborator.incomplete and len(diagnostics.errors) == before:
        return elaborator.training
    if session.recorder is None:
        take_apart(graph)
    return None


class TrainElaborator(Elaborator):
    """Runs the body of a `train`. Beside what networks know it has schedules, optimizers, frozen networks and moving
    averages."""

    def __init__(self, builder: Builder, diagnostics: Diagnostics, measure: Measure | None, made: Training) -> None:
        super().__init__(builder, diagnostics, measure)
        self.training = made
        self._step: Value | None = None
        self._frozen: dict[str, Span] = {}

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
        if not self.incomplete and len(self.diagnostics.errors) == before:
            for failure in settle(self.training, self._frozen):
                self.report(failure)
        if not self.training.updates and not self.incomplete and len(self.diagnostics.errors) == before:
            hint = "write `minimize loss over net using Adam(lr=1e-3)`"
            raise Failure("DL0703", f"`{graph.name}` updates nothing", span, hint=hint)
        given = {*(data.value.name for data in self.training.data), *self.training.networks}
        self.training.named = {n: v for n, v in env.names.items() if isinstance(v, Value) and n not in given}

    # Statements

    def statement(
        self, node: ast.Statement, env: Env, following: ast.Statement | None = None, ends: bool = False
    ) -> None:
        call = _freezing(node, env)
        if call is None:
            super().statement(node, env, following, ends)
        else:
            self._freeze(call, env)

    def run_body(self, body: ast.Body, env: Env, *, apply: bool) -> Any:
        if not body.statements or _freezing(body.statements[-1], env) is None:
            return super().run_body(body, env, apply=apply)
        for statement in body.statements:  # `if probe { freeze(f.stem) }` gives nothing
            self.statement(statement, env)
        return None

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
            over = [path_of(_without_arguments(each), env, self.training, self.evaluate) for each in node.over]
            times = 1 if node.times is None else self.evaluate(node.times, env)
            using = self._recipe(node.optimizer, env, Using, optimizers.OPTIMIZERS, "an optimizer")
            groups = () if using is None else self._groups(node, over, using, env)
            if using is None or groups is None or has_poison([objective, times]):
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
        base = _joined(over)
        name = next(n for n in (base, *(f"{base}_{i}" for i in range(2, len(known) + 3))) if n not in known)
        direction: Direction = "minimize" if node.direction == "minimize" else "maximize"
        at = node.objective.span
        update = Update(
            name,
            direction,
            objective,
            groups,
            using.optimizer,
            using.schedule,
            using.limits,
            times,
            node.span,
            at,
            using.rate,
            using.decay,
        )
        self.training.updates.append(update)
        self.training.graph.outputs.append(Output(name, objective, training=False))

    def _groups(self, node: ast.Update, over: list[str], using: Using, env: Env) -> tuple[Group, ...] | None:
        """What is updated, each with the arguments that hold for it; None after an error that is reported. Raises
        `Failure`."""
        groups: list[Group] = []
        for each, path in zip(node.over, over, strict=True):
            if any(group.path == path for group in groups):
                raise Failure("DL0303", f"`{path}` is given twice", each.span)
            given = [(a, self.argument(a, env)) for a in each.arguments] if isinstance(each, ast.Call) else []
            if has_poison([value for _, value in given]):
                return None
            groups.append(group_with(path, using, given, each.span))
        check_decay(groups, using, node.optimizer.span)
        return tuple(groups)

    def _freeze(self, node: ast.Call, env: Env) -> None:
        """`freeze(f.backbone)` by itself: parts of networks that keep their weights and statistics."""
        for argument in node.arguments:
            try:
                if argument.name is not None:
                    hint = "`freeze(f.backbone, f.neck)`"
                    raise Failure("DL0303", "`freeze` takes parts of networks", argument.span, hint=hint)
                self._frozen[path_of(argument.value, env, self.training, self.evaluate)] = argument.span
            except Failure as failure:
                self.report(failure)

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

    # Functions

    def special(self, node: ast.Call, function: ast.Name, given: list[Given], env: Env) -> Any:
        name = function.name
        if name in SCHEDULES:
            return self._schedule(node, name, given)
        if name == "moving_average":
            source, decay = _arguments(name, given, ("network", "decay"), node.span)
            if not isinstance(source, SharedLayer):
                raise Failure("DL0305", f"`moving_average` takes a `shared` network, not {kind_of(source)}", node.span)
            if type(decay) not in (int, float) or not 0 <= decay < 1:
                raise Failure("DL0208", f"`decay` is between 0 and 1, not {kind_of(decay)}", node.span)
            return AverageLayer(source, float(decay))
        if name in optimizers.OPTIMIZERS:
            return using_of(function, given, node.span)
        recipe = optimizers.SCHEDULES.get(name) or augmentations.AUGMENTATIONS.get(name)
        if recipe is not None:
            bound = bind_named(f"`{name}`", given, defaults(recipe), node.span)
            return fielded(recipe, name, bound, given, node.span)
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


def _joined(over: list[str]) -> str:
    """What an update is called: after what it changes, and after the network where that is several parts of one."""
    parts: dict[str, list[str]] = {}
    for path in over:
        parts.setdefault(path.partition(".")[0], []).append(path)
    return "_".join(re.sub(r"\W", "_", own[0]) if len(own) == 1 else network for network, own in parts.items())


def _freezing(node: ast.Statement, env: Env) -> ast.Call | None:
    """The call where a statement is `freeze(...)` by itself."""
    match node:
        case ast.Evaluate(value=ast.Call(function=ast.Name(name="freeze"), branches=None) as call):
            return call if env.find("freeze") is UNBOUND else None
        case _:
            return None


def _without_arguments(node: ast.Expression) -> ast.Expression:
    """What stands after `over` without the arguments that hold for it."""
    return node.function if isinstance(node, ast.Call) and node.branches is None else node


def _called(node: ast.Expression) -> ast.Name | None:
    """The name of what is called, `Adam` of `Adam(lr=1e-3)`; a bare name is a call without arguments."""
    function = node.function if isinstance(node, ast.Call) else node
    return function if isinstance(function, ast.Name) else None


def _arguments(name: str, given: list[Given], parameters: tuple[str, ...], span: Span) -> list[Any]:
    """The values of all parameters in order. Raises `Failure`."""
    return list(bind_named(f"`{name}`", given, dict.fromkeys(parameters, MISSING), span).values())
