"""What each class takes, and the text of what it makes: names for what is known by name."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from dlspec.backends.torch.classes.levels import Mismatch
from dlspec.backends.torch.classes.template import Makes, Optional, Rolled, SequentialOf, Template, TLoop
from dlspec.backends.torch.classes.unify import unified
from dlspec.backends.torch.plans.plan import Plan
from dlspec.backends.torch.plans.tree import Module
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.computing import of_list, tupled
from dlspec.backends.torch.python.evaluate import Unwritten, is_constant
from dlspec.backends.torch.python.expressions import (
    Call,
    Clause,
    Comprehension,
    Const,
    IfElse,
    Keyword,
    Name,
    Own,
    Py,
    Sequence,
    Star,
    Subscript,
    call,
    rebuild,
    walk,
)  # fmt: skip
from dlspec.backends.torch.python.layout import flat
from dlspec.backends.torch.python.sums import written_out
from dlspec.backends.torch.python.symbols import ClassOf, Each, Leaf, Listed, Sum, leaves, own_member
from dlspec.backends.torch.python.targets import kept
from dlspec.ir.dims import Expr
from dlspec.syntax import ast

ANY: Any = object()
"""The default of a parameter that has none."""


@dataclass(eq=False)
class Class:
    """A class of the generated file.

    ``parameters`` are those of its constructor by the key of their leaf, ``locals`` what its constructor computes first,
    ``attributes`` the constants its ``forward`` needs. That of a train has ``methods`` instead of a forward, and a
    ``trainer``.
    """

    name: str
    template: Template
    parameters: dict[Any, Leaf] = field(default_factory=dict[Any, Leaf])
    names: dict[Any, str] = field(default_factory=dict[Any, str])
    locals: dict[Any, Leaf] = field(default_factory=dict[Any, Leaf])
    attributes: dict[str, Py] = field(default_factory=dict[str, Py])
    methods: dict[str, Template] = field(default_factory=dict[str, Template])
    trainer: str = ""

    @property
    def modules(self) -> list[Module]:
        return [plan.module for plan in self.template.plans]

    def is_of(self, declaration: object) -> bool:
        """Whether it is made of a declaration as a whole."""
        template = self.modules[0].scope.template
        return template is not None and template.declaration is declaration

    @property
    def doc(self) -> str:
        """The comment above the declaration."""
        template = self.modules[0].declaration.template
        return "" if template is None else template.doc

    @cached_property
    def running(self) -> dict[Any, Leaf]:
        """What the forward knows by name."""
        found: dict[Any, Leaf] = {}
        for value in _running(self.template):
            for leaf in leaves(value):
                if leaf.key[0] not in ("shape", "comprehended"):
                    found.setdefault(leaf.key, leaf)
        return found

    def default(self, leaf: Leaf) -> Any:
        """The default of a parameter in the spec, or `ANY`. That of a network's setting is its value."""
        module = self.modules[0]
        if leaf.key[0] != "name" or leaf.key[1] != 0 or module.scope is not module.declaration:
            return ANY
        root = next((m.scope for m in self.modules if m.parent is None), None)
        if root is not None:
            return tupled(root.arguments[leaf.key[2]])
        for parameter in module.declaration.template.parameters if module.declaration.template else ():
            if parameter.name.name == leaf.key[2] and parameter.default is not None:
                return _plain(parameter.default)
        return ANY


