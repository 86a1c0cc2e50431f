"""The statements of a ``forward``: steps that not every instance has, loops, and what is returned."""

from __future__ import annotations

from dlspec.backends.torch.classes.resolve import variables
from dlspec.backends.torch.classes.template import TAction, TRound, all_steps
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Slot
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.clauses import comprehended
from dlspec.backends.torch.python.expressions import (
    Comprehension,
    IfElse,
    Name,
    Py,
    Sequence,
    call,
    rebuild,
)
from dlspec.backends.torch.python.layout import INDENT, flat, layout
from dlspec.backends.torch.text.scanning import Scanning
from dlspec.backends.torch.text.statements import GENERIC, INLINE_WIDTH, Pending, depth, refs

COMPREHENDED = 3
"""Calls inside each other that a comprehension may gather."""


class Forward(Scanning):
    """Writes the body of one forward."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._going: set[Slot] = set()  # what goes from turn to turn, and is held

    def write(self) -> list[str]:
        """The lines of the body."""
        run: list[TAction] = []
        for step in self.template.steps:
            if isinstance(step, TRound):
                self._run(run)
                self._round(step)
                run = []
            elif not step.action.training:
                run.append(step)
        self._run(run)
        training = [a for a in self.template.actions if a.action.training]
        if training or any(only for _, only in self._outputs):
            self._training(training)
        self._return([value for value, only in self._outputs if not only])
        return self.lines

    # Groups

    def _run(self, actions: list[TAction]) -> None:
        index = 0
        while index < len(actions):
            when = actions[index].when
            if when not in self.flags:
                self._act(actions[index])
                index += 1
                continue
            end = index
            while end < len(actions) and actions[end].when == when:
                end += 1
            self._optional(actions[index:end], self.flags[when])
            index = end

    def _optional(self, actions: list[TAction], flag: str) -> None:
        """Steps that not every instance has: what comes out is what flowed in where they are left out."""
        self._flush()
        if len(actions) == 1 and actions[0].outputs == 1 and self._choice(actions[0], flag):
            return
        made = {(action.key, position) for action in actions for position in range(action.outputs)}
        results = [slot for slot in made if slot in self.template.aliases]
        for slot in results:
            alias = self.template.aliases[slot]
            inside = sum(refs(self._values[id(action)]).count(alias) for action in actions)
            name = self._variables[alias]
            if self._left.get(alias, 0) > inside or name not in GENERIC:
                name = self._free()
                self._emit(f"{name} = ", Name(self._variables[alias]))
            self._variables[slot] = name
        self.lines.append(f"{INDENT * self.depth}if {flag}:")
        self.depth += 1
        for action in actions:
            self._act(action)
        self._flush()
        self.depth -= 1
        self._shape = None

    def _round(self, step: TRound) -> None:
        """A loop. What a turn takes from the one before is in one variable, before, inside and after."""
        if self._gathered(step):
            return
        self._flush()
        inside = [*all_steps(step.body)]
        made = {(each.key, place) for each in inside if isinstance(each, TAction) for place in range(each.outputs)}
        made |= {slot for slot, _, _ in step.carried}
        read = [slot for each in step.body for slot in self._read(each)]
        kept = [slot for slot in dict.fromkeys(read) if slot not in made]
        self._hold(kept)
        # Last the one that keeps the name, once the others have copies.
        for slot, of, begun in sorted(step.carried, key=lambda slots: self._wanted(slots) == self._variables[slots[2]]):
            self._carry(slot, of, begun, step)
        begun = [slot for slot in step.lists if slot not in self._variables]
        for slot in begun:
            self._variables[slot] = names.unique(self._plural(self._added(slot, step)), self._live())
            self._hold([slot])
            self._emit(f"{self._variables[slot]} = ", Sequence(()))
        values = [self._values[id(each)] for each in inside]
        target, iterable = variables(step.loop, self._use(self._values[id(step)], light=True), values)
        self.lines += layout(iterable, self.depth, f"for {target} in ", ":")
        self.depth += 1
        self._shape = None
        shape, self.shape = self.shape, _unsaid
        self._turn_of(step)
        self.shape = shape
        self.depth -= 1
        self._hold([*kept, *begun], -1)
        left = [of for _, of, _ in step.carried] + [of for slot, of in step.lists.items() if of != slot]
        self._hold(left, -2)

    def _turn_of(self, step: TRound) -> None:
        """The body of a loop, and what it leaves to the next turn."""
        for each in step.body:
            if isinstance(each, TRound):
                self._round(each)
            else:
                self._act(each)
        self._flush()
        for slot, of, _ in step.carried:
            if self._variables[of] != self._variables[slot]:
                self._emit(f"{self._variables[slot]} = ", Name(self._variables[of]))
                self._variables[of] = self._variables[slot]
        for slot, of in step.lists.items():
            if of != slot:
                self._emit("", call(f"{self._variables[slot]}.append", Name(self._variables[of])))

    def _added(self, slot: Slot, step: TRound) -> Slot:
        """What is added to a list in a loop, or in one inside of it."""
        if step.lists[slot] != slot:
            return step.lists[slot]
        return next(self._added(slot, each) for each in step.body if isinstance(each, TRound) and slot in each.lists)

    def _plural(self, of: Slot) -> str:
        """What a list is called by what is in it."""
        hint = self._made[of[0]].action.hint
        return f"{hint[of[1]] if hint else 'result'}s"

    def _gathered(self, step: TRound) -> bool:
        """A loop that does nothing but gather what its turns give in a list, as a comprehension, where that reads well."""
        if step.carried or len(step.lists) != 1:
            return False
        ((slot, of),) = step.lists.items()
        last = step.body[-1]
        if isinstance(last, TRound) or of != (last.key, 0) or self._uses[of] != 2:
            return False
        inside: dict[Slot, Py] = {}
        for action in step.body:
            if isinstance(action, TRound):
                return False
            raw = self._values[id(action)]
            plain = action.outputs == 1 and not action.action.augment and slot not in refs(raw)
            if not plain or (action is not last and self._uses.get((action.key, 0), 0) != 1):
                return False
            inside[action.key, 0] = _rebuilt(raw, inside)
        item, over = inside[of], self._values[id(step)]
        outside = [each for each in (*refs(item), *refs(over)) if each in self._pending]
        self._flush(outside)
        if depth(item) > COMPREHENDED or len(flat(self._put(item, {}))) > INLINE_WIDTH:
            return False
        target, iterable = variables(step.loop, self._taken(over), [item])
        value = _comprehended(self._taken(item), target, iterable)
        self._pending[slot] = Pending(value, False, (self._plural(of),), None)
        if self._uses.get(slot, 0) != 1:
            self._flush([slot])
        return True

    def _wanted(self, carried: tuple[Slot, Slot, Slot]) -> str:
        """The name of what goes from turn to turn: the author's, else that of the beginning."""
        _, of, begun = carried
        hint = self._made[of[0]].action.hint
        return hint[of[1]] if hint else self._variables[begun]

    def _carry(self, slot: Slot, of: Slot, begun: Slot, loop: TRound) -> None:
        """Gives what goes from turn to turn a variable: that of the beginning, where nothing else needs it."""
        known, wanted = self._variables[begun], self._wanted((slot, of, begun))
        if len(loop.carried) > 1 or any(each != name for name, each in loop.lists.items()):
            self._hold([slot])  # else another may take its name, once it is read for the last time in a turn
            self._going.add(slot)
        needed = self._left.get(begun, 0) - (begun in self._going) > 1
        if needed or (wanted != known and wanted not in GENERIC):
            self._variables[slot] = names.unique(wanted, self._live())
            self._emit(f"{self._variables[slot]} = ", Name(known))
        else:
            self._variables[slot] = known
        self._left[begun] -= 1
        steps = enumerate(loop.body)
        index = next((place for place, step in steps if isinstance(step, TAction) and step.key == of[0]), None)
        if index is not None and not any(slot in self._read(each) for each in loop.body[index + 1 :]):
            self._variables[of] = self._variables[slot]

    def _choice(self, item: TAction, flag: str) -> bool:
        """`a if flag else b`, where what is chosen between has other uses and keeps its name."""
        slot = (item.key, 0)
        alias = self.template.aliases.get(slot)
        raw = self._values[id(item)]
        if alias is None or (self._variables[alias] in GENERIC and self._left.get(alias, 0) <= refs(raw).count(alias)):
            return False
        value = IfElse(Name(flag), self._use(raw, item.action.light), Name(self._variables[alias]))
        if self._uses.get(slot, 0) == 1:
            self._pending[slot] = Pending(value, True, item.action.hint, raw)
        else:
            self._assign([slot], value, item.action.hint, raw)
        return True

    def _training(self, actions: list[TAction]) -> None:
        self._flush(keep=[slot for value, only in self._outputs if not only for slot in refs(value)])
        results = [slot for value, _ in self._outputs for slot in refs(value)]
        self._flush([slot for slot in self._pending if slot in results and self._uses[slot] > 1])
        self.lines.append(f"{INDENT * self.depth}if self.training:")
        self.depth += 1
        saved = dict(self._pending), dict(self._left), dict(self._variables)
        for action in actions:
            self._act(action)
        self._return([value for value, _ in self._outputs])
        self._pending, self._left, self._variables = saved
        self.depth -= 1

    def _return(self, outputs: list[Py]) -> None:
        for value in outputs:  # before any is taken, so that no variable of one is given to another
            self._settle(value, light=True, last=len(outputs) == 1)
        values = [self._taken(value) for value in outputs]
        if len(values) == 1:
            self._emit("return ", values[0])
        else:
            self._emit("return ", Sequence(tuple(values), "("), bare=True)


def _unsaid(slot: Slot) -> str | None:
    return None


def _rebuilt(value: Py, known: dict[Slot, Py]) -> Py:
    """The expression with what stands for some tensors."""
    if isinstance(value, Ref):
        return known.get(value.value, value)
    return rebuild(value, lambda inner: _rebuilt(inner, known))


def _comprehended(item: Py, target: str, iterable: Py) -> Comprehension:
    """The comprehension; one over what another only leaves or finds is one with its clauses."""
    if isinstance(iterable, Comprehension) and iterable.passes and (iterable.around or iterable.conditions):
        return comprehended(item, iterable.clauses)
    return Comprehension(item, target, iterable)
