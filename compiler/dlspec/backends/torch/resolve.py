"""What each constant of a class is written as, and so which parameters its constructor takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dlspec.backends.torch import names
from dlspec.backends.torch.express import ANY, NotExpressible, Text, agree, evaluate, express, restated
from dlspec.backends.torch.layout import flat
from dlspec.backends.torch.plan import Plan
from dlspec.backends.torch.python import (
    Call,
    Comprehension,
    Const,
    IfElse,
    Keyword,
    Name,
    Py,
    Sequence,
    Star,
    call,
    rebuild,
    walk,
)  # fmt: skip
from dlspec.backends.torch.template import Hole, Makes, Optional, Rolled, SequentialOf, Template
from dlspec.backends.torch.tree import Module
from dlspec.ops import OPERATORS

_SIZED: dict[str, tuple[int, ...]] = {
    f"nn.{op.torch.removesuffix('{n}d')}": op.torch_sizes for op in OPERATORS if op.torch and op.torch_sizes
}
"""Which arguments of layers are channels."""


@dataclass(eq=False)
class Class:
    """A class of the generated file.

    ``parameters`` are those of its constructor, ``locals`` what its constructor computes first, ``attributes`` the
    constants its ``forward`` needs. That of a train has ``methods`` instead of a forward, and a ``trainer``.
    """

    name: str
    template: Template
    parameters: list[str] = field(default_factory=list[str])
    locals: dict[str, Py] = field(default_factory=dict[str, Py])
    attributes: dict[str, Py] = field(default_factory=dict[str, Py])
    methods: dict[str, Template] = field(default_factory=dict[str, Template])
    trainer: str = ""

    @property
    def modules(self) -> list[Module]:
        return [plan.module for plan in self.template.plans]

    @property
    def text(self) -> Text | None:
        return self.template.text

    def default(self, parameter: str) -> Any:
        """The default of a parameter in the spec, or `ANY`."""
        return ANY if self.text is None else self.text.defaults.get(parameter, ANY)

    def local(self, name: str) -> Py | None:
        """What the body of the block binds a name to, if it is no parameter."""
        if self.text is None or name in self.text.parameters:
            return None
        return self.text.locals.get(name)


class Resolver:
    """Fills the holes of classes. ``plans`` and ``class_of`` are by module."""

    def __init__(self) -> None:
        self.plans: dict[Module, Plan] = {}
        self.class_of: dict[Module, Class] = {}

    def resolve(self, made: Class) -> None:
        """Finds the parameters of the constructor, which grow until all that is inside can be written."""
        while True:
            before = list(made.parameters)
            used: dict[str, None] = {}
            made.locals.clear()
            made.attributes.clear()
            for value in _values(made):
                self._collect(self.constant(value, made), made, used)
            for action in made.template.actions:
                for name in _attribute_values(made, action.value, self):
                    self._collect(name, made, used)
            for flag in self.flags(made).values():
                self._collect(flag, made, used)
            made.parameters = _ordered(used, made)
            if made.parameters == before:
                return

    def _collect(self, value: Py, made: Class, used: dict[str, None]) -> None:
        known = made.template.plans[0].env
        for node in walk(value):
            if isinstance(node, Name) and node.text in known and node.text != "i":
                local = made.local(node.text)
                if local is not None:
                    self._collect(local, made, used)  # what it is made of is computed before it
                    made.locals[node.text] = local
                else:
                    used[node.text] = None

    def constant(self, value: Py, made: Class) -> Py:
        """An expression of the constructor with its holes filled."""
        match value:
            case Hole():
                return self.hole(value, made)
            case Makes():
                return self._made(value, made)
            case SequentialOf():
                return self.sequential(value, made)
            case Call(function=Name(text=called), args=args) if called.rstrip("123d") in _SIZED:
                sized = _SIZED[called.rstrip("123d")]
                filled = tuple(
                    self._size(arg, made, "in_channels" if index == 0 and len(sized) > 1 else "out_channels")
                    if index in sized
                    else self.constant(arg, made)
                    for index, arg in enumerate(args)
                )
                keywords = tuple(Keyword(k.name, self.constant(k.value, made), k.default) for k in value.keywords)
                return Call(value.function, filled, keywords)
            case _:
                return rebuild(value, lambda inner: self.constant(inner, made))

    def _size(self, value: Py, made: Class, name: str) -> Py:
        """Channels of a layer: by the parameters that the class has anyway, where the spec says so."""
        if isinstance(value, Hole):
            value = Hole(value.values, value.envs, name)
        filled = self.constant(value, made)
        if isinstance(value, Hole) and isinstance(filled, Const) and made.text is not None:
            declared = made.text.parameters if len(made.template.plans) > 1 else made.parameters
            return restated(value.values, value.envs, made.text, {*declared, *made.parameters}) or filled
        return filled

    def hole(self, hole: Hole, made: Class) -> Py:
        try:
            return express(hole.values, hole.envs, made.text, hole.name)
        except NotExpressible:
            if hole.envs[0] is not made.template.plans[0].env:
                raise
        return self._own_parameter(hole, made)

    def _own_parameter(self, hole: Hole, made: Class) -> Py:
        known = made.template.plans[0].env
        name = names.unique(names.variable(hole.name or "value"), known)
        default = next(value for value in hole.values if value is not ANY)
        for plan, value in zip(made.template.plans, hole.values, strict=True):
            plan.env[name] = default if value is ANY else value
        return Name(name)

    def _made(self, makes: Makes, made: Class) -> Py:
        child = next(self.class_of[module] for module in makes.modules if module is not None)
        args: list[Py] = []
        keywords: list[Keyword] = []
        for parameter in child.parameters:
            values = tuple(ANY if m is None else self.plans[m].env[parameter] for m in makes.modules)
            value = self.hole(Hole(values, makes.envs, parameter), made)
            passed_on = made.text is not None and parameter in made.text.parameters and len(made.template.plans) > 1
            if passed_on and isinstance(value, Const) and agree(Name(parameter), makes.envs, values):
                value = Name(parameter)
            default = child.default(parameter)
            if default is ANY:
                args.append(value)
            else:
                keywords.append(Keyword(parameter, value, default))
        return Call(Name(child.name), tuple(args), tuple(keywords))

    def sequential(self, value: SequentialOf, made: Class) -> Py:
        if value.named:
            items, single = self._named_items(value, made)
            if single is not None:
                return call("nn.Sequential", call("OrderedDict", single))
            return call("nn.Sequential", call("OrderedDict", Sequence(tuple(items))))
        return Call(Name("nn.Sequential"), tuple(self.items(value.items, made)))

    def _named_items(self, value: SequentialOf, made: Class) -> tuple[list[Py], Py | None]:
        items: list[Py] = []
        for label, inner in value.items:
            if isinstance(inner, Rolled):
                assert inner.label is not None
                pair = Sequence((inner.label, self.constant(inner.items[0], made)), "(")
                loop = call("range", self.constant(inner.count, made))
                if len(value.items) == 1:
                    return [], Comprehension(pair, "i", loop, "")
                items.append(Star(Comprehension(pair, "i", loop)))
            else:
                items.append(Sequence((Const(label), self.constant(inner, made)), "("))
        return items, None

    def items(self, items: Iterable[tuple[str, Py]], made: Class) -> list[Py]:
        """The arguments of ``nn.Sequential``; three equal ones in a row or more are made in a loop."""
        result: list[Py] = []
        texts: list[str] = []
        for _, value in items:
            if isinstance(value, Rolled):
                result.append(self._rolled(value, made))
                texts.append("")
            elif isinstance(value, Optional):
                inner = Sequence(tuple(self.items(value.items, made)))
                result.append(Star(IfElse(self.constant(value.condition, made), inner, Sequence(()))))
                texts.append("")
            else:
                result.append(self.constant(value, made))
                texts.append(flat(result[-1]))
        return list(_runs(result, texts))

    def _rolled(self, value: Rolled, made: Class) -> Py:
        parts = [self.constant(item, made) for item in value.items]
        indexed = any(isinstance(node, Name) and node.text == "i" for part in parts for node in walk(part))
        loop = call("range", self.constant(value.count, made))
        if len(parts) == 1:
            return Star(Comprehension(parts[0], "i" if indexed else "_", loop))
        return Star(Comprehension(Name("layer"), "layer", Sequence(tuple(parts), "("), times=loop))

    def attribute(self, hole: Hole, made: Class) -> Py:
        """A constant in a forward: a literal, or an attribute that the constructor sets."""
        value = self.hole(hole, made)
        if isinstance(value, Const):
            return value
        for name, known in made.attributes.items():
            if flat(known) == flat(value):
                return Name(f"self.{name}")
        kind = "scale" if any(isinstance(number, float) for number in hole.values) else "size"
        wanted = value.text if isinstance(value, Name) else names.variable(hole.name or kind)
        members = {member.label for member in made.template.members}
        name = names.unique(wanted, {*members, *made.attributes, *names.RESERVED})
        made.attributes[name] = value
        return Name(f"self.{name}")

    def flags(self, made: Class) -> dict[tuple[bool, ...], Py]:
        """The conditions of what not every module of a class has, by the modules that have it."""
        patterns = [m.present for m in made.template.members] + [a.present for a in made.template.actions]
        return {
            present: self.hole(Hole(present, made.template.envs, "enabled"), made)
            for present in dict.fromkeys(patterns)
            if not all(present)
        }


def add_locals(plan: Plan, text: Text | None) -> None:
    if text is None:
        return
    env: Any = plan.env
    for name, value in text.locals.items():
        if name not in env:
            try:
                env[name] = evaluate(value, env)
            except NotExpressible:
                continue


def _values(made: Class) -> Iterator[Py]:
    template = made.template
    if template.chain is not None:
        yield template.chain
    for member in template.members:
        yield member.value
    yield from template.inits


def _attribute_values(made: Class, value: Py, library: Resolver) -> Iterator[Py]:
    for node in walk(value):
        if isinstance(node, Hole):
            library.attribute(node, made)
    yield from made.attributes.values()


def _ordered(used: Iterable[str], made: Class) -> list[str]:
    declared = made.text.parameters if made.text else []
    sizes = [name for name in made.template.plans[0].env if name.endswith(("_channels", "_features"))]
    order = [*dict.fromkeys([*sizes, *declared, *made.template.plans[0].env])]
    names_ = sorted(used, key=order.index)
    return sorted(names_, key=lambda name: made.default(name) is not ANY)


def _runs(values: list[Py], texts: list[str]) -> Iterator[Py]:
    index = 0
    while index < len(values):
        end = index + 1
        while texts[index] and end < len(values) and texts[end] == texts[index]:
            end += 1
        if end - index > 2:
            yield Star(Comprehension(values[index], "_", call("range", Const(end - index))))
        else:
            yield from values[index:end]
        index = end
