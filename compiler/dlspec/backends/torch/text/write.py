"""The text of a class: its docstring, its constructor, its forward."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

from dlspec.backends.torch.classes.classes import Library
from dlspec.backends.torch.classes.resolve import ANY, Class, variables
from dlspec.backends.torch.classes.template import TLoop, TMember
from dlspec.backends.torch.lowering.lower_modules import class_name
from dlspec.backends.torch.lowering.registry import Ref
from dlspec.backends.torch.plans.plan import Plan, Slot
from dlspec.backends.torch.python import names
from dlspec.backends.torch.python.expressions import (
    Attribute,
    Call,
    Const,
    IfElse,
    Name,
    Py,
    Subscript,
    call,
    method,
)
from dlspec.backends.torch.python.layout import INDENT, WIDTH, flat, layout, literal
from dlspec.backends.torch.text.docs import block_doc, checks, network_doc, shapes
from dlspec.backends.torch.text.forward import Forward
from dlspec.backends.torch.text.frozen import kept, reached
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType, TensorType
from dlspec.passes.retype import with_dtype


@dataclass(frozen=True, slots=True)
class Form:
    """How a network is laid out: its element type where it is not the spec's, and whether channels come last."""

    dtype: DType | None = None
    channels_last: bool = False

    def format_of(self, type: TensorType) -> Name | None:
        """The memory format of a tensor, where it has one."""
        names_ = {4: "torch.channels_last", 5: "torch.channels_last_3d"}
        return Name(names_[type.rank]) if self.channels_last and type.rank in names_ else None


