"""Applies layers to what flows into them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from itertools import takewhile
from typing import Any

from dlspec.diagnostics import Note, did_you_mean
from dlspec.elaborate.builder import join
from dlspec.elaborate.calls import Given, bind_named, gather_tensors, is_input, make_op, needs
from dlspec.elaborate.expressions import Expressions
from dlspec.elaborate.parts import lone, weighs
from dlspec.elaborate.shapes import match_type
from dlspec.elaborate.tied import tied, weights_given, without
from dlspec.elaborate.values import (
    POISON,
    AverageLayer,
    BlockLayer,
    BranchLayer,
    Deferred,
    Env,
    Failure,
    FrozenLayer,
    Inside,
    Layer,
    OpLayer,
    Results,
    SharedLayer,
    as_list,
    has_poison,
    has_tensor,
    kind_of,
    leading,
)
from dlspec.ir.constants import is_dim
from dlspec.ir.fields import MISSING
from dlspec.ir.node import Value, first_name
from dlspec.ir.program import Origin, Turn, Written
from dlspec.ir.scope import Scope
from dlspec.ir.types import DType
from dlspec.source import Span
from dlspec.syntax import ast


class Application(Expressions):
    """How each kind of layer is applied."""

    _named: tuple[str | None, str | None] | None = None
    """The label of a part, or its path where it is shared, until the layer that has it."""

    # For the subclass

    def step(self, node: ast.Expression, flow: Any, env: Env, label: str | None = None) -> Any:
        raise NotImplementedError

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
        raise NotImplementedError

    def outputs(self, declaration: ast.Network, env: Env) -> list[Any]:
        raise NotImplementedError

    # Levels

    def level(self, label: str, step: ast.Expression, env: Env) -> AbstractContextManager[Scope]:
        """The region of a step with a label."""
        return self._level(label, None, step, step, env)

    # Layers

    def apply(
        self, layer: Layer, flow: Any, step: ast.Expression, label: str | None = None, path: str | None = None
    ) -> Any:
        """What a layer makes of what flows in. ``path`` is where its weights are when it is shared."""
        if has_poison(flow):
            return POISON
        self.builder.enter(step.span)
        try:
            return self._apply(layer, flow, step, label, path)
        finally:
            self.builder.nested -= 1

    def _apply(self, layer: Layer, flow: Any, step: ast.Expression, label: str | None, path: str | None) -> Any:
        if not has_tensor(flow):
            hint = "begin the chain with a tensor, as in `image -> Conv(64, 3)`"
            what = "nothing" if not isinstance(flow, Layer | list | int | float | str) else kind_of(flow)
            raise Failure("DL0308", f"{what} flows into {layer.title}", step.span, hint=hint)
        if self._named is not None and weighs(layer):
            (label, path), self._named = self._named, None
        match layer:
            case OpLayer():
                return self._apply_op(layer, flow, step, label, path)
            case BlockLayer(declaration=ast.Block(kind="part")):
                return self._apply_part(layer, flow, step, label, path)
            case BlockLayer():
                return self._apply_block(layer, flow, step, label, path)
            case SharedLayer():
                self.builder.shares += 1
                if label is not None:
                    hint = "drop the label"
                    raise Failure("DL0307", f"{layer.title} has its name from `shared`", step.span, hint=hint)
                return self.apply(layer.layer, flow, step, layer.label, join(layer.home, layer.label))
            case FrozenLayer():
                return self._apply_frozen(layer, flow, step, label, path)
            case AverageLayer():
                return self.apply(layer.source.layer, flow, step, label, path)
            case Deferred() | BranchLayer():
                if label is None and path is None:
                    return self._deferred(layer, flow)
                body = layer.body if isinstance(layer, BranchLayer) else layer.expression
                with self._level(label, path, step, body, layer.env):
                    return self._deferred(layer, flow)
            case _:
                raise AssertionError(layer)

    def _apply_frozen(
        self, layer: FrozenLayer, flow: Any, step: ast.Expression, label: str | None, path: str | None
    ) -> Any:
        """What a layer makes whose weights and statistics stay: the graph is told the paths of what has some."""
        graph, around = self.builder.graph, self.builder.scope
        self.instances.refused += 1  # each instance has paths of its own
        before = len(graph.nodes)
        made = self.apply(layer.layer, flow, step, label, path)
        for node in graph.nodes[before:]:
            inside = takewhile(lambda scope: scope is not around, node.scope.ancestors())
            opened = [scope.path for scope in inside if scope.opens]
            if node.op.identity_in_eval and not opened:
                message = f"`{type(node.op).__name__}` would go on: what is frozen here has no name to hold it by"
                hint = "give it a label: `stem: freeze({ ... })`"
                raise Failure("DL0305", message, node.span, hint=hint)
            if node.weights:
                graph.frozen.setdefault(opened[-1] if opened else first_name(node.name), step.span)
        return made

    def special(self, node: ast.Call, function: ast.Name, given: list[Given], env: Env) -> Any:
        if function.name != "freeze":
            return super().special(node, function, given, env)
        (layer,) = bind_named("`freeze`", given, {"layer": MISSING}, node.span).values()
        if isinstance(layer, Inside):
            hint = f"in a `train` a line of its own, `{node.span.text}`, freezes a part"
            raise Failure("DL0305", f"`freeze` takes a layer, and this is {kind_of(layer)}", node.span, hint=hint)
        if not isinstance(layer, Layer):
            raise Failure("DL0305", f"`freeze` takes a layer, not {kind_of(layer)}", node.span)
        return FrozenLayer(layer)

    def _level(
        self, label: str | None, path: str | None, step: ast.Expression, body: ast.Node, env: Env
    ) -> AbstractContextManager[Scope]:
        """The level that a label opens around a ``body``, or a shared layer at its ``path``."""
        label = label or "" if path is not None else self.builder.label(label, step.span)
        template = self.builder.graph.template("", body)
        return self.builder.region(
            "level", step.span, label=label, path=path, sharing=path is not None, origin=_origin(step, label),
            template=template, names=env,
        )  # fmt: skip

    def _deferred(self, layer: Deferred | BranchLayer, flow: Any) -> Any:
        env = layer.env.at(layer.time)
        if isinstance(layer, BranchLayer):
            return self.body(layer.body, flow, env, transparent=False)
        return self.step(layer.expression, flow, env)

    def _apply_op(self, layer: OpLayer, flow: Any, step: ast.Expression, label: str | None, path: str | None) -> Any:
        if layer.branches is not None:
            assert layer.env is not None
            with self._around(label, path, step, layer.env) as scope:
                flow = self._branches_of(layer, flow)
                if has_poison(flow):
                    return POISON
                name = scope.path if scope.opens else join(self.builder.level.path, self.builder.label(None, step.span))
                return self._add_op(layer, flow, step, name, path is not None, label is not None)
        if path is not None:
            return self._add_op(layer, flow, step, path, True, True)
        name = join(self.builder.level.path, self.builder.label(label, step.span))
        return self._add_op(layer, flow, step, name, False, label is not None)

    def _around(
        self, label: str | None, path: str | None, step: ast.Expression, env: Env
    ) -> AbstractContextManager[Scope]:
        """The region of a layer with branches: a level where it has a name."""
        if path is None and label is None:
            return self.builder.region("branches", step.span)
        return self._level(label, path, step, step, env)

    def _branches_of(self, layer: OpLayer, flow: Any) -> list[Any]:
        results: list[Any] = []
        for body in layer.branches or ():
            with self.builder.region("branch", body.span):
                results.append(leading(self.body(body, flow, layer.env, transparent=False)))  # type: ignore[reportArgumentType]
        return results

    def _add_op(self, layer: OpLayer, flow: Any, step: ast.Expression, name: str, sharing: bool, labelled: bool) -> Any:
        given = weights_given(layer)
        if given:
            self.instances.refused += 1  # a copy would have the very weights that this one is given
            layer = without(layer, given)
        op = make_op(layer, self.made)
        flows = self._inputs(layer, flow, step.span)
        inputs = tuple([self.as_tensor(value, DType.BOOL, step, None) for value in flows])
        rank = inputs[0].type.rank
        if layer.pinned is not None and rank != layer.pinned + 2 and not (op.flat and layer.pinned == 1 and rank == 2):
            raise Failure(
                "DL0202",
                f"{layer.title} takes an input of rank {layer.pinned + 2}, not {inputs[0].type}",
                step.span,
                hint=f"`{layer.op.__name__}` takes any number of axes",
            )
        written = {key: expression for key, (_, expression) in layer.arguments.items()}
        origin = Origin(step, "layer", written, labelled)
        shared = self.builder.sharing
        self.builder.sharing = shared or sharing
        try:
            ties = partial(tied, layer, given) if given else None
            outputs = self.builder.add(op, inputs, step.span, name, origin, ties)
        finally:
            self.builder.sharing = shared
        if len(outputs) == 1:
            return outputs[0]
        return Results(outputs) if op.leads else list(outputs)

    def _inputs(self, layer: OpLayer, flow: Any, span: Span) -> tuple[Any, ...]:
        slots = layer.op.tensors
        if slots[0].startswith("*"):
            flows = as_list(flow)
            for value in flows:
                if not isinstance(value, Value):
                    raise Failure("DL0308", f"{layer.title} takes tensors, and {kind_of(value)} is among them", span)
            return tuple(flows)
        if len(slots) == 1 and isinstance(flow, Value):
            return (flow,)
        given = {name: value for name, (value, _) in layer.arguments.items() if name in _names(slots[1:])}
        for name, value in given.items():
            if value is not None and not isinstance(value, Value):
                at = layer.arguments[name][1].span
                raise Failure("DL0305", f"`{name}` of {layer.title} takes a tensor, not {kind_of(value)}", at)
        if isinstance(flow, Value):
            return gather_tensors(layer.op, layer.name, {slots[0]: flow, **given}, span)
        if len(flow) <= len(slots) and len(slots) > 1:
            return gather_tensors(layer.op, layer.name, {**dict(zip(_names(slots), flow, strict=False)), **given}, span)
        raise Failure(
            "DL0308",
            f"{layer.title} takes one tensor, and {kind_of(flow)} flows in",
            span,
            hint="join them first, with `Concat` or `Add`",
        )

    def _apply_block(
        self, layer: BlockLayer, flow: Any, step: ast.Expression, label: str | None, path: str | None
    ) -> Any:
        declaration = layer.declaration
        network = isinstance(declaration, ast.Network)
        name = declaration.name.name
        part = label or "" if path is not None else self.builder.label(label, step.span)
        arguments: dict[str, Any] = {}
        with self.builder.region(
            "network" if network else "block",
            step.span,
            label=part,
            path=path,
            sharing=path is not None,
            declaration=name,
            definition=declaration.span,
            arguments=arguments,
            origin=_origin(step, label),
            template=self.builder.graph.template(name, declaration),
        ) as scope:
            scope.given = tuple(layer.arguments)
            scope.flow = flow if isinstance(flow, Value) else None
            env = Env(layer.module.env, {} if network else {"x": flow})
            self.builder.at_home(env, scope)
            self.bind_parameters(layer, env, step.span)
            if has_poison(list(env.names.values())):
                return POISON
            arguments.update((n, v) for n, v in env.names.items() if n != "x")
            sought = self.instances.block(layer, flow)
            return self.instances.make(sought, partial(self._result, declaration, flow, env, step.span))

    def _apply_part(
        self, layer: BlockLayer, flow: Any, step: ast.Expression, label: str | None, path: str | None
    ) -> Any:
        """What a part makes. Its layers are of the level around it; a label is that of its one layer with weights, or else
        opens a level."""
        declaration = layer.declaration
        arguments: dict[str, Any] = {}
        with self.builder.region(
            "part", step.span, declaration=declaration.name.name, definition=declaration.span, arguments=arguments,
            origin=_origin(step, label), template=self.builder.graph.template(declaration.name.name, declaration),
        ) as scope:  # fmt: skip
            scope.given = tuple(layer.arguments)
            env = Env(layer.module.env, {"x": flow})
            self.builder.at_home(env, scope)
            self.bind_parameters(layer, env, step.span)
            if has_poison(list(env.names.values())):
                return POISON
            arguments.update((n, v) for n, v in env.names.items() if n != "x")
            make = partial(self._result, declaration, flow, env, step.span)
            if label is None and path is None:
                return make()
            if not lone(declaration.body, env, self):
                with self._level(label, path, step, declaration.body, env):
                    return make()
            around, self._named = self._named, (label, path)
            try:
                return make()
            finally:
                self._named = around

    def _result(self, declaration: ast.Block | ast.Network, flow: Any, env: Env, span: Span) -> Any:
        """What the body of a block or network gives, its parameters bound."""
        if isinstance(declaration, ast.Network):
            return self._network_result(declaration, flow, env, span)
        result: Any = self.run_body(declaration.body, env, apply=True)
        if result is None:
            raise Failure(
                "DL0409", f"`{declaration.name.name}` has no result", declaration.span.last,
                hint="the last line of a block must be an expression", notes=(Note(declaration.name.span, "declared here"),),
            )  # fmt: skip
        given = as_list(result)
        if len(given) > 1 and all(isinstance(each, Value) for each in given):
            self.builder.scope.outputs = tuple(given)
        return result

    def bind_parameters(self, layer: BlockLayer, env: Env, span: Span) -> None:
        """Puts the arguments of a block or the settings of a network into its environment."""
        for parameter in layer.declaration.parameters:
            name = parameter.name.name
            if is_input(layer.declaration, parameter):
                continue
            if name in layer.arguments:
                value, written = layer.arguments[name]
            elif parameter.default is not None:
                home = layer.homes.get(name, env)
                value, written = self.evaluate(parameter.default, home), Written(parameter.default, home)
            else:
                raise Failure(
                    "DL0304",
                    f"{layer.title} needs `{name}`",
                    span,
                    notes=(Note(parameter.span, "declared here"),),
                    hint=_variant_with(layer) if isinstance(layer.declaration, ast.Network) else "",
                )
            if parameter.type is not None and not has_poison(value):
                self._check_type(parameter, parameter.type, value, env, written.span)
            env.names[name] = value
            if env.scope is not None:
                env.scope.origin.written[name] = written

    def _check_type(self, parameter: ast.Parameter, type_: ast.Type, value: Any, env: Env, span: Span) -> None:
        name = parameter.name.name
        if type_.axes is not None:
            if not isinstance(value, Value):
                raise Failure("DL0305", f"`{name}` takes a tensor, not {kind_of(value)}", span)
            match_type(type_, value, env, self, span)
            return
        checks = {
            "int": is_dim(value),
            "float": type(value) in (int, float),
            "bool": type(value) is bool,
            "string": isinstance(value, str),
            "list": isinstance(value, list),
            "layer": isinstance(value, Layer),
            "tensor": isinstance(value, Value),
        }
        if type_.name not in checks:
            raise Failure(
                "DL0302", f"there is no type `{type_.name}`", type_.span,
                hint=did_you_mean(type_.name, checks) or f"types are {', '.join(checks)}",
            )  # fmt: skip
        nothing = value is None and isinstance(parameter.default, ast.Constant) and parameter.default.value is None
        if not checks[type_.name] and not nothing:
            note = Note(parameter.span, "declared here")
            raise Failure("DL0305", f"`{name}` is {_a(type_.name)}, not {kind_of(value)}", span, notes=(note,))

    def _network_result(self, declaration: ast.Network, flow: Any, env: Env, span: Span) -> Any:
        """A network used as a layer: its inputs come from the flow, its outputs are one tensor or a list."""
        flows = as_list(flow)
        inputs = [p for p in declaration.parameters if is_input(declaration, p)]
        if len(flows) != len(inputs):
            raise Failure("DL0308", f"`{declaration.name.name}` takes {len(inputs)} tensors, not {len(flows)}", span)
        for parameter, value in zip(inputs, flows, strict=True):
            assert parameter.type is not None
            if not isinstance(value, Value):
                raise Failure("DL0308", f"`{parameter.name.name}` takes a tensor, not {kind_of(value)}", span)
            match_type(parameter.type, value, env, self, span)
            env.names[parameter.name.name] = self.builder.scope.inputs[parameter.name.name] = value
        outputs = self.outputs(declaration, env)
        self.builder.scope.outputs = tuple(value for value in outputs if isinstance(value, Value))
        return outputs[0] if len(declaration.outputs) == 1 else outputs


def _origin(step: ast.Expression, label: str | None) -> Origin:
    return Origin(step, "scope", {}, label is not None)


def _names(slots: tuple[str, ...]) -> list[str]:
    return [slot.rstrip("?") for slot in slots]


def _variant_with(network: BlockLayer) -> str:
    open_settings = [f"{name}=..." for name in needs(network) if name not in network.arguments]
    name = network.declaration.name.name
    return f"`network Name = {name}({', '.join(open_settings)})` is a network with it, and --set gives it to this one"


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
