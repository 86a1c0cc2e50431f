"""The statements of a ``forward`` one by one: what stands inside what, where a line ends, and which variables are free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dlspec.backends.torch.classes.template import TAction, Template, TRound, all_steps
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Slot
from dlspec.backends.torch.plans.tree import Key
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Binary,
    Call,
    Name,
    Nested,
    Py,
    Sequence,
    Star,
    children,
    rebuild,
    walk,
)
from dlspec.backends.torch.python.layout import INDENT, WIDTH, flat, layout

GENERIC = ("x", "y", "z")
_DEPTH = 3
INLINE_WIDTH = 76

Shape = Callable[[Slot], "str | None"]


@dataclass(eq=False)
class Pending:
    """A result that has no variable yet. ``hint`` is what it would be called, ``raw`` the expression that made it."""

    value: Py
    light: bool
    hint: tuple[str, ...]
    raw: Py | None

    def __post_init__(self) -> None:
        self.names = {node.text for node in walk(self.value) if isinstance(node, Name)}


@dataclass(eq=False)
class Statements:
    """Writes single steps of the body of one forward.

    ``resolve`` fills the holes of an expression, ``flags`` are the attributes by which optional steps are asked for, and
    ``shape`` gives a comment for a result.
    """

    template: Template
    resolve: Callable[[Py], Py]
    flags: dict[str, str]
    shape: Shape
    depth: int = 2
    lines: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self._variables: dict[Slot, str] = {}
        self._pending: dict[Slot, Pending] = {}
        self._shape: str | None = None
        plan = self.template.plans[0]
        for argument in plan.inputs:
            self._variables[argument, 0] = argument
        self._made: dict[Key | str, TAction] = {action.key: action for action in self.template.actions}
        self._values = {id(action): self.resolve(action.value) for action in self._made.values()}
        self._looping: set[str] = set()
        self._uses: dict[Slot, int] = {}
        for action in self._made.values():
            for slot in refs(self._values[id(action)]):
                self._uses[slot] = self._uses.get(slot, 0) + 1
        for step in all_steps(self.template.steps):
            if isinstance(step, TRound):
                self._looping.update(step.loop.names)
                self._values[id(step)] = self.resolve(step.loop.iterable)
                for slot in refs(self._values[id(step)]):
                    self._uses[slot] = self._uses.get(slot, 0) + 1
                # What a turn leaves has a variable, whatever else needs it.
                for slot in (
                    *(of for _, of, _ in step.carried),
                    *(of for slot, of in step.lists.items() if of != slot),
                ):
                    self._uses[slot] = self._uses.get(slot, 0) + 2
                for _, _, begun in step.carried:
                    self._uses[begun] = self._uses.get(begun, 0) + 1
        self._outputs = [(self.resolve(value), training) for value, training in self.template.outputs]
        for value, _ in self._outputs:
            for slot in refs(value):
                self._uses[slot] = self._uses.get(slot, 0) + 1
        self._left = dict(self._uses)

    # Steps

    def _act(self, item: TAction) -> None:
        action = item.action
        if action.spare and (item.key, 0) not in self._uses:
            return
        raw = self._values[id(item)]
        slots: list[Slot] = [(item.key, position) for position in range(item.outputs)]
        first = next(iter(refs(raw)), None)
        if action.augment and isinstance(first, tuple):
            self._flush([first])
        value = self._use(raw, action.light)
        single = item.outputs == 1 and self._uses.get(slots[0], 0) == 1 and slots[0] not in self._variables
        if single and not (action.augment and first in self._variables):
            self._pending[slots[0]] = Pending(value, action.light, action.hint, raw)
            if action.hint and not action.light:
                self._flush([slots[0]])
            return
        self._assign(slots, value, action.hint, raw, augment=action.augment)

    def _use(self, raw: Py, light: bool) -> Py:
        """The expression with variables for what is at hand and what is pending put in, where it reads well."""
        self._settle(raw, light)
        return self._taken(raw)

    def _settle(self, raw: Py, light: bool, last: bool = False) -> None:
        """Gives variables to what is pending that does not read well inside of an expression."""
        waiting = [slot for slot in refs(raw) if slot in self._pending]
        if waiting:
            trial = self._put(raw, {slot: self._pending[slot].value for slot in waiting})
            joins = isinstance(raw, Call) and any(isinstance(arg, Sequence) for arg in raw.args)
            for slot in waiting:
                pending = self._pending[slot]
                fits = depth(trial) <= _DEPTH + joins and (joins or len(flat(trial)) <= INLINE_WIDTH)
                plain = pending.light and not _heavy(pending.value)
                short = len(flat(pending.value)) <= INLINE_WIDTH
                if not (fits and short and (light or plain)) and not (last and isinstance(raw, Ref)):
                    self._flush([slot])

    def _taken(self, raw: Py) -> Py:
        inlined = {slot: self._pending.pop(slot).value for slot in refs(raw) if slot in self._pending}
        made = self._put(raw, inlined)
        for slot in refs(raw):
            self._left[slot] -= 1
        return made

    def _put(self, raw: Py, inlined: dict[Slot, Py]) -> Py:
        if isinstance(raw, Ref):
            return inlined[raw.value] if raw.value in inlined else Name(self._variables.get(raw.value, "x"))
        return rebuild(raw, lambda inner: self._put(inner, inlined))

    def _assign(
        self, slots: list[Slot], value: Py, hint: tuple[str, ...], raw: Py | None, augment: bool = False
    ) -> None:
        targets: list[str] = []
        for position, slot in enumerate(slots):
            wanted = hint[position] if hint else None
            if len(slots) > 1 and slot not in self._uses:
                targets.append("_")
                continue
            targets.append(self._variables.get(slot) or self._name(wanted or self._kept(slot, raw), raw, targets))
        for waiting in [s for s, p in self._pending.items() if not p.names.isdisjoint(targets)]:
            self._flush([waiting])
        for slot, name in zip(slots, targets, strict=True):
            self._variables[slot] = name
        shape = self.shape(slots[0]) if len(slots) == 1 else None
        comment = f"  # {shape}" if shape and shape != self._shape else ""
        self._shape = shape or self._shape
        added = _added(value, targets[0]) if augment else None
        if added is not None:
            self._emit(f"{targets[0]} += ", added, comment)
        else:
            nested = isinstance(value, Nested)
            self._emit(f"{_listed(targets, nested)} = ", value.value if nested else value, comment)

    def _flush(self, slots: list[Slot] | None = None, keep: list[Slot] | None = None) -> None:
        """Gives pending results variables."""
        for slot in list(self._pending) if slots is None else slots:
            if slot in self._pending and slot not in (keep or ()):
                pending = self._pending.pop(slot)
                self._assign([slot], pending.value, pending.hint, pending.raw)

    # Variables

    def _live(self) -> set[str]:
        live = {name for slot, name in self._variables.items() if self._left.get(slot, 0) > 0}
        return live.union(self._looping, *(pending.names for pending in self._pending.values()))

    def _name(self, hint: str | None, raw: Py | None, taken: list[str]) -> str:
        live = self._live() | set(taken)
        if hint is not None and hint != "x":
            return names.unique(hint, live)
        for slot in refs(raw) if raw is not None else ():
            name = self._variables.get(slot)
            if name in GENERIC and name not in live:
                return name
        return self._free(live)

    def _kept(self, slot: Slot, raw: Py | None) -> str | None:
        """The label of the member that gives what is used several times."""
        return (_member(raw) or None) if self._uses.get(slot, 0) > 1 else None

    def _free(self, live: set[str] | None = None) -> str:
        live = self._live() if live is None else live
        return next((name for name in GENERIC if name not in live), None) or names.unique("y", live)

    def _emit(self, prefix: str, value: Py, comment: str = "", bare: bool = False) -> None:
        if bare and isinstance(value, Sequence):
            line = f"{INDENT * self.depth}{prefix}{', '.join(flat(item) for item in value.items)}"
            if len(line) <= WIDTH:
                self.lines.append(line)
                return
        made = layout(value, self.depth, prefix)
        if comment and len(made) == 1 and len(made[0]) + len(comment) <= WIDTH:
            made[0] += comment
        self.lines += made


def _member(raw: Py | None) -> str:
    """The name of the module that is called: `conv0_1` of `self.conv0_1(x)`."""
    match raw.value if isinstance(raw, Nested) else raw:
        case Call(function=Attribute(base=Name(text="self"), name=label)):
            return names.variable(label)
        case _:
            return ""


def _listed(targets: list[str], nested: bool) -> str:
    """The variables before an equals sign; those of a tuple in the results that nobody takes are one."""
    if not nested:
        return ", ".join(targets)
    first, *others = targets
    rest = "_" if {*others} == {"_"} else f"({', '.join(others)})"
    return f"{first}, {rest}"


def refs(value: Py) -> list[Slot]:
    """The tensors an expression uses, in order, each as often as it is used."""
    return [node.value for node in walk(value) if isinstance(node, Ref)]


def depth(value: Py) -> int:
    """How many calls stand inside each other."""
    inner = max((depth(child) for child in children(value)), default=0)
    return inner + isinstance(value, Call)


def _heavy(value: Py) -> bool:
    return depth(value) > 2 or any(isinstance(node, Star) for node in walk(value))


def _added(value: Py, target: str) -> Py | None:
    """What is added to a variable, where the expression does nothing else."""
    if (
        isinstance(value, Binary)
        and value.operator == "+"
        and isinstance(value.left, Name)
        and value.left.text == target
    ):
        return value.right
    return None