class ClassWriter:
    """Writes one class."""

    def __init__(self, made: Class, library: Library, form: Form) -> None:
        self.made = made
        self.library = library
        self.form = form
        self.template = made.template
        library.name_attributes(made)
        self.ones: dict[str, str] = {}
        """Members that are not made, and those that stand for them."""
        self.merged = self._merged()
        self.flags = self._flags()

    @property
    def root(self) -> Graph | None:
        module = self.made.modules[0]
        return module.graph if module.parent is None else None

    def write(self) -> list[str]:
        head = f"class {self.made.name}({self._base()}):"
        return [head, *self._doc(), *self._constructor(), *self._mode(), *self._forward()]

    def _base(self) -> str:
        if self.template.chain is not None:
            return "nn.Sequential"
        numbered = any(member.label.isdigit() for member in self.template.members)
        return "nn.ModuleDict" if numbered else "nn.Module"

    def _doc(self) -> list[str]:
        if self.root is not None:
            return network_doc(self.root, self.made)
        return block_doc(self.made)

    # Optional members

    def _merged(self) -> set[str]:
        """Members that are an identity where they are not wanted: called once, with what stands for their result."""
        merged: set[str] = set()
        for member in self.template.members:
            if not member.when or member.kind != "module":
                continue
            calls = [a for a in self.template.actions if a.when == member.when]
            if len(calls) != 1 or calls[0].outputs != 1:
                continue
            alias = self.template.aliases.get((calls[0].key, 0))
            match calls[0].value:
                case Call(function=Attribute(name=member.label), args=(Ref(value=taken),)) if taken == alias:
                    merged.add(member.label)
                case _:
                    pass
        return merged

    def _flags(self) -> dict[str, str]:
        conditions = self.template.flags
        merged = {member.when for member in self.template.members if member.label in self.merged}
        flags: dict[str, str] = {}
        for when, condition in conditions.items():
            members = [m for m in self.template.members if m.when == when]
            if when in merged and all(member.label in self.merged for member in members):
                continue
            filled = self.library.constant(condition, self.made)
            name = self._flag_name(when, filled)
            self.made.attributes[name] = filled
            flags[when] = f"self.{name}"
        return flags

    def _flag_name(self, when: str, condition: Py) -> str:
        taken = {member.label for member in self.template.members} | set(self.made.attributes) | names.RESERVED
        if isinstance(condition, Name):
            return names.unique(condition.text, taken)
        for member in self.template.members:
            if member.when == when and not member.label.isdigit():
                return names.unique(f"has_{member.label}", taken)
        adds = any(a.when == when and flat_operator(a.value) == "+" for a in self.template.actions)
        return names.unique("residual" if adds else "nested", taken)

    # Constructor

    def _constructor(self) -> list[str]:
        made = self.made

        def resolve(value: Py) -> Py:
            return self.library.constant(value, made)

        body: list[str] = []
        for key, leaf in made.locals.items():
            assert leaf.definition is not None
            body += layout(resolve(leaf.definition), 2, f"{made.names[key]} = ")
        if self.template.chain is not None:
            value = resolve(self.template.chain)
            assert isinstance(value, Call)
            inits = [line for init in self.template.inits for line in layout(resolve(init), 2)]
            body += [
                *layout(Call(_SUPER, value.args, value.keywords), 2),
                *inits,
                *self._freezing(),
                *self._converted(),
            ]
        else:
            body.insert(0, f"{INDENT * 2}super().__init__()")
            for name, value in made.attributes.items():
                body += layout(value, 2, f"self.{name} = ")
            body += self._members()
            for init in self.template.inits:
                body += layout(resolve(init), 2)
            body += self._freezing()
            body += self._converted()
            if len(body) == 1:
                return []
        return [*self._signature(), *body, ""]

    def _frozen(self) -> list[str]:
        """The paths of what keeps its weights and statistics."""
        return [] if self.root is None else list(self.root.frozen)

    def _kept(self) -> list[Py]:
        """The modules among them."""
        root = self.made.modules[0]
        return [reached(root, path, "self") for path in self._frozen() if path not in root.graph.parameters]

    def _freezing(self) -> list[str]:
        """The statements that freeze parts."""
        root = self.made.modules[0]
        weights = [path for path in self._frozen() if path in root.graph.parameters]
        frozen = [
            method(reached(root, path, "self", "_parameters"), "requires_grad_", Const(False)) for path in weights
        ]
        frozen += [kept(reached(root, path, "self")) for path in self._frozen() if path not in weights]
        return [line for statement in frozen for line in layout(statement, 2)]

    def _mode(self) -> list[str]:
        """What keeps its weights keeps its statistics too."""
        modules = self._kept()
        if not modules:
            return []
        return [
            *signature("train", ["self", "mode: bool = True"], "nn.Module"),
            f'{INDENT * 2}"""Set the mode; what is not trained stays at inference."""',
            f"{INDENT * 2}super().train(mode)",
            *(f"{INDENT * 2}{flat(method(module, 'eval'))}" for module in modules),
            f"{INDENT * 2}return self",
            "",
        ]

    def _converted(self) -> list[str]:
        """The statement that gives a network its element type and memory format."""
        if self.root is None:
            return []
        keywords: dict[str, Any] = {} if self.form.dtype is None else {"dtype": Name(f"torch.{self.form.dtype.label}")}
        formats = [f for f in (self.form.format_of(value.type) for value in self.root.inputs) if f is not None]
        if formats:
            keywords["memory_format"] = formats[0]
        lines = layout(call("self.to", **keywords), 2) if keywords else []
        wide = wide_classes(self.root, self.form.dtype) if self.form.dtype else []
        if not wide:
            return lines
        kinds = wide[0] if len(wide) == 1 else f"({', '.join(wide)})"
        return [
            *lines,
            f"{INDENT * 2}for module in self.modules():",
            f"{INDENT * 3}if isinstance(module, {kinds}):  # statistics stay in float32",
            f"{INDENT * 4}module.float()",
        ]

    def _laid_out(self, inputs: list[str]) -> list[str]:
        """Statements that lay the inputs out."""
        if self.root is None:
            return []
        always = set(self.root.inference_inputs())
        formats = {
            name: self.form.format_of(value.type)
            for name, value in zip(inputs, self.root.inputs, strict=True)
            if value in always
        }
        return [
            line
            for name, kind in formats.items()
            if kind is not None
            for line in layout(method(Name(name), "contiguous", memory_format=kind), 2, f"{name} = ")
        ]

    def _signature(self) -> list[str]:
        parts = ["self"]
        for key, leaf in self.made.parameters.items():
            name = self.made.names[key]
            values = [plan.author.value(leaf, plan.module.uses[0]) for plan in self.template.plans]
            default = self.made.default(leaf)
            kind = annotation(values if default is ANY else [*values, default])
            parts.append(f"{name}: {kind}" if default is ANY else f"{name}: {kind} = {literal(default)}")
        return signature("__init__", parts, "None")

    def _members(self) -> list[str]:
        lines: list[str] = []
        members = [member for member in self.template.members if member.label not in self.ones]
        index = 0
        while index < len(members):
            member = members[index]
            if member.loops:
                inside = [each for each in members[index:] if each.loops[:1] == member.loops[:1]]
                lines += self._loop(member.loops[0], inside, 2)
                index += len(inside)
                continue
            if not member.when or member.label in self.merged:
                lines += self._member(member, 2)
                index += 1
                continue
            lines.append(f"{INDENT * 2}if {self.flags[member.when]}:")
            while index < len(members) and members[index].when == member.when:
                lines += self._member(members[index], 3)
                index += 1
        return lines

    def _loop(self, loop: TLoop, members: list[TMember], depth: int) -> list[str]:
        """Members that are made in a loop, some in loops inside of it."""
        made = {id(member): self._added(member) for member in members}
        around = depth - 1
        inner = [self.library.constant(each.iterable, self.made) for m in members for each in m.loops[around:]]
        target, iterable = variables(loop, self.library.constant(loop.iterable, self.made), [*made.values(), *inner])
        lines = layout(iterable, depth, f"for {target} in ", ":")
        for place, group in groupby(members, key=lambda member: member.loops[around : around + 1]):
            each = list(group)
            if place:
                lines += self._loop(place[0], each, depth + 1)
            else:
                lines += [line for member in each for line in layout(made[id(member)], depth + 1)]
        return lines

    def _added(self, member: TMember) -> Py:
        """The statement that adds a member whose label is computed."""
        kind = {"module": "add_module", "param": "register_parameter", "buffer": "register_buffer"}[member.kind]
        return call(f"self.{kind}", self.library.constant(member.name, self.made), self._value(member))

    def _member(self, member: TMember, depth: int) -> list[str]:
        if not isinstance(member.name, Const):
            return layout(self._added(member), depth)
        value = self._value(member)
        hidden = self.made.modules[0].hides(member.label)
        if member.kind == "constant":
            keeps = {"persistent": Const(False)}
            return layout(call("self.register_buffer", Const(member.label), value, **keeps), depth)
        if member.kind == "buffer" and not hidden:
            return layout(call("self.register_buffer", Const(member.label), value), depth)
        return layout(value, depth, f"{flat(_place(member, hidden))} = ")

    def _value(self, member: TMember) -> Py:
        """What a member is made as."""
        value = self.library.constant(member.value, self.made)
        if member.label in self.merged:
            condition = self.library.constant(self.template.flags[member.when], self.made)
            return IfElse(condition, value, call("nn.Identity"))
        return value

    # Forward

    def _forward(self) -> list[str]:
        root = self.root
        conditions = self._checks(root, self.template.plans[0]) if root is not None else []
        laid_out = self._laid_out(self.template.plans[0].inputs)
        if self.template.chain is not None:
            if not conditions and not laid_out:
                return []
            name = self.template.plans[0].inputs[0]
            head = signature("forward", ["self", f"{name}: Tensor"], "Tensor")
            return [*head, *conditions, *laid_out, f"{INDENT * 2}return super().forward({name})", ""]
        plan = self.template.plans[0]
        arguments = ["self", *(f"{name}: Tensor" for name in plan.inputs)]
        if root is not None:
            arguments = ["self", *self._network_arguments(root, plan.inputs)]
        comment = shapes(plan) if root is not None else _no_shape
        body = Forward(self.template, self._filled, self.flags, comment).write()
        return [*signature("forward", arguments, self._returns()), *conditions, *laid_out, *body, ""]

    def _checks(self, graph: Graph, plan: Plan) -> list[str]:
        inputs = plan.inputs or [names.variable(value.name) for value in graph.inputs]
        given = set(graph.inference_inputs())  # what only training looks at may be None
        return checks(graph, [pair for pair in zip(inputs, graph.inputs, strict=True) if pair[1] in given])

    def _network_arguments(self, graph: Graph, inputs: list[str]) -> list[str]:
        """What only training looks at may be left out, and Python has such arguments behind all others."""
        needed = set(graph.inference_inputs())
        named = sorted(zip(inputs, graph.inputs, strict=True), key=lambda pair: pair[1] not in needed)
        return [f"{name}: Tensor" if value in needed else f"{name}: Tensor | None = None" for name, value in named]

    def _returns(self) -> str:
        always = sum(not training for _, training in self.template.outputs)
        every = len(self.template.outputs)
        kinds = [_tuple_of(always)] if always == every else [_tuple_of(always), _tuple_of(every)]
        return " | ".join(dict.fromkeys(kinds))

    def _filled(self, value: Py) -> Py:
        return self.library.forward(value, self.made)


