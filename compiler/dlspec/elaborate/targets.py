"""What updates change and what is frozen: networks, parts of them by their paths, and weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from dlspec.diagnostics import Note, did_you_mean
from dlspec.elaborate.values import POISON, UNBOUND, Env, Failure, SharedLayer, kind_of
from dlspec.ir.node import Value
from dlspec.ir.scope import within
from dlspec.objectives.training import Group, Training, Update
from dlspec.ops.constant import Param
from dlspec.source import Span
from dlspec.syntax import ast

_SHOWN = 8
"""Parts of a network that a hint lists."""


Evaluate: TypeAlias = Callable[[ast.Expression, Env], Any]


def path_of(node: ast.Expression, env: Env, training: Training, evaluate: Evaluate) -> str:
    """The path of what stands after `over` or in `freeze`: `f`, `f.head`, `f.stages[3]`. Raises `Failure`.

    Whether there is such a part is seen when all has flowed: see `check_parts`.
    """
    match node:
        case ast.Name():
            return _named(node, env, training)
        case ast.Attribute(base=base, name=name):
            return f"{_whole(base, env, training, evaluate)}.{name.name}"
        case ast.Index(base=base, items=(item,)) if not isinstance(item, ast.Slice | ast.Rest):
            part = evaluate(item, env)
            if type(part) not in (int, str):
                hint = '`f.stages[3]` and `f["layer1"]` are parts of networks'
                raise Failure("DL0705", f"a part has a number or a name, not {kind_of(part)}", item.span, hint=hint)
            return f"{_whole(base, env, training, evaluate)}.{part}"
        case _:
            message = f"`{node.span.text}` is no network or weight by its name"
            raise Failure("DL0705", message, node.span, hint="a part of a network is named by its path: `f.head`")


def _whole(node: ast.Expression, env: Env, training: Training, evaluate: Evaluate) -> str:
    """The path of what has parts. Raises `Failure`."""
    path = path_of(node, env, training, evaluate)
    network = training.networks.get(path)
    if network is not None and network.declaration in ("param", "buffer"):
        raise Failure("DL0705", f"`{path}` is a weight, which has no parts", node.span)
    return path


def _named(node: ast.Name, env: Env, training: Training) -> str:
    name, value = node.name, env.find(node.name)
    if value is POISON:
        return name
    if isinstance(value, Value) and value.producer is not None and isinstance(value.producer.op, Param):
        if value.producer.op.kind == "param":
            return value.producer.name
        raise Failure("DL0705", f"`{name}` is a buffer, which is not trained", node.span, hint="`param`")
    known = training.networks
    if not isinstance(value, SharedLayer):
        what = f"`{name}` is {kind_of(value)}" if value is not UNBOUND else f"there is no `{name}` here"
        trained = [n for n, network in known.items() if not network.frozen]
        hint = did_you_mean(name, trained) or f"declare it: `shared {name} = ...`"
        raise Failure("DL0705", f"only networks and weights can be trained: {what}", node.span, hint=hint)
    network = known[value.label]
    if network.frozen:
        note = Note(network.span, "declared here")
        what = "a moving average" if network.source else "frozen"
        raise Failure("DL0705", f"`{name}` is {what} and is not trained", node.span, notes=(note,))
    return value.label


def settle(training: Training, frozen: dict[str, Span]) -> Iterator[Failure]:
    """Freezes what is said to be, once all has flowed; gives the errors in what is named by a path."""
    errors = [error for path, span in frozen.items() if (error := _missing(training, path, span, frozen=True))]
    errors += [
        error
        for update in training.updates
        for group in update.groups
        if (error := _missing(training, group.path, group.span, frozen=False))
    ]
    yield from errors
    if errors:
        return
    for path, span in {**training.graph.frozen, **frozen}.items():
        network = training.networks.get(path.partition(".")[0])
        if network is not None and not network.frozen:
            if path == network.name:
                network.frozen = True
            else:
                training.frozen[path] = span
    for update in training.updates:
        for group in update.groups:
            yield from _nothing_left(training, update, group)
    yield from _tied_apart(training)


def _missing(training: Training, path: str, span: Span, frozen: bool) -> Failure | None:
    """The error for a part that a network does not have, or in which there is nothing to keep."""
    graph = training.graph
    weights = [*graph.parameters, *graph.aliases]
    if path in training.networks or any(within(weight, path) for weight in weights):
        buffer = frozen and path in graph.parameters and graph.parameters[path].kind == "buffer"
        return Failure("DL0705", f"`{path}` is a buffer, which is not trained", span) if buffer else None
    name = path.partition(".")[0]
    own = [weight for weight in weights if within(weight, name)]
    scopes = [scope.path for scope in graph.root.scopes() if within(scope.path, name)]
    if path in scopes or (not scopes and not own):
        what = f"`{path}` has no weights" if scopes else f"nothing flows into `{name}`"
        return Failure("DL0705", f"{what}, and so nothing is frozen", span) if frozen else None
    parts = list(dict.fromkeys(part for each in own for part in _prefixes(each)))
    around = path
    while around not in (name, *parts):
        around = around.rpartition(".")[0]
    missing = path.removeprefix(f"{around}.").partition(".")[0]
    inside = list(dict.fromkeys(p for p in parts if p.rpartition(".")[0] == around))
    more = f" and {len(inside) - _SHOWN} more" if len(inside) > _SHOWN else ""
    hint = did_you_mean(f"{around}.{missing}", inside) or did_you_mean(path, [p for p in parts if "." in p])
    hint = hint or (f"it has {', '.join(inside[:_SHOWN])}{more}" if inside else "")
    return Failure("DL0705", f"`{around}` has no part `{missing}`", span, hint=hint)


def _prefixes(path: str) -> Iterable[str]:
    parts = path.split(".")
    return (".".join(parts[: length + 1]) for length in range(len(parts)))


def _nothing_left(training: Training, update: Update, group: Group) -> Iterator[Failure]:
    """The error for a group of which everything is frozen, or belongs to other groups."""
    parameters = training.graph.parameters
    inside = [path for path in parameters if within(path, group.path)]
    own = [path for path in inside if parameters[path].kind == "param"]
    if inside and not own and group.path not in training.networks:
        yield Failure("DL0705", f"`{group.path}` has buffers alone, which are not trained", group.span)
    if not own or training.trained(update, group):
        return
    where = [span for part, span in training.frozen.items() if within(group.path, part) or within(part, group.path)]
    network = training.networks.get(group.network)
    where += [network.span] if network is not None and network.frozen else []
    others = [path for path in own if not training.is_frozen(path)]
    if others:
        message = f"nothing is left of `{group.path}`: all in it is frozen or named by itself"
        yield Failure("DL0705", message, group.span, hint=f"take `{group.path}` out")
    else:
        notes = tuple(Note(span, "frozen here") for span in where)
        yield Failure("DL0705", f"`{group.path}` is frozen and is not trained", group.span, notes=notes)


def _tied_apart(training: Training) -> Iterator[Failure]:
    """The errors for a weight that is in two parts of one network of which one is trained in another way."""
    for alias, path in training.graph.aliases.items():
        if alias.partition(".")[0] != path.partition(".")[0]:
            continue  # of two networks: `objective_findings` tells
        for update in training.updates:
            one, other = update.group_of(alias), update.group_of(path)
            if one is not other:
                group = one or other
                assert group is not None
                hint = f"name a part that has both, or `{alias if one is None else path}` too"
                yield Failure("DL0705", f"`{alias}` is the weight `{path}` as well", group.span, hint=hint)
        if training.is_frozen(alias) is not training.is_frozen(path):
            span = next(span for part, span in training.frozen.items() if within(alias, part) or within(path, part))
            yield Failure("DL0705", f"`{alias}` is the weight `{path}` as well", span, hint="freeze both, or none")
