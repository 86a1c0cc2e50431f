"""What a forward runs several times: what variables of loops stand for in a turn, and a loop over places of an axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING

from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Mark, Slot
from dlspec.backends.torch.plans.tree import Key, Region, Tree, origin
from dlspec.backends.torch.plans.turns import may_differ, passed_on, turns_in
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.expressions import Const, Py, Sequence, Slice, Subscript, call, method
from dlspec.backends.torch.python.symbols import Arg
from dlspec.ir.node import Value
from dlspec.ir.scope import Scope
from dlspec.ops.scan import Scan
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.backends.torch.plans.planner import Planner


def variables(tree: Tree, turn: Scope) -> Iterator[tuple[str, Value]]:
    """The variables of a loop that stand for tensors, in one of its turns."""
    written = turn.names.turn if turn.names is not None else None
    if written is not None and isinstance(written.step, ast.For | ast.Clause):
        for each, place in ast.paths_of(written.step.targets):
            value = tree.now(reduce(getitem, place, written.values[written.index]))
            if isinstance(value, Value):
                yield names.variable(each.name), origin(value)


def standing(tree: Tree, turn: Scope, slots: Mapping[Value, Slot]) -> dict[Slot, str]:
    """The tensors for which the variables of a loop stand in a turn, each with the name."""
    found: dict[Slot, str] = {}
    for name, value in variables(tree, turn):
        if value in slots:
            found.setdefault(slots[value], name)
    return found


def found_alone(region: Region, slots: Mapping[Value, Slot]) -> dict[Slot, Slot | None] | None:
    """What the only turn of a loop has words for, each with what the next turn finds, if that would have the same layers."""
    turns = turns_in(region.scope)
    if len(turns) != 1 or may_differ(region.scope):
        return None
    return {
        slots[origin(before)]: None if behind is None else slots.get(origin(behind))
        for before, behind in passed_on(turns[0]).items()
        if origin(before) in slots
    }


def scanned(planner: Planner, region: Region, conditions: tuple[Key, ...]) -> None:
    """A loop over the places of an axis, and what it leaves."""
    body, key = region.scope.body, region.key
    assert body is not None
    node = body.node
    assert node is not None
    assert isinstance(node.op, Scan)
    states, stacked = node.outputs[: node.op.states], node.outputs[node.op.states :]
    known = dict(planner.slots)

    def act(kind: str, place: int, value: Py, outputs: list[Value], names: tuple[str, ...], mark: Mark | None) -> None:
        own: Key = (*key[:3], f"{kind} {place} of {key[3]}", key[4])
        planner.act(own, value, outputs, conditions, node.training, False, False, names)
        planner.plan.actions[-1].mark = mark

    for place, state in enumerate(body.states):
        start, name = planner.expression(body.entries[state]), planner.hints([state], body.scope)
        act("state", place, start, [state], name, Mark("state", key))
    lists = [Value("outputs", value.type, None, value.span) for value in stacked]
    for place, each in enumerate(lists):
        act("list", place, Sequence(()), [each], ("outputs",), Mark("list", key))
    held = {each: planner.slots.pop(each) for each in lists}
    axis = Arg(node.op.axis, "axis")
    turns: list[Py] = [method(planner.expression(body.entries[x]), "unbind", axis) for x in body.slices]
    turns = [call("reversed", each) for each in turns] if node.op.backwards else turns
    over = turns[0] if len(turns) == 1 else call("zip", *turns)
    names_ = tuple(planner.named(x, body.scope) for x in body.slices)
    act("loop", 0, planner.forward(over, node), list(body.slices), names_, Mark("loop", key))
    for value in body.given:
        planner.track(value, conditions, node.training)
    planner.run_steps(region.parts[0], conditions)
    made = Sequence(tuple(planner.expression(value) for value in body.results))
    planner.slots = known
    act("end", 0, made, list(states), (), Mark("end", key))
    hints = planner.hints(list(stacked), node.scope)
    for place, (value, each) in enumerate(zip(stacked, lists, strict=True)):
        listed: Py = Ref(held[each])
        if node.op.backwards:
            listed = Subscript(listed, (Slice(None, None, Const(-1)),))
        joined = planner.forward(call("torch.stack", listed, dim=(axis, 0)), node)
        act("stack", place, joined, [value], hints[place : place + 1], None)
    for output in node.outputs:
        planner.track(output, conditions, node.training)
