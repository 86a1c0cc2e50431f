"""The loop of a scan in a ``forward``: states in one variable each, and lists of what is to be stacked."""

from __future__ import annotations

from dataclasses import dataclass, field

from dlspec.backends.torch.classes.template import TAction, TRound
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Slot
from dlspec.backends.torch.plans.tree import Key
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.expressions import Name, Py, Sequence, call, walk
from dlspec.backends.torch.python.layout import layout
from dlspec.backends.torch.text.statements import Statements, refs


@dataclass(eq=False)
class _Scan:
    """The slots of states and lists, what stands right in the loop, what is made and read in it, and its first line."""

    states: list[Slot] = field(default_factory=list[Slot])
    lists: list[Slot] = field(default_factory=list[Slot])
    body: list[TAction | TRound] = field(default_factory=list["TAction | TRound"])
    made: set[Slot] = field(default_factory=set[Slot])
    read: set[Slot] = field(default_factory=set[Slot])
    line: int = 0

    @property
    def kept(self) -> list[Slot]:
        """What each turn reads of others."""
        return [*self.read - self.made]


class Scanning(Statements):
    """Writes those steps that are parts of a scan."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._scans: dict[Key, _Scan] = {}
        self._open: list[_Scan] = []
        self._place_all(self.template.steps)

    def _place_all(self, steps: list[TAction | TRound], around: int = 0) -> None:
        for step in steps:
            self._place(step, around)
            if isinstance(step, TRound):
                self._place_all(step.body, len(self._open))

    def _place(self, step: TAction | TRound, around: int = 0) -> None:
        """Finds out what belongs to which scan: to the innermost that is open, but to none ``around`` the loop it is in."""
        mark = step.action.mark if isinstance(step, TAction) else None
        if mark is not None and mark.kind == "end":
            self._open.pop()
            self._scans[mark.scan].body.append(step)
        read = refs(self._values[id(step)])
        if isinstance(step, TRound):
            read += [begun for _, _, begun in step.carried]
        made = [(step.key, place) for place in range(step.outputs)] if isinstance(step, TAction) else []
        for scan in self._open:
            scan.read.update(read)
            scan.made.update(made)
        for scan in self._open[around:][-1:]:
            scan.body.append(step)
        if mark is None or not isinstance(step, TAction):
            return
        scan = self._scans.setdefault(mark.scan, _Scan())
        slot = (step.key, 0)
        match mark.kind:
            case "state":
                scan.states.append(slot)
            case "list":
                scan.lists.append(slot)
            case "loop":
                self._open.append(scan)
            case "end":
                scan.read.update(read)

    def _act(self, item: TAction) -> None:
        mark = item.action.mark
        match mark.kind if mark is not None else "":
            case "state":
                self._begin(item)
            case "list":
                name = self._variables[item.key, 0] = names.unique("outputs", self._live())
                self._emit(f"{name} = ", Sequence(()))
                self._hold([(item.key, 0)])
            case "loop" if mark is not None:
                self._turn(item, self._scans[mark.scan])
            case "end" if mark is not None:
                self._end(item, self._scans[mark.scan])
            case _:
                super()._act(item)

    def _hold(self, slots: list[Slot], count: int = 1) -> None:
        """Keeps variables from being given to others, or no longer."""
        for slot in slots:
            self._left[slot] = self._left.get(slot, 0) + count

    def _begin(self, item: TAction) -> None:
        """The variable of a state: that of what it begins as, where this has the name and is not needed again."""
        raw, slot = self._values[id(item)], (item.key, 0)
        wanted = item.action.hint[0] if item.action.hint else "state"
        begun = raw.value if isinstance(raw, Ref) else None
        free = begun is not None and self._left.get(begun, 0) == 1 and self._variables.get(begun) == wanted
        value = self._use(raw, light=True)
        name = wanted if free else names.unique(wanted, self._live())
        self._variables[slot] = name
        if not free:
            self._emit(f"{name} = ", value)
        self._hold([slot])

    def _turn(self, item: TAction, scan: _Scan) -> None:
        self._flush()
        over = self._use(self._values[id(item)], light=True)
        self._hold(scan.kept)
        targets: list[str] = []
        for place in range(item.outputs):
            slot, hint = (item.key, place), item.action.hint
            wanted = hint[place] if hint else "part"
            used = slot in self._uses
            self._variables[slot] = names.unique(wanted, self._live() | set(targets)) if used else "_"
            targets.append(self._variables[slot])
        self.lines += layout(over, self.depth, f"for {', '.join(targets)} in ", ":")
        self.depth += 1
        self._shape, scan.line = None, len(self.lines)
        self._name_next(scan)

    def _name_next(self, scan: _Scan) -> None:
        """The next states are made in the variables of the states, where nothing behind reads these."""
        *body, end = scan.body
        made = self._values[id(end)]
        assert isinstance(made, Sequence)
        for state, item in zip(scan.states, made.items, strict=False):
            slot = item.value if isinstance(item, Ref) else None
            if slot is None or slot in self._variables or slot in self.template.aliases:
                continue
            at = next((n for n, s in enumerate(body) if isinstance(s, TAction) and s.key == slot[0]), None)
            if at is None:
                continue
            step = body[at]
            assert isinstance(step, TAction)
            later = [*body[at + 1 :], end]
            if step.action.mark is None and not step.when and not any(state in self._read(each) for each in later):
                self._variables[slot] = self._variables[state]

    def _read(self, step: TAction | TRound) -> list[Slot]:
        read = refs(self._values[id(step)])
        if isinstance(step, TRound):
            read += [begun for _, _, begun in step.carried]
            read += [slot for each in step.body for slot in self._read(each)]
        mark = step.action.mark if isinstance(step, TAction) else None
        if mark is not None and mark.kind == "loop":
            read += self._scans[mark.scan].read
        return read

    def _end(self, item: TAction, scan: _Scan) -> None:
        made = self._values[id(item)]
        assert isinstance(made, Sequence)
        count = len(scan.states)
        for slot, raw in zip(scan.lists, made.items[count:], strict=True):
            self._left[slot] -= 1
            self._emit("", call(f"{self._variables[slot]}.append", self._use(raw, light=True)))
        changed: list[tuple[str, Py]] = []
        for slot, raw in zip(scan.states, made.items, strict=False):
            name, value = self._variables[slot], self._use(raw, light=True)
            if not (isinstance(value, Name) and value.text == name):
                changed.append((name, value))
        self._flush()
        own = {name for name, _ in changed}
        if any(name in own - {target} for target, value in changed for name in _names(value)):
            targets, values = zip(*changed, strict=True)
            self._emit(f"{', '.join(targets)} = ", Sequence(tuple(values), "("), bare=True)
        else:
            for name, value in changed:
                self._emit(f"{name} = ", value)
        if len(self.lines) == scan.line:
            self._emit("pass", Name(""))
        self.depth -= 1
        self._shape = None
        self._hold([*scan.kept, *scan.states], -1)
        for place, slot in enumerate(scan.states):
            self._variables[item.key, place] = self._variables[slot]


def _names(value: Py) -> set[str]:
    return {node.text for node in walk(value) if isinstance(node, Name)}
