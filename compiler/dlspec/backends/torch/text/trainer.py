"""The trainer of a train: a class with a method for each update, and one for a step of all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dlspec.backends.torch.classes.grouping import objective_names, rate_names
from dlspec.backends.torch.classes.objectives import averages
from dlspec.backends.torch.classes.resolve import Class
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Call,
    Clause,
    Comprehension,
    Const,
    Dictionary,
    Keyword,
    Name,
    Py,
    Sequence,
    Star,
    Subscript,
    Unary,
    call,
    method,
)
from dlspec.backends.torch.python.layout import INDENT, WIDTH, flat, layout, string
from dlspec.backends.torch.python.names import unique
from dlspec.backends.torch.text.docs import docstring, wrapped
from dlspec.backends.torch.text.frozen import member
from dlspec.backends.torch.text.trained import arguments, spoken
from dlspec.backends.torch.text.write import signature
from dlspec.ir.fields import Fielded
from dlspec.ir.node import Value
from dlspec.objectives.optimizers import Schedule
from dlspec.objectives.training import STEP, Training, Update

_OPTIMIZERS = "dict[str, torch.optim.Optimizer]"
_SCHEDULES = "dict[str, torch.optim.lr_scheduler.LRScheduler]"

_STATE = '''
    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on from here, but for random numbers and data."""
        return {
            "model": self.model.state_dict(),
            "optimizers": {name: item.state_dict() for name, item in self.optimizers.items()},
            "schedules": {name: item.state_dict() for name, item in self.schedules.items()},
            "steps": self.steps,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.model.load_state_dict(state["model"])
        for name, item in self.optimizers.items():
            item.load_state_dict(state["optimizers"][name])
        for name, item in self.schedules.items():
            item.load_state_dict(state["schedules"][name])
        self.steps = state["steps"]
'''

_BACKWARD = '''
    def backward(self, objective: Tensor, parameters: list[nn.Parameter]) -> None:
        """Add the gradients of an objective to those of the parameters, and to no others."""
        objective.backward(inputs=parameters)
'''


_SEEN = '''
    def seen(self, objective: Tensor) -> Tensor:
        """Return an objective as schedules see it."""
        return objective
'''


class TrainerWriter:
    """Writes the trainer of one train."""

    def __init__(self, made: Class, training: Training) -> None:
        self.made = made
        self.training = training
        self.module = made.modules[0]
        self.objectives = objective_names(training)
        self.rates = rate_names(training)

    def write(self) -> list[str]:
        lines = [f"class {self.made.trainer}:", *self._doc(), *self._constructor(), *_BACKWARD.strip("\n").split("\n")]
        if any(update.schedule is not None and update.schedule.looks for update in self.training.updates):
            lines += _SEEN.rstrip().split("\n")
        for update in self.training.updates:
            lines += ["", *self._update(update)]
        return [*lines, "", *self._step(), *_STATE.rstrip().split("\n")]

    def _doc(self) -> list[str]:
        title = f"Trains {self.made.name}. A step is made of these updates, in this order:"
        updates: list[str] = []
        for number, update in enumerate(self.training.updates, 1):
            updates += wrapped(f"{number}. {update.span.text}", " " * 3)
        return docstring([[title], updates])

    def _constructor(self) -> list[str]:
        lines = [
            *signature("__init__", ["self", f"model: {self.made.name}"], "None"),
            f"{INDENT * 2}self.model = model",
            f"{INDENT * 2}self.steps = 0",
        ]
        updates = self.training.updates
        parameters = {update.name: self._parameters(update) for update in updates}
        optimizers = {u.name: self._optimizer(u) for u in updates}
        schedules = {u.name: self._schedule(u, u.schedule) for u in updates if u.schedule is not None}
        groups = {u.name: self._groups(u) for u in updates if u.splits}
        if groups:
            lines += layout(Dictionary(tuple(groups), tuple(groups.values())), 2, "groups = ")
        for name, kind, items in (
            ("parameters", "dict[str, list[nn.Parameter]]", parameters),
            ("optimizers", _OPTIMIZERS, optimizers),
            ("schedules", _SCHEDULES, schedules),
        ):
            lines += layout(Dictionary(tuple(items), tuple(items.values())), 2, f"self.{name}: {kind} = ")
        return [*lines, ""]

    def _optimizer(self, update: Update) -> Py:
        always = () if update.rate is not None else ("lr",)
        updated = Subscript(Name("groups"), (Const(update.name),)) if update.splits else self._own("parameters", update)
        return _torch("torch.optim", update.optimizer, updated, always)

    def _groups(self, update: Update) -> Py:
        """The groups of parameters of an optimizer."""
        parts: list[Py] = []
        for group in update.groups:
            own = [key for key in group.own if key != "lr" or group.rate is None]
            parts.append(Dictionary(tuple(own), tuple(Const(getattr(group.optimizer, key)) for key in own)))
        spared = Keyword("decay_vectors", Const(update.decay == "all"), True)
        return Call(Name("param_groups"), (Name("model"), Dictionary(update.over, tuple(parts))), (spared,))

    def _schedule(self, update: Update, schedule: Schedule) -> Py:
        if schedule.looks and update.direction == "maximize" and getattr(schedule, "mode", "") is None:
            schedule = schedule.changed(mode="max")

        def written(value: Any) -> Py:
            inner = schedule.inner if value is schedule.inner else ()
            return Sequence(tuple(self._schedule(update, part) for part in inner)) if inner else Const(value)

        return _torch("torch.optim.lr_scheduler", schedule, self._own("optimizers", update), written=written)

    def _parameters(self, update: Update) -> Py:
        """The weights of what is updated, as a list."""
        if update.splits:
            groups = Subscript(Name("groups"), (Const(update.name),))
            inside = Subscript(Name("group"), (Const("params"),))
            return Comprehension(Name("parameter"), "parameter", inside, around=(Clause("group", groups),))
        if self.training.picks(update):
            return call("parameters_of", Name("model"), *map(Const, update.over))
        found: list[Py] = []
        for label in update.over:
            reached = member(self.module, label, "model")
            weight = self.training.networks[label].declaration == "param"
            found.append(reached if weight else Star(method(reached, "parameters")))
        if len(found) == 1 and isinstance(found[0], Star):
            return call("list", found[0].value)
        return Sequence(tuple(found))

    def _own(self, attribute: str, update: Update) -> Py:
        return Subscript(Name(f"self.{attribute}"), (Const(update.name),))

    # Updates

    def _update(self, update: Update) -> list[str]:
        name = self.objectives[update.name]
        inputs = arguments(self.made.methods[name].plans[0])
        given = [argument for argument, value in inputs if value.name != STEP]
        parameters = unique("parameters", given)
        objective = unique("objective", given)
        optimizer = self._own("optimizers", update)
        device = Attribute(Subscript(Name(parameters), (Const(0),)), "device")
        steps = call(
            "torch.full", Sequence((), "("), Name("self.steps"), device=device
        )  # made there, with no copy to wait for
        passed = [steps if value.name == STEP else Name(argument) for argument, value in inputs]
        up = Unary("-", Name(objective)) if update.direction == "maximize" else Name(objective)
        lines = [
            *signature(f"update_{update.name}", ["self", *(f"{name}: Tensor" for name in given)], "Tensor"),
            *docstring([wrapped(spoken(update), width=WIDTH - 14)], 2),
            *layout(self._own("parameters", update), 2, f"{parameters} = "),
            *self._rate(update, given),
        ]
        computed = call(f"self.model.{name}", *passed)

        def gradients(depth: int) -> list[str]:
            return [
                *layout(computed, depth, f"{objective} = "),
                *layout(method(optimizer, "zero_grad"), depth),
                *layout(call("self.backward", up, Name(parameters)), depth),
                *self._clipped(update, parameters, depth),
            ]

        if update.optimizer.searches:
            closure = unique("closure", given)
            stepped = method(optimizer, "step", Name(closure))
            lines += [
                "",
                f"{INDENT * 2}def {closure}() -> Tensor:",
                *gradients(3),
                f"{INDENT * 3}return {flat(up)}",
                "",
                *layout(Unary("-", stepped) if update.direction == "maximize" else stepped, 2, f"{objective} = "),
            ]
        else:
            lines += [*gradients(2), *layout(method(optimizer, "step"), 2)]
        lines += self._clamped(update, parameters, given)
        if update.schedule is not None:
            seen = [call("self.seen", method(Name(objective), "detach"))] if update.schedule.looks else []
            lines += layout(method(self._own("schedules", update), "step", *seen), 2)
        lines += self._followed(update)
        return [*lines, f"{INDENT * 2}return {objective}.detach()"]

    def _rate(self, update: Update, given: list[str]) -> list[str]:
        """What gives the optimizer its rate for this step."""
        rates = {part.path: part.rate for part in update.groups if part.rate is not None}
        if not rates:
            return []
        rate, group = unique("rate", given), unique("group", given)
        over = f"{INDENT * 2}for {group} in {flat(self._own('optimizers', update))}.param_groups:"
        if len(rates) == len(update.groups) and len(set(rates.values())) == 1:
            return [
                *layout(self._computed(update.groups[0].rate), 2, f"{rate} = "),
                over,
                f'{INDENT * 3}{group}["lr"] = {rate}',
            ]
        computed = Dictionary(tuple(rates), tuple(self._computed(each) for each in rates.values()))
        return [
            *layout(computed, 2, f"{rate}s = "),
            over,
            f'{INDENT * 3}{group}["lr"] = {rate}s.get({group}["part"], {group}["lr"])',
        ]

    def _computed(self, rate: Value | None) -> Py:
        """A rate of this step."""
        assert rate is not None
        name = self.rates[rate]
        inputs = arguments(self.made.methods[name].plans[0])
        steps = [call("torch.tensor", Name("self.steps")) for _ in inputs]
        return call("float", call(f"self.model.{name}", *steps))

    def _clipped(self, update: Update, parameters: str, depth: int) -> list[str]:
        lines: list[str] = []
        for what in ("norm", "value"):
            limit = getattr(update.limits, f"clip_grad_{what}")
            if limit is not None:
                lines += layout(call(f"nn.utils.clip_grad_{what}_", Name(parameters), Const(limit)), depth)
        return lines

    def _clamped(self, update: Update, parameters: str, given: list[str]) -> list[str]:
        limit = update.limits.clip_weights
        if limit is None:
            return []
        one = unique("parameter", given)
        return [
            f"{INDENT * 2}with torch.no_grad():",
            f"{INDENT * 3}for {one} in {parameters}:",
            f"{INDENT * 4}{flat(call(f'{one}.clamp_', Const(-limit), Const(limit)))}",
        ]

    def _followed(self, update: Update) -> list[str]:
        lines: list[str] = []
        for label, source in averages(self.training, self.module).items():
            if source in update.networks:
                ends = [member(self.module, name, "self.model") for name in (label, source)]
                lines += layout(call("follow", *ends, Const(self.training.networks[label].decay)), 2)
        return lines

    # A step

    def _step(self) -> list[str]:
        lines = [
            *signature("step", ["self", "batches: Iterator[dict[str, Tensor]]"], "dict[str, Tensor]"),
            f'{INDENT * 2}"""Make all updates on the next batch, and return their objectives by name."""',
            f"{INDENT * 2}batch = next(batches)",
            f"{INDENT * 2}objectives: dict[str, Tensor] = {{}}",
        ]
        for update in self.training.updates:
            inputs = arguments(self.made.methods[self.objectives[update.name]].plans[0])
            data = [Subscript(Name("batch"), (Const(value.name),)) for _, value in inputs if value.name != STEP]
            target = f"objectives[{string(update.name)}] = "
            made = call(f"self.update_{update.name}", *data)
            if update.times == 1:
                lines += layout(made, 2, target)
            else:
                lines += [
                    f"{INDENT * 2}for repeat in range({update.times}):",
                    f"{INDENT * 3}batch = next(batches) if repeat else batch",
                    *layout(made, 3, target),
                ]
        return [*lines, f"{INDENT * 2}self.steps += 1", f"{INDENT * 2}return objectives"]


def _torch(
    module: str, made: Fielded, first: Py, always: tuple[str, ...] = (), written: Callable[[Any], Py] = Const
) -> Py:
    """The constructor call of a class of PyTorch that is described by its fields."""
    keywords: list[Keyword] = []
    for field in made.fields:
        default: Any = ... if field.required or field.name in always else field.converted_default
        keywords.append(Keyword(field.name, written(getattr(made, field.name)), default))
    return Call(Name(f"{module}.{type(made).__name__}"), (first,), tuple(keywords))
