"""Which modules have classes, and which of them may share one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias, cast

from dlspec.backends.torch.plans.plan import Plan
from dlspec.backends.torch.plans.tree import Module, Tree, chain_kind
from dlspec.backends.torch.python import names
from dlspec.elaborate.values import BlockLayer, Layer, OpLayer
from dlspec.ir.graph import Graph
from dlspec.ir.node import Value, first_name
from dlspec.ir.op import Op
from dlspec.ir.scope import Scope
from dlspec.objectives.training import Training
from dlspec.ops.constant import Tied
from dlspec.syntax import ast

GroupKey: TypeAlias = tuple[Any, ...]

_SHORT = 12
"""Steps of a block that is written out in an objective, numbers not counted."""


def prepared_tree(graph: Graph, inline: set[str], training: Training | None = None, narrow: bool = False) -> Tree:
    """The modules of a graph, with what is a plain sequence and what is written out where it is used.

    ``inline`` are paths of modules that must be written out. The graph of a ``training`` has more results than its
    outputs, and moving averages that are of the class of what they follow.
    """
    tree = Tree(graph, training.looked_at if training else (), narrow)
    if training is not None:
        tree.root.methods = frozenset([*objective_names(training).values(), *rate_names(training).values(), "measure"])
        _tie(tree, training)
    _inline_shared(tree)
    for module in tree.modules.values():
        named = any(isinstance(use.origin.step, ast.Param) for use in module.uses)  # by the label of a weight
        module.inline = module.inline or module.path in inline or named or _differs(tree, module)
        if training is not None and module.parent is tree.root and _is_formula(tree, module):
            module.inline = True
    for module in reversed(tree.modules.values()):
        if not module.inline and not (training and module is tree.root):
            module.chain = chain_kind(tree, module)
            if not module.chain and module.scope.kind == "level" and module.members and module.numbered:
                module.inline = True
    return tree


def objective_names(training: Training) -> dict[str, str]:
    """The methods that compute the objectives, by the names of the updates."""
    made: dict[str, str] = {}
    for update in training.updates:
        made[update.name] = names.unique(f"{update.name.strip('_') or 'update'}_objective", made.values())
    return made


def rate_names(training: Training) -> dict[Value, str]:
    """The methods that compute rates of learning, by what they give."""
    taken = set(objective_names(training).values())
    made: dict[Value, str] = {}
    for update in training.updates:
        for group in update.groups:
            rate = group.rate
            if rate is not None and rate not in made:
                whose = update.name if rate is update.rate else re.sub(r"\W", "_", group.path)
                made[rate] = names.unique(f"{whose.strip('_') or 'update'}_rate", {*taken, *made.values()})
    return made


def class_children(module: Module) -> Iterator[Module]:
    """The modules inside that have classes of their own."""
    for member in module.members.values():
        if isinstance(member, Module):
            if member.opens_class:
                yield member
            else:
                yield from class_children(member)


def group_of(module: Module) -> GroupKey:
    """Modules of one group are of one declaration, or of one labelled place in the text."""
    place = module.declaration.definition or module.declaration.span
    declaration = (place.source.name, place.start, place.end, module.declaration.declaration)
    if module.scope.kind in ("block", "network"):
        return declaration
    span = module.scope.span
    return (*declaration, span.source.name, span.start, span.end)


def likeness(module: Module, tree: Tree) -> object:
    """What is equal for instances of a block that are made and run alike: with the same arguments, in the same place."""
    scope = module.scope
    if scope.kind != "block" or len(module.uses) > 1:
        return module
    arguments = [_likeness(value) for value in scope.arguments.values()]
    if None in arguments:
        return module
    depth = len(scope.path)
    own = dict[Value, int]()
    for value in tree.inputs(scope):
        own.setdefault(value, len(own))
    steps: list[object] = []
    for node in tree.nodes_in(scope):
        for value in node.outputs:
            own.setdefault(value, len(own))
        taken = tuple(own.get(value, -1) for value in node.inputs)
        free = bool(node.inputs) and tree.overwritable(node.inputs[0])
        tracked = tuple(value in tree.tracked for value in node.outputs)
        steps.append((node.op, taken, node.training, first_name(node.name)[depth:], free, tracked))
    types = tuple(value.type for value in tree.inputs(scope))
    outputs = tuple(own[value] for value in tree.outputs(scope))
    inline = tuple(m.label for m in module.members.values() if isinstance(m, Module) and m.inline)
    return (group_of(module), scope.given, tuple(arguments), types, tuple(steps), outputs, inline, module.chain)


def _likeness(value: object) -> object:
    """An argument for comparison; None for a layer that sees names of its own."""
    match value:
        case Value():
            return ("tensor", value.type)
        case list():
            parts = tuple(map(_likeness, cast("list[object]", value)))
            return None if None in parts else parts
        case OpLayer() if value.branches is None:
            parts = tuple((name, _likeness(inner)) for name, (inner, _) in value.arguments.items())
            return None if any(part is None for _, part in parts) else (value.op, value.pinned, parts)
        case BlockLayer():
            parts = tuple((name, _likeness(inner)) for name, (inner, _) in value.arguments.items())
            return None if any(part is None for _, part in parts) else (id(value.declaration), parts)
        case Layer():
            return None
        case _:
            return (type(value).__name__, repr(value))


def _is_formula(tree: Tree, module: Module) -> bool:
    """Whether a block without a name or weights is a short computation, which reads better where it is used."""
    short = sum(bool(node.inputs) for node in tree.nodes_in(module.scope)) <= _SHORT
    return short and not module.members and module.label.isdigit() and module.scope.kind == "block"


def _tie(tree: Tree, training: Training) -> None:
    """Counts the uses of a moving average among those of its source, and the other way round."""
    for network in training.networks.values():
        for path, module in tree.modules.items():
            inside = path == network.name or path.startswith(f"{network.name}.")
            twin = tree.modules.get(f"{network.source}{path.removeprefix(network.name)}")
            if network.source is not None and inside and twin is not None:
                twin.uses += module.uses
                module.uses = twin.uses


def _inline_shared(tree: Tree) -> None:
    """Writes out modules that use a layer which belongs to one around them."""
    for scope, module in tree.of_scope.items():
        user = (
            tree.of_scope[next(s for s in scope.ancestors() if s is not scope and s in tree.of_scope)]
            if scope.parent
            else None
        )
        _reach(user, module.parent)
    for node, (owner, _) in tree.labels.items():
        if tree.is_member(node) and (node.weights or owner.members):
            user = tree.of_scope[next(s for s in node.scope.ancestors() if s in tree.of_scope)]
            if isinstance(node.op, Tied):  # of a layer that may be inside another module
                around = {id(module) for module in user.line}
                owner = next(module for module in owner.line if id(module) in around)
            _reach(user, owner)


def _reach(user: Module | None, owner: Module | None) -> None:
    while user is not None and owner is not None and user is not owner:
        user.inline = True
        user = user.parent


def _differs(tree: Tree, module: Module) -> bool:
    """Whether the uses of a shared module are not the same steps, or part of it runs in training only."""
    kinds = {node.training for node in tree.nodes_in(module.scope)}
    if len(kinds) > 1 and module.parent is not None:
        return True
    first, *others = module.uses
    steps = _steps(tree, first) if others else []
    return any(_steps(tree, other) != steps or len(tree.inputs(other)) != len(tree.inputs(first)) for other in others)


def _steps(tree: Tree, scope: Scope) -> list[tuple[Op, str, tuple[int, ...]]]:
    """What runs in a scope, on tensors of which ranks, and as which member: labels with dots enter a module for one part
    of it or another."""
    return [
        (node.op, first_name(node.name).removeprefix(scope.path), tuple(x.type.rank for x in node.inputs))
        for node in tree.nodes_in(scope)
    ]


def consistent(clusters: list[list[Plan]]) -> list[list[Plan]]:
    """Takes clusters of one declaration apart until what they make of themselves is of one cluster too."""
    while True:
        cluster_of = {plan.module: position for position, cluster in enumerate(clusters) for plan in cluster}
        parts: list[list[Plan]] = []
        for cluster in clusters:
            agreed: list[tuple[dict[str, int], list[Plan]]] = []
            for plan in cluster:
                inside = {c.label: cluster_of[c] for c in class_children(plan.module) if c in cluster_of}
                for made, fitting in agreed:
                    if all(made.get(label, number) == number for label, number in inside.items()):
                        made.update(inside)
                        fitting.append(plan)
                        break
                else:
                    agreed.append((inside, [plan]))
            parts += [fitting for _, fitting in agreed]
        if len(parts) == len(clusters):
            # Innermost first: a class is made before those that make it.
            return sorted(clusters, key=lambda cluster: -max(plan.module.path.count(".") for plan in cluster))
        clusters = parts
