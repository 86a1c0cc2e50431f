"""What flows: bodies, their statements and chains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from dlspec.diagnostics import Diagnostic, Diagnostics, Severity, did_you_mean
from dlspec.elaborate.apply import Application
from dlspec.elaborate.blame import instances_around, placed
from dlspec.elaborate.bodies import as_scan, gives, only_layer, refuse_taps, refuse_unused
from dlspec.elaborate.builder import Builder
from dlspec.elaborate.calls import bind_block, bind_op, make_op
from dlspec.elaborate.expect import expect_condition, sides
from dlspec.elaborate.expressions import Measure
from dlspec.elaborate.instances import Common
from dlspec.elaborate.loops import flowing_on, repeat, run_for
from dlspec.elaborate.misfit import likely
from dlspec.elaborate.scans import build_scan
from dlspec.elaborate.shapes import check_shape_step
from dlspec.elaborate.unknown import unbound
from dlspec.elaborate.values import (
    POISON,
    Abandon,
    BlockLayer,
    Deferred,
    Env,
    Failure,
    Fault,
    Layer,
    OpLayer,
    SharedLayer,
    as_list,
    has_poison,
    has_tensor,
    kind_of,
    leading,
    refuse_twice,
)
from dlspec.elaborate.weights import declare
from dlspec.ir.node import Value
from dlspec.ir.program import Origin, Turn, Written
from dlspec.ops import LAYERS
from dlspec.source import Span
from dlspec.syntax import ast

_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9_:/+@#-]*[A-Za-z0-9_])?"
_LABEL = re.compile(rf"{_PART}(?:\.{_PART})*\Z")
_TRANSPARENT = (ast.Repeat, ast.For, ast.If)
_FLOWING = (ast.Labelled, ast.Braces, ast.Repeat, ast.For, ast.If, ast.Scan)


class Elaborator(Application):
    """Runs the bodies of blocks and networks, with tensors flowing through layers."""

    _unfolds = True
    """Whether the steps of a chain that a name stands for are done among those around the name."""

    def __init__(
        self, builder: Builder, diagnostics: Diagnostics, measure: Measure | None = None, common: Common | None = None
    ) -> None:
        super().__init__(builder, diagnostics, measure, common)
        self._reported: set[tuple[str, str, int, int]] = set()
        self.faults: list[Fault] = []
        self.incomplete = False
        """Something is missing without a word of its own, since the text of it could not be read."""

    # Errors

    @property
    def broken(self) -> bool:
        return self.incomplete or bool(self.faults)

    def report(self, failure: Failure) -> None:
        """Keeps an error, with the block instances it stands in. A place that is instantiated often is reported
        once."""
        self.instances.refused += 1
        d, scope = failure.diagnostic, self.builder.scope
        key = (d.code, d.span.source.name, d.span.start, d.span.end)
        if key not in self._reported:
            self._reported.add(key)
            traced = d
            if not self.diagnostics.full:
                d = failure.cause(d, scope) if failure.cause is not None else likely(d, failure.inputs, scope)
                d = placed(d, failure.of, scope)
                traced = replace(d, trace=tuple(instances_around(scope)))
            self.faults.append(Fault(failure.step, failure.inputs, scope, d))
            self.diagnostics.add(traced)
        if failure.fatal:
            raise Abandon

    def warn(self, code: str, message: str, span: Span, hint: str = "") -> None:
        self.instances.told += 1
        self.diagnostics.add(Diagnostic(code, message, span, hint=hint, severity=Severity.WARNING))

    # Bodies

    def run_body(self, body: ast.Body, env: Env, *, apply: bool) -> Any:
        """Runs the statements. The result is the last expression; with ``apply`` a layer there is applied to `x`."""
        *before, last = body.statements or (None,)
        for statement, following in zip(before, body.statements[1:], strict=True):
            self.statement(statement, env, following, ends=following is last)  # type: ignore[reportArgumentType]
        if last is None:
            raise Failure("DL0409", "this has no result", body.span, hint="its last line must be an expression")
        if not isinstance(last, ast.Evaluate) or not gives(last.value):
            self.statement(last, env)
            return POISON if isinstance(last, ast.Unreadable) else None
        try:
            if not apply:
                return self.evaluate(last.value, env)
            return self.head(last.value, env.find("x"), env)
        except Failure as failure:
            self.report(failure)
            return POISON

    def statement(
        self, node: ast.Statement, env: Env, following: ast.Statement | None = None, ends: bool = False
    ) -> None:
        """Runs one statement; an error in it is reported and its names are poisoned. ``following`` is the next one, with
        which the body ``ends``."""
        self.builder.spend(1, node.span)
        try:
            match node:
                case ast.Bind():
                    if env.parent is None:
                        refuse_taps(node.value)
                    if not isinstance(node.targets[0], ast.Name) or len(node.targets) > 1:
                        refuse_twice(ast.names_of(node.targets))
                        self.whole = node.value
                    named = self.unpack(node.targets, self.evaluate(node.value, env), node.value)
                    written = Written(node.value, env)
                    for (name, value), (_, place) in zip(named, ast.paths_of(node.targets), strict=True):
                        self.bound(name, value, env, written, place)
                case ast.Shared():
                    self.instances.bound(env.bind(node.name.name, self.shared(node, env)))
                case ast.Param():
                    self.instances.bound(env.bind(node.name.name, self.declared(node, env)))
                case ast.Default():
                    self._default(node, env)
                case ast.Expect():
                    self.expect(node, env)
                case ast.Evaluate():
                    self._stand_alone(node, env, following, ends)
                case ast.Unreadable():
                    self.incomplete = True
                    self.instances.refused += 1
                    for name in node.names:
                        env.bind(name.name, POISON)
        except Failure as failure:
            self.report(failure)
            for name in ast.names_of(node.targets) if isinstance(node, ast.Bind) else ():
                env.bind(name.name, POISON)
            if isinstance(node, ast.Shared | ast.Param):
                env.bind(node.name.name, POISON)

    def _stand_alone(self, node: ast.Evaluate, env: Env, following: ast.Statement | None, ends: bool) -> None:
        expression = node.value
        if isinstance(expression, _TRANSPARENT):
            # As a statement it runs for the names it binds; nothing flows out of it.
            self.step(expression, env.find("x"), env)
            return
        if as_scan(expression) is not None and not gives(expression):
            self.scan(expression, env)  # type: ignore[reportArgumentType]
            return
        value = self.evaluate(expression, env)
        tapped = isinstance(expression, ast.Tap) or (
            isinstance(expression, ast.Chain) and any(isinstance(step, ast.Tap) for step in expression.steps)
        )
        used = (tapped and not isinstance(value, Layer)) or isinstance(node, ast.Unfinished)
        if value is not POISON and not used:
            refuse_unused(value, expression, following, ends)

    def shared(self, node: ast.Shared, env: Env) -> Any:
        """The layer that `shared` declares."""
        layer = self.evaluate(node.layer, env)
        if layer is POISON:
            return POISON
        if not isinstance(layer, Layer):
            raise Failure("DL0308", f"`shared` declares a layer, not {kind_of(layer)}", node.layer.span)
        self.builder.reserve(node.name.name, node.span)
        return SharedLayer(layer, node.name.name, self.builder.level.path, node.span)

    def declared(self, node: ast.Param, env: Env) -> Any:
        """The tensor that `param` or `buffer` declares."""
        return declare(self, node, env)

    def _default(self, node: ast.Default, env: Env) -> None:
        target = env.find(node.layer.name)
        if node.layer.name not in LAYERS and not isinstance(target, BlockLayer):
            raise self._unknown(node.layer, env)
        given = [(a, self.evaluate(a.value, env)) for a in node.arguments]
        for argument in node.arguments:
            if argument.name is None:
                raise Failure("DL0306", "`default` takes arguments by name", argument.span)
        if isinstance(target, BlockLayer):
            bind_block(target.replaced({}), given, None, node.span, env)
        else:
            op, pinned = LAYERS[node.layer.name]
            bind_op(OpLayer(op, pinned, node.layer.name, {}, node.span), given, node.span, env)
        env.defaults.append((node.layer.name, node.arguments, node.span))

    def expect(self, node: ast.Expect, env: Env) -> None:
        """Raises `Failure` unless the condition holds; one on sizes becomes a precondition of the network."""
        message = self.evaluate(node.message, env) if node.message else None
        holds = expect_condition(node.condition, env, self)
        if holds is POISON or holds:
            return
        shown = message if isinstance(message, str) else f"expected {node.condition.span.text}"
        raise Failure("DL0401", shown, node.condition.span, label=sides(node.condition, env, self))

    def outputs(self, declaration: ast.Network, env: Env) -> list[Any]:
        """The values of the names after the arrow: one name takes the last expression, several are bound in the
        body."""
        for condition in declaration.where:
            if expect_condition(condition, env, self) is False:
                raise Failure("DL0401", f"`where {condition.span.text}` does not hold", condition.span)
        around, self.where = self.where, declaration.where
        result = leading(self.run_body(declaration.body, env, apply=True))
        self.where = around
        names = [output.name for output in declaration.outputs]
        if len(names) == 1 and result is not None:
            return [result]
        values: list[Any] = []
        for name in names:
            if name.name not in env.names and not self.incomplete:
                raise unbound(name, declaration, did_you_mean(name.name, env.names))
            values.append(env.names.get(name.name, POISON))
        return values

    # Chains

    def head(self, expression: ast.Expression, flow: Any, env: Env) -> Any:
        """The last expression of a body: a tensor or list is the result, a layer is applied to what flows."""
        if isinstance(expression, ast.Chain):
            return self.steps(expression.steps[1:], self.head(expression.steps[0], flow, env), env)
        if isinstance(expression, ast.Tap):
            value = self.head(expression.step, flow, env)
            self.bound(expression.name.name, value, env, Written(expression.step, env))
            return value
        if isinstance(expression, _FLOWING) and as_scan(expression) is None:
            return self.step(expression, flow, env)
        value = self.evaluate(expression, env)
        if isinstance(value, Layer):
            return self.apply(value, flow, expression)
        return value

    def steps(self, steps: tuple[ast.Expression, ...], flow: Any, env: Env) -> Any:
        todo: list[tuple[Iterator[ast.Expression], Env, Deferred | None]] = [(iter(steps), env, None)]
        inside: set[Deferred | None] = set()
        while todo:
            rest, env, _ = todo[-1]
            step = next(rest, None)
            if step is None:
                inside.discard(todo.pop()[2])
                continue
            flow = leading(flow)
            try:
                if has_poison(flow):
                    flow = POISON
                    self._examine(step, env)
                elif isinstance(step, ast.Name) and self._unfolds:
                    layer = self.evaluate(step, env)
                    if isinstance(layer, Deferred) and isinstance(layer.expression, ast.Chain) and has_tensor(flow):
                        # Not by `apply`: a name may stand for a chain of a chain of a chain.
                        if layer in inside:
                            self.builder.too_deep(f"`{step.name}` is inside itself", step.span)
                        inside.add(layer)
                        todo.append((iter(layer.expression.steps), layer.env.at(layer.time), layer))
                    else:
                        flow = self._applied(layer, flow, step)
                elif len(todo) > 1:
                    self.builder.enter(step.span)
                    try:
                        flow = self.step(step, flow, env)
                    finally:
                        self.builder.nested -= 1
                else:
                    flow = self.step(step, flow, env)
            except Failure as failure:
                failure.at(step.span.text, tuple(value for value in as_list(flow) if isinstance(value, Value)))
                self.report(failure)
                flow = POISON
                if isinstance(step, ast.Tap):
                    env.bind(step.name.name, POISON)
        return flow

    def _examine(self, step: ast.Expression, env: Env) -> None:
        """Finds wrong names and arguments in a step that nothing flows into, since a step before it failed."""
        match step:
            case ast.Tap():
                env.bind(step.name.name, POISON)
                self._examine(step.step, env)
            case ast.Labelled():
                self._examine(step.layer, env)
            case ast.Name() | ast.Call():
                layer = self.evaluate(step, env)
                if isinstance(layer, OpLayer):
                    make_op(layer, self.made)
            case _:
                pass

    def step(self, node: ast.Expression, flow: Any, env: Env, label: str | None = None) -> Any:
        """What comes out of one step of a chain."""
        match node:
            case ast.Chain():
                return self.steps(node.steps, flow, env)
            case ast.Tap():
                value = self.step(node.step, flow, env)
                self.bound(node.name.name, value, env, Written(node.step, env))
                return value
            case ast.Labelled():
                name = self.label(node.label, env)
                if name is POISON:
                    return POISON
                *around, name = name.split(".")
                if not around:
                    return self.step(node.layer, flow, env, name)
                with self.builder.entered(around, node):
                    return self.step(node.layer, flow, env, name)
            case ast.Braces():
                return self._braces(node, flow, env, label)
            case ast.Repeat():
                return repeat(self, node, flow, env, label)
            case ast.For():
                return run_for(self, node, flow, env, label)
            case ast.If():
                return self._flow_if(node, flow, env, label)
            case ast.Scan() if node.inputs:
                hint = "without `in` it goes along what flows: `x -> scan token along 1 { ... }`"
                raise Failure(
                    "DL0308", "a step of a chain is a layer, and this names its tensors", node.span, hint=hint
                )
            case ast.Scan():
                made = self._scan(node, flow, env, label)
                if made is None:
                    raise Failure("DL0409", "this `scan` gives nothing that flows on", node.span.last)
                return made
            case ast.List() if label is None:
                return check_shape_step(node, flow, env, self)
            case _:
                return self._applied(self.evaluate(node, env), flow, node, label)

    def _applied(self, value: Any, flow: Any, node: ast.Expression, label: str | None = None) -> Any:
        """What the layer makes of the flow that a step was evaluated to."""
        if value is POISON:
            return POISON
        if not isinstance(value, Layer):
            what = "a label names a layer" if label else "a step of a chain is a layer"
            hint = _suggest_layer(node)
            raise Failure("DL0308", f"{what}, and this is {kind_of(value)}", node.span, hint=hint)
        return self.apply(value, flow, node, label)

    def label(self, node: ast.Name | ast.String, env: Env) -> Any:
        if isinstance(node, ast.Name):
            return node.name
        label = self.text(node, env)
        if label is not POISON and any(not isinstance(part, str) for part in node.parts):
            scope = self.builder.scope
            scope.labels = {**scope.labels, label: Written(node, env)}
        if label is not POISON and not _LABEL.match(label):
            hint = "a name or a number, in which there may be - : / + @ #, or several with dots between"
            raise Failure("DL0305", f'"{label}" cannot be a label', node.span, hint=hint)
        return label

    def _braces(self, node: ast.Braces, flow: Any, env: Env, label: str | None) -> Any:
        body, *more = node.branches
        if more:
            return self.branches(node.branches, flow, env, node, label)
        if label is None:
            return self.body(body, flow, env, transparent=False)
        with self.level(label, node, env) as level:
            level.flow = flow if isinstance(flow, Value) else None
            return self.body(body, flow, env, transparent=False)

    def branches(
        self, bodies: tuple[ast.Body, ...], flow: Any, env: Env, node: ast.Braces, label: str | None = None
    ) -> list[Any]:
        """What comes out of each branch."""
        with self.level(label, node, env) if label is not None else self.builder.region("branches", node.span):
            results: list[Any] = []
            for body in bodies:
                with self.builder.region("branch", body.span):
                    results.append(leading(self.body(body, flow, env, transparent=False)))
            return self.made_list(results)

    def body(
        self,
        body: ast.Body,
        flow: Any,
        env: Env,
        *,
        transparent: bool,
        names: dict[str, Any] | None = None,
        turn: Turn | None = None,
    ) -> Any:
        """What a body makes of what flows into it, as its `x`; ``names`` are those of a loop's ``turn``."""
        inner = Env(env, {"x": flow, **(names or {})}, transparent=transparent)
        if turn is not None:
            inner.turn = turn
            self.builder.scope.names = inner
            self.builder.scope.flow = flow if isinstance(flow, Value) else None
        result = self.run_body(body, inner, apply=True)
        if result is None and not transparent:
            raise Failure("DL0409", "this has no result", body.span, hint="its last line must be an expression")
        return result

    def scan(self, node: ast.Scan | ast.Labelled, env: Env) -> Any:
        if isinstance(node, ast.Scan):
            return self._scan(node, None, env, None)
        assert isinstance(node.layer, ast.Scan)
        name = self.label(node.label, env)
        if name is POISON:
            return POISON
        *around, name = name.split(".")
        with self.builder.entered(around, node):
            return self._scan(node.layer, None, env, name)

    def _scan(self, node: ast.Scan, flow: Any, env: Env, label: str | None) -> Any:
        with self.level(label, node, env) if label is not None else nullcontext():
            return build_scan(self, node, flow, env)

    def _flow_if(self, node: ast.If, flow: Any, env: Env, label: str | None) -> Any:
        chosen = self.condition(node.condition, env)
        if chosen is POISON:
            return POISON
        body = node.then if chosen else node.otherwise
        if body is None:
            return flow
        origin = Origin(node, "scope", {"condition": Written(node.condition, env)}, chosen=chosen)
        with self.builder.region("if", node.span, origin=origin):
            layer = only_layer(body) if label is not None else None
            if layer is not None:
                return self._alone(layer, flow, Env(env, {"x": flow}, transparent=True), label)
            with self.level(label, node, env) if label is not None else nullcontext():
                return flowing_on(flow, self.body(body, flow, env, transparent=True))

    def _alone(self, node: ast.Expression, flow: Any, env: Env, label: str | None) -> Any:
        """What the only step of a condition gives, the label of which is its own."""
        if isinstance(node, ast.If):
            return flowing_on(flow, self._flow_if(node, flow, env, label))
        value = self.evaluate(node, env)
        return self.apply(value, flow, node, label) if isinstance(value, Layer) else value


def _suggest_layer(node: ast.Expression) -> str:
    if isinstance(node, ast.Call) and isinstance(node.function, ast.Name):
        return f"`{node.function.name}(...)` is a value; inside braces the flow is `x`: `-> {{ {node.span.text} }}`"
    return "inside braces what flows is called `x`: `-> { x * 2 }`"
