"""Which weights the objectives of a `train` reach, and what is wrong where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from dlspec.analyses.ranges import Ranges
from dlspec.diagnostics import Diagnostic, Note, Severity
from dlspec.ir.intervals import NOT_NEGATIVE
from dlspec.ir.node import Node, Value, first_name
from dlspec.ir.scope import within
from dlspec.objectives.training import STEP, Training, Update
from dlspec.ops.constant import Stored
from dlspec.ops.gradient import cuts
from dlspec.syntax import ast

_SHOWN = 6
"""Steps of a path that a message shows."""


def reached(value: Value) -> set[str]:
    """The paths of the parameters that the gradient of a value reaches."""
    return {weight.path for node in _upstream(value) for weight in node.weights if weight.kind == "param"}


def objective_findings(training: Training) -> Iterator[Diagnostic]:
    """What is wrong with the objectives: errors for updates that cannot train anything, warnings for what is unused."""
    tied = list(_tied(training))
    if tied:
        yield from tied
        return
    trained: set[str] = set()
    for update in training.updates:
        known = reached(update.objective)
        for group in update.groups:
            own = training.trained(update, group)
            if known.isdisjoint(own):
                yield _unreached(training, update, group.path, own)
        trained.update(update.networks)
    sources = {network.source for network in training.networks.values()}
    flown = {first_name(node.name).partition(".")[0] for node in training.graph.nodes}
    for name, network in training.networks.items():
        has_weights = any(training.graph.parameters[path].kind == "param" for path in training.weights(name))
        if not network.frozen and name not in trained and (has_weights or name not in sources | flown):
            message = f"no objective updates `{name}`" if has_weights else f"nothing uses `{name}`"
            hint = f"write `freeze({network.declaration})` if it keeps its weights" if has_weights else "take it out"
            yield Diagnostic("DL0708", message, network.span, hint=hint, severity=Severity.WARNING)
    yield from _left_to_change(training)
    used = {value for node in training.graph.nodes for value in node.inputs}
    for data in training.data:
        if data.value not in used:
            message = f"nothing uses the data `{data.value.name}`"
            yield Diagnostic("DL0702", message, data.value.span, hint="take it out", severity=Severity.WARNING)
    yield from _wrong_signs(training)


def _tied(training: Training) -> Iterator[Diagnostic]:
    """Errors for weights that two networks have in common: an update of one of them would change the other."""
    for alias, path in training.graph.aliases.items():
        one, other = (name.partition(".")[0] for name in (alias, path))
        if one != other:
            message = f"`{one}` has the weight `{path}` of another network"
            hint = "declare them as one network, and update that"
            yield Diagnostic("DL0705", message, training.networks[one].span, hint=hint)


def _left_to_change(training: Training) -> Iterator[Diagnostic]:
    """Warnings for parts of networks that no update changes, but whose running statistics follow the batches."""
    trained = {path for update in training.updates for path in training.trained(update)}
    networks = {network for update in training.updates for network in update.networks}
    parts: dict[str, str] = {}
    for node in training.graph.nodes:
        moving = [weight.path for weight in node.weights if weight.kind == "buffer" and not isinstance(node.op, Stored)]
        network = moving[0].partition(".")[0] if moving else ""
        if network in networks and not training.is_frozen(moving[0]):
            levels = accumulate(moving[0].split(".")[:-1], lambda around, inner: f"{around}.{inner}")
            part = next((part for part in levels if not any(within(path, part) for path in trained)), None)
            if part is not None:
                parts.setdefault(part, moving[0])
    for part, moving in parts.items():
        message = f"no objective updates `{part}`, and its running statistics, such as `{moving}`, go on changing"
        hint = f"`freeze({part})`, a line of its own, keeps both"
        span = training.networks[part.partition(".")[0]].span
        yield Diagnostic("DL0708", message, span, hint=hint, severity=Severity.WARNING)


def _wrong_signs(training: Training) -> Iterator[Diagnostic]:
    """Warnings for divergences that an update makes greater: they have no bound."""
    ranges = Ranges({value: NOT_NEGATIVE for value in training.graph.inputs if value.name == STEP})
    for update in training.updates:
        ways = [(update.objective, 1 if update.direction == "minimize" else -1)]
        seen: set[tuple[Value, int]] = set()
        while ways:
            value, sign = ways.pop()
            node = value.producer
            if not sign or node is None or (value, sign) in seen:
                continue
            seen.add((value, sign))
            if value in training.graph.divergences or node.op.divergence:
                if sign < 0:
                    message = f"to {update.direction} this makes the divergence greater, which has no bound"
                    notes = (Note(update.objective.span, f"the objective of {update.direction}"),)
                    hint = "a divergence is added where the objective is minimized and subtracted where it is maximized"
                    yield Diagnostic("DL0804", message, value.span, notes=notes, hint=hint, severity=Severity.WARNING)
                continue
            slopes = node.op.slopes([ranges.of(each) for each in node.inputs])
            ways += [(each, sign * slope) for each, slope in zip(node.inputs, slopes, strict=True)]


def _unreached(training: Training, update: Update, name: str, own: list[str]) -> Diagnostic:
    """The error for an objective whose gradient does not reach what it updates: because something on the way cuts it,
    or because there is no way."""
    message = f"the objective does not depend on `{name}`"
    hint = f"`over` names what the objective is a function of; take `{name}` out, or use it"
    if not own:
        uses = [scope for scope in training.graph.root.scopes() if scope.path == name]
        message, hint = f"nothing flows into `{name}`", f"use it, or take `{name}` out of `over`"
        declared = uses[0].template.declaration if uses and uses[0].template is not None else None
        if uses:
            message, hint = f"`{name}` has no weights to train", f"give it some, or take `{name}` out of `over`"
        if isinstance(declared, ast.Block | ast.Network):
            note = Note(update.objective.span, f"updates {name}")
            return Diagnostic("DL0707", message, declared.name.span, notes=(note,), hint=hint)
    path = _path(update.objective, set(own))
    notes: tuple[Note, ...] = ()
    if path:
        blocking = [node for node in path if cuts(node)]
        shown = (
            path if len(path) <= _SHOWN else [node for node in path if node in blocking or node in (path[0], path[-1])]
        )
        notes = tuple(Note(node.span, _on_the_way(node, node in blocking)) for node in shown)
        message = f"no gradient of the objective reaches `{name}`: `{blocking[0].span.text}` cuts the only path"
        hint = "take the cut out, or train something else with this objective"
    return Diagnostic("DL0707", message, update.objective.span, f"updates {name}", notes, hint)


def _on_the_way(node: Node, cut: bool) -> str:
    what = node.name or type(node.op).__name__
    return f"{what} is cut off here" if cut else f"through {what}"


def _upstream(value: Value) -> Iterator[Node]:
    seen: set[Node] = set()
    stack = [value.producer]
    while stack:
        node = stack.pop()
        if node is None or node in seen or cuts(node):
            continue
        seen.add(node)
        yield node
        stack.extend(source.producer for source in node.inputs)


def _path(value: Value, weights: set[str]) -> list[Node]:
    """A shortest path from a weight to a value, cuts or not; empty where there is none."""
    start = value.producer
    if start is None:
        return []
    before: dict[Node, Node | None] = {start: None}
    queue = [start]
    for node in queue:
        if any(weight.path in weights for weight in node.weights):
            path: list[Node] = []
            at: Node | None = node
            while at is not None:
                path.append(at)
                at = before[at]
            return path
        for source in node.inputs:
            if source.producer is not None and source.producer not in before:
                before[source.producer] = node
                queue.append(source.producer)
    return []