class Resolver:
    """Finds the parameters of classes and fills in their names. ``plans`` and ``class_of`` are by module."""

    def __init__(self) -> None:
        self.plans: dict[Module, Plan] = {}
        self.class_of: dict[Module, Class] = {}
        self._arguments: dict[Makes, tuple[list[Any], list[Py]]] = {}

    def resolve(self, made: Class) -> None:
        """Finds the parameters of the constructor: what is known by name in all that is inside."""
        template = made.template
        found: dict[Any, Leaf] = {}
        for value in _values(template):
            self._collect(value, found)
        for flag in template.flags.values():
            self._collect(flag, found)
        for key, leaf in made.running.items():
            found.setdefault(key, leaf)
        made.locals = {key: leaf for key, leaf in found.items() if leaf.definition is not None}
        taken = {key: leaf for key, leaf in found.items() if leaf.definition is None}
        made.parameters = {leaf.key: leaf for leaf in self._ordered(taken.values(), made)}
        made.names = {}
        looping = {name for member in template.members for loop in member.loops for name in loop.names}
        for key, leaf in [*made.parameters.items(), *made.locals.items()]:
            made.names[key] = names.unique(leaf.name, {*made.names.values(), *looping})

    def _collect(self, value: Py, found: dict[Any, Leaf]) -> None:
        for inner in _parts(value):
            if isinstance(inner, Makes):
                for argument in self.arguments(inner):
                    self._collect(argument, found)
            else:
                for leaf in leaves(inner):
                    if leaf.key[0] != "comprehended":
                        found.setdefault(leaf.key, leaf)

    def _ordered(self, taken: Iterable[Leaf], made: Class) -> list[Leaf]:
        """Sizes of what flows in, then the block's own parameters in their order, then what is around it; those with
        defaults last."""
        template = made.modules[0].declaration.template
        declared = [p.name.name for p in template.parameters] if template else []

        def place(leaf: Leaf) -> tuple[Any, ...]:
            if leaf.key[0] == "size":
                return (0, *leaf.key[1:])
            known = leaf.key[0] == "name" and leaf.key[1] == 0 and leaf.key[2] in declared
            return (1, declared.index(leaf.key[2])) if known else (2,)

        return sorted(sorted(taken, key=place), key=lambda leaf: made.default(leaf) is not ANY)

    # Constructors

    def constant(self, value: Py, made: Class) -> Py:
        """An expression of the constructor with names filled in."""
        match value:
            case Leaf():
                return Name(value.name if value.key[0] == "comprehended" else made.names[value.key])
            case Sum():
                return self.constant(written_out(value), made)
            case Own():
                return _reached(self.constant(value.label, made), value.numbered)
            case Makes():
                return self._made(value, made)
            case SequentialOf():
                return self.sequential(value, made)
            case IfElse():
                choice = IfElse(*(self.constant(part, made) for part in (value.condition, value.then, value.otherwise)))
                return choice.then if flat(choice.then) == flat(choice.otherwise) else choice
            case _:
                return rebuild(value, lambda inner: self.constant(inner, made))

    def arguments(self, makes: Makes) -> list[Py]:
        """What is given where modules are made, in the order of the class's parameters. Raises `Mismatch` where that is
        not one text."""
        child = self.class_of.get(makes.made[0].module)
        if child is None:
            return []
        asked, known = list(child.parameters), self._arguments.get(makes)
        if known is None or known[0] != asked:
            known = self._arguments[makes] = asked, self._bound(makes, child)
        return known[1]

    def _bound(self, makes: Makes, child: Class) -> list[Py]:
        found: list[Py] = []
        for leaf in child.parameters.values():
            written: list[Py] = []
            for each in makes.made:
                author = self.plans[each.maker].author
                try:
                    written.append(author.bound(leaf, each.use, each.maker))
                except Unwritten:
                    self.plans[each.maker].hinges.update(author.settings.behind_leaf(leaf, each.use))
                    written.append(_constant(author.value(leaf, each.use)))
            found.append(unified(written, makes.turns, makes.loops))
        return found

    def _made(self, makes: Makes, made: Class) -> Py:
        child = self.class_of[makes.made[0].module]
        args: list[Py] = []
        keywords: list[Keyword] = []
        for leaf, value in zip(child.parameters.values(), self.arguments(makes), strict=True):
            filled = self.constant(value, made)
            default = child.default(leaf)
            if default is ANY:
                args.append(filled)
            else:
                keywords.append(Keyword(child.names[leaf.key], filled, default))
        return Call(Name(child.name), tuple(args), tuple(keywords))

    def sequential(self, value: SequentialOf, made: Class) -> Py:
        if value.listed:
            items = self.items(value.items, made)
            alone = items[0].value if len(items) == 1 and isinstance(items[0], Star) else None
            return call("nn.ModuleList", alone if isinstance(alone, Comprehension) else Sequence(tuple(items)))
        if value.named:
            items, single = self._named_items(value, made)
            if single is not None:
                return call("nn.Sequential", call("OrderedDict", single))
            labels = [name.value for name, _ in value.items if isinstance(name, Const)]
            if len(labels) == len(value.items) and all(map(_is_keyword_argument, labels)):
                named = tuple(
                    Keyword(label, self.constant(inner, made))
                    for label, (_, inner) in zip(labels, value.items, strict=True)
                )
                return call("nn.Sequential", Call(Name("OrderedDict"), (), named))
            return call("nn.Sequential", call("OrderedDict", Sequence(tuple(items))))
        return Call(Name("nn.Sequential"), tuple(self.items(value.items, made)))

    def _named_items(self, value: SequentialOf, made: Class) -> tuple[list[Py], Py | None]:
        items = [
            Star(self._comprehension(inner, made, named=True))
            if isinstance(inner, Rolled)
            else self._pair(name, inner, made)
            for name, inner in value.items
        ]
        alone = items[0].value if len(items) == 1 and isinstance(items[0], Star) else None
        return ([], replace(alone, opening="")) if isinstance(alone, Comprehension) else (items, None)

    def _pair(self, name: Py, value: Py, made: Class) -> Py:
        return Sequence((self.constant(name, made), self.constant(value, made)), "(")

    def items(self, items: Iterable[tuple[Py, Py]], made: Class) -> list[Py]:
        """The arguments of ``nn.Sequential``; three equal ones in a row or more are made in a loop."""
        result: list[Py] = []
        texts: list[str] = []
        for _, value in items:
            if isinstance(value, Rolled):
                result.append(Star(self._comprehension(value, made)))
                texts.append("")
            elif isinstance(value, Optional):
                inner, other = (Sequence(tuple(self.items(part, made))) for part in (value.items, value.otherwise))
                result.append(Star(IfElse(self.constant(value.condition, made), inner, other)))
                texts.append("")
            else:
                result.append(self.constant(value, made))
                texts.append(flat(result[-1]))
        return list(_runs(result, texts))

    def _comprehension(self, rolled: Rolled, made: Class, named: bool = False) -> Comprehension:
        """What the turns of a loop make, in one list; ``named`` as pairs of a name and a layer."""
        parts = [
            Star(self._comprehension(value, made, named))
            if isinstance(value, Rolled)
            else self._pair(name, value, made)
            if named
            else self.constant(value, made)
            for name, value in rolled.items
        ]
        target, loop = variables(rolled, self.constant(rolled.iterable, made), [Sequence(tuple(parts), "(")])
        match parts:
            case [Star(value=Comprehension() as inner)]:
                return replace(inner, around=(Clause(target, loop), *inner.around))
            case [part]:
                return Comprehension(part, target, loop)
            case _:
                around = (Clause(target, loop),)
                return Comprehension(Name("layer"), "layer", Sequence(tuple(parts), "("), around=around)

    # Forwards

    def name_attributes(self, made: Class) -> None:
        """Finds what the forward needs of the constructor."""
        for value in _running(made.template):
            self.forward(value, made)

    def forward(self, value: Py, made: Class) -> Py:
        """An expression of the forward: what the constructor knows by name is an attribute."""
        match value:
            case Leaf() if value.key[0] == "shape":
                assert value.definition is not None
                return self.forward(value.definition, made)
            case Leaf() if value.key[0] == "comprehended":
                return Name(value.name)
            case Leaf():
                return Name(f"self.{self._attribute(value, made)}")
            case Sum():
                return self.forward(written_out(value), made)
            case Own():
                return _reached(self.forward(value.label, made), value.numbered)
            case ClassOf():
                return self._class_of(value)
            case Each():
                return self.forward(value.direct.make(), made)
            case Listed():
                return self.forward(value.said, made)
            case _:
                return rebuild(value, lambda inner: self.forward(inner, made))

    def _class_of(self, value: ClassOf) -> Py:
        classes = {made.name: Name(made.name) for made in self.class_of.values() if made.is_of(value.declaration)}
        return next(iter(classes.values())) if len(classes) == 1 else Sequence(tuple(classes.values()), "(")

    def _attribute(self, leaf: Leaf, made: Class) -> str:
        named = made.names[leaf.key]
        for name, known in made.attributes.items():
            if isinstance(known, Name) and known.text == named:
                return name
        members = {member.label for member in made.template.members}
        name = names.unique(named, {*members, *made.attributes, *names.RESERVED})
        made.attributes[name] = Name(named)
        return name