_SUPER = Attribute(call("super"), "__init__")


def _no_shape(slot: Slot) -> str | None:
    return None


def _tuple_of(count: int) -> str:
    return "Tensor" if count == 1 else f"tuple[{', '.join(['Tensor'] * count)}]"


def _place(member: TMember, hidden: bool) -> Py:
    """What a member is assigned to."""
    if hidden:
        store = {"module": "_modules", "param": "_parameters", "buffer": "_buffers"}[member.kind]
        return Subscript(Name(f"self.{store}"), (Const(member.label),))
    return Subscript(Name("self"), (Const(member.label),)) if member.label.isdigit() else Name(f"self.{member.label}")


def flat_operator(value: Py) -> str:
    return getattr(value, "operator", "")


def annotation(values: list[Any]) -> str:
    """The type of a parameter by the values it takes."""
    kinds = dict.fromkeys(_kind(value) for value in values if value is not ANY)
    if set(kinds) == {"int", "float"}:
        return "float"
    return " | ".join(kinds) or "int"


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, tuple | list):
        inner = dict.fromkeys(_kind(item) for item in cast("list[Any]", value))
        return f"tuple[{' | '.join(inner) or 'int'}, ...]"
    return type(value).__name__


def signature(name: str, parts: list[str], returns: str) -> list[str]:
    line = f"{INDENT}def {name}({', '.join(parts)}) -> {returns}:"
    if len(line) <= WIDTH:
        return [line]
    joined = f"{INDENT * 2}{', '.join(parts)}"
    if len(joined) <= WIDTH:
        return [f"{INDENT}def {name}(", joined, f"{INDENT}) -> {returns}:"]
    return [f"{INDENT}def {name}(", *(f"{INDENT * 2}{part}," for part in parts), f"{INDENT}) -> {returns}:"]


def wide_classes(graph: Graph, dtype: DType) -> list[str]:
    """The classes of modules whose weights stay float32 in a network of half precision."""
    nodes = with_dtype(graph, dtype).nodes
    return sorted(
        {
            class_name(node.op, node)
            for node in nodes
            if node.op.torch and DType.FLOAT32 in {w.dtype for w in node.weights}
        }
    )