def _reached(label: Py, numbered: bool) -> Py:
    """A member of the class by its label."""
    if isinstance(label, Const):
        return own_member(label, numbered)
    return Subscript(Name("self"), (label,)) if numbered else call("getattr", Name("self"), label)


def variables(loop: Rolled | TLoop, iterable: Py, body: Iterable[Py]) -> tuple[str, Py]:
    """The variables of a loop, as far as they are used, and what it runs over."""
    used = {node.text for value in body for node in walk(value) if isinstance(node, Name)}
    targets = [kept(target, used) for target in loop.targets]
    if loop.index in used and loop.index not in loop.targets:
        if not targets:
            return loop.index, iterable
        if set(targets) == {"_"}:
            return loop.index, _counting(iterable)
        inner = targets[0] if len(targets) == 1 else f"({', '.join(targets)})"
        return f"{loop.index}, {inner}", call("enumerate", iterable)
    match targets, iterable:
        case (["_", *others], Call(function=Name(text="enumerate"), args=(counted,))) if others:
            return ", ".join(others), counted
        case ([index, "_"], Call(function=Name(text="enumerate"), args=(counted,))) if index != "_":
            return index, _counting(counted)
        case (_, Call(function=Name(text="zip"), args=args)) if len(args) == len(targets) and "_" in targets:
            return _together([pair for pair in zip(targets, args, strict=True) if not _stands_for_tensors(*pair)])
        case _:
            return ", ".join(targets) or "_", iterable


def _together(pairs: list[tuple[str, Py]]) -> tuple[str, Py]:
    targets, args = zip(*pairs, strict=True)
    return ", ".join(targets), args[0] if len(args) == 1 else call("zip", *args)


def _stands_for_tensors(target: str, value: Py) -> bool:
    """Whether nobody asks for what stands beside the rest only because a forward runs over tensors there."""
    return target == "_" and isinstance(value, Const) and set(value.value) == {0}


def _counting(iterable: Py) -> Py:
    """The numbers of the turns of a loop over something; `zip` has no length of its own."""
    match iterable:
        case Const():
            return call("range", Const(len(iterable.value)))
        case Call(function=Name(text="zip"), args=(first, *_)):
            return _counting(first)
        case _:
            return call("range", of_list(call("len", iterable)))


def _values(template: Template) -> Iterator[Py]:
    if template.chain is not None:
        yield template.chain
    for member in template.members:
        yield from (loop.iterable for loop in member.loops)
        yield member.name
        yield member.value
    yield from template.inits


def _running(template: Template) -> Iterator[Py]:
    """What stands in a forward."""
    yield from template.iterables
    yield from (action.value for action in template.actions)
    yield from (value for value, _ in template.outputs)


def _parts(value: Py) -> Iterator[Py]:
    """What stands in a value: classes that are made, and expressions that make none."""
    match value:
        case Makes():
            yield value
        case SequentialOf():
            for name, item in value.items:
                yield name
                yield from _parts(item)
        case Rolled():
            yield value.iterable
            for name, item in value.items:
                yield name
                yield from _parts(item)
        case Optional():
            yield value.condition
            for _, item in (*value.items, *value.otherwise):
                yield from _parts(item)
        case _:
            inner = [node for node in walk(value) if isinstance(node, Makes | SequentialOf)]
            if inner and value not in inner:
                for node in inner:
                    yield from _parts(node)
            yield value


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


def _constant(value: Any) -> Py:
    if not is_constant(value) or isinstance(value, Expr):
        raise Mismatch
    return Const(tupled(value))


def _plain(node: ast.Expression) -> Any:
    """A default that is written as a constant, or `ANY`."""
    match node:
        case ast.Constant():
            return node.value
        case ast.String(parts=parts) if all(isinstance(part, str) for part in parts):
            return "".join(map(str, parts))
        case ast.Unary(operator="-", operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List():
            items = tuple(map(_plain, node.items))
            return ANY if ANY in items else items
        case _:
            return ANY


def _is_keyword_argument(label: str) -> bool:
    return label.isidentifier() and not keyword.iskeyword(label) and not label.startswith("__")
