"""Binds the arguments of calls to the parameters of operators and blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cache, partial
from typing import Any

from dlspec.diagnostics import Note, did_you_mean
from dlspec.elaborate.constants import as_init
from dlspec.elaborate.known import Table
from dlspec.elaborate.unknown import lacking
from dlspec.elaborate.values import (
    Arguments,
    BlockLayer,
    BranchLayer,
    Deferred,
    Env,
    Failure,
    OpLayer,
    as_list,
    freeze,
    has_tensor,
    kind_of,
)
from dlspec.ir.constants import is_dim
from dlspec.ir.dims import Expr
from dlspec.ir.fields import MISSING, Field, FieldError, describe, told
from dlspec.ir.node import Value
from dlspec.ir.op import Op, OpError
from dlspec.ir.program import Written
from dlspec.source import Span
from dlspec.syntax import ast

Given = tuple[ast.Argument, Any]


def extra_tensors(op: type[Op]) -> list[str]:
    """The tensor arguments of an operator beside the one that flows in."""
    return [name.rstrip("?") for name in op.tensors[1:]]


@cache
def _field_names(op: type[Op]) -> list[str]:
    """The fields that have an argument of their own."""
    return [field.name for field in op.fields if field.name != op.more]


@cache
def _argument_names(op: type[Op]) -> tuple[list[str], list[str]]:
    """The arguments of a layer, and those that are given by position."""
    names = _field_names(op) + extra_tensors(op)
    return names, [field.name for field in op.fields if field.required] if op.left_out else names


def bind_op(layer: OpLayer, given: list[Given], span: Span, env: Env) -> OpLayer:
    """The layer with more arguments. Positional ones fill the fields that have none yet, in order."""
    names, placed = _argument_names(layer.op)
    free = iter(placed)
    explicit: Arguments = {}
    for argument, value in given:
        if argument.name is None:
            name = None if layer.called else next(free, None)
            if not layer.called and has_tensor(value) and _is_plain_field(layer.op, name):
                flows = ", ".join(a.span.text for a, v in given if a.name is None and has_tensor(v))
                flow = flows if not flows.count(",") or flows.startswith("[") else f"[{flows}]"
                function = f", or `{layer.op.function}({flows})`" if layer.op.function else ""
                raise Failure(
                    "DL0306", f"{layer.title} takes no tensors as arguments: they flow in", argument.span,
                    hint=f"write `{flow} -> {layer.name}`{function}", of=("", Written(argument.value, env, argument.span)),
                )  # fmt: skip
            if name is None and not layer.called and placed is not names:
                raise too_many_placed(layer, given, argument.span)
            if name is None:
                raise Failure(
                    "DL0306",
                    f"{layer.title} has its arguments, and more are given by name"
                    if layer.called
                    else f"{layer.title} takes {_count(len(names), 'argument')}",
                    argument.span,
                    hint=signature_hint(layer.op, layer.name),
                )
        else:
            name = argument.name.name
            if name not in names:
                if name in dict(layer.op.left_out):
                    hint = f"leave it out: {signature_hint(layer.op, layer.name)}"
                    raise Failure("DL0303", f"{layer.title} has `{name}` from its input", argument.span, hint=hint)
                if layer.op.more is None and not isinstance(value, Value):
                    raise unknown_argument(argument.name, layer.title, names, signature_hint(layer.op, layer.name))
        if name in explicit:
            raise Failure(
                "DL0303", f"`{name}` is given twice", argument.span, hint=without_input_sizes(layer, given)
            )  # fmt: skip
        explicit[name] = (value, Written(argument.value, env, argument.span))
    return OpLayer(
        layer.op, layer.pinned, layer.name, layer.arguments | explicit, span, layer.branches, layer.env, called=True
    )


def _is_plain_field(op: type[Op], name: str | None) -> bool:
    """Whether an argument is neither a tensor nor a size that a tensor may give."""
    kinds = {field.name: field.kind for field in op.fields}
    return name is None or (name in kinds and kinds[name] not in ("Sizes", "Shape"))


_PLAIN = frozenset({int, bool, str, float, type(None)})


def make_op(layer: OpLayer, made: Table[Any, Op]) -> Op:
    """The operator with the arguments of the layer. Raises `Failure` for one that is missing or of a wrong kind.

    ``made`` remembers operators by plain arguments: a network has few different ones and many uses of each.
    """
    key: list[Any] = [layer.op]
    for name, (value, _) in layer.arguments.items():
        if type(value) not in _PLAIN:
            return _make(layer.op, layer.title, layer.arguments, layer.span, layer.name)
        key += name, told(value)
    op = made.get(tuple(key))
    if op is None:
        op = made[tuple(key)] = _make(layer.op, layer.title, layer.arguments, layer.span, layer.name)
    return op


def _make(op: type[Op], title: str, arguments: Arguments, span: Span, name: str) -> Op:
    values: dict[str, Any] = {}
    for field in op.fields:
        if field.name == op.more:
            further = {key: given for key, given in arguments.items() if key not in _field_names(op)}
            values[field.name] = [
                (key, field_value(Field(key, "Dim", MISSING), value, at.span, title, at))
                for key, (value, at) in further.items()
            ]
        elif field.name in arguments:
            value, at = arguments[field.name]
            values[field.name] = field_value(field, value, at.span, title, at)
        elif field.required:
            raise Failure(
                "DL0304", f"{title} needs `{field.name}`, {field.expected}", span, hint=signature_hint(op, name)
            )
    try:
        return op(**values)
    except OpError as error:
        of = next(((key, at) for key, (_, at) in arguments.items() if f"`{key}`" in error.message), None)
        raise Failure(error.code, error.message, span, hint=error.hint, of=of) from None


def field_value(field: Field, value: Any, span: Span, title: str, of: Written | None = None) -> Any:
    """The value as the field takes it. Raises `Failure` at what is written for it."""
    if field.kind == "Init":
        initial = as_init(value)
        value = initial if initial is not None or value is None else value
    try:
        return field.convert(freeze(value))
    except FieldError as error:
        symbolic = is_dim(value) and type(value) is not int
        hint = "a size that layers are made with must be a number: give it one in the signature" if symbolic else ""
        if isinstance(value, Deferred) and isinstance(value.expression, ast.Labelled):
            hint = f"an argument is given with `=`: `{value.expression.span.text.replace(':', '=').replace('= ', '=')}`"
        raise Failure("DL0305", f"{error} in {title}", span, hint=hint, of=of and (field.name, of)) from None


def function_op(
    op: type[Op], name: str, given: list[Given], span: Span, env: Env
) -> tuple[Op, tuple[Any, ...], dict[str, Written]]:
    """The operator and tensors of a function call, and what was written for each: positional arguments are tensors first,
    then fields.

    Numbers and sizes may stand among the tensors.
    """
    variadic = op.tensors[:1] and op.tensors[0].startswith("*")
    tensors: dict[str, Any] = {}
    fields: Arguments = {}
    written: dict[str, Written] = {}
    many: list[Any] = []
    slots = [] if variadic else [slot.rstrip("?") for slot in op.tensors]
    free_tensors, free_fields = iter(slots), iter(_field_names(op))
    names = slots + _field_names(op)
    in_order = _in_order(op, [value for argument, value in given if argument.name is None])
    for argument, value in given:
        if argument.name is not None:
            key = argument.name.name
            if key not in names and op.more is None:
                raise unknown_argument(argument.name, f"`{name}`", names, signature_hint(op, name))
        elif variadic and (has_tensor(value) or not op.fields):
            many.extend(_flat(value, argument.span))
            continue
        elif in_order:
            key = next(in_order)
        else:
            tensor = has_tensor(value) or value is None or _must_be_tensor(op, tensors)
            key = next(free_tensors, None) if tensor else None
            key = key or next(free_fields, None)
            if key is None:
                raise Failure(
                    "DL0306", f"`{name}` takes {_count(len(names), 'argument')}", argument.span,
                    hint=signature_hint(op, name),
                )  # fmt: skip
        _refuse_twice(key, written, argument.span)
        written[key] = Written(argument.value, env, argument.span)
        if key in slots:
            if not isinstance(value, Value | int | float | Expr | None):
                message = f"`{key}` of `{name}` takes a tensor, not {kind_of(value)}"
                raise Failure("DL0305", message, argument.span, hint=_of_a_list(op, value))
            tensors[key] = value
        else:
            fields[key] = (value, written[key])
    made = _make(op, f"`{name}`", fields, span, name)
    if variadic:
        return made, tuple(many), written
    return made, gather_tensors(op, name, tensors, span), written


def _in_order(op: type[Op], values: list[Any]) -> Iterator[str] | None:
    """The parameters that positional arguments are given to in torch's order, where they stand in it."""
    if not 1 < len(values) <= len(op.torch_order):
        return None
    kinds = {field.name: field.kind for field in op.fields}
    for key, value in zip(op.torch_order, values, strict=False):
        kind = kinds.get(key)
        if kind is not None and (
            has_tensor(value) or (isinstance(value, str) and kind in ("int", "Dim", "Dim | None", "Number"))
        ):
            return None
    return iter(op.torch_order)


def bind_named(title: str, given: list[Given], parameters: Mapping[str, Any], span: Span) -> dict[str, Any]:
    """The values of all parameters in order: given ones, else their defaults, of which `MISSING` is none. Raises
    `Failure`."""
    hint = f"{title.split('`')[1]}({', '.join(parameters)})"
    bound: dict[str, Any] = {}
    free = iter(parameters)
    for argument, value in given:
        key = next(free, None) if argument.name is None else argument.name.name
        if key is None:
            raise Failure("DL0306", f"{title} takes {_count(len(parameters), 'argument')}", argument.span, hint=hint)
        if argument.name is not None and key not in parameters:
            raise unknown_argument(argument.name, title, list(parameters), hint)
        _refuse_twice(key, bound, argument.span)
        bound[key] = value
    missing = next((key for key, default in parameters.items() if key not in bound and default is MISSING), None)
    if missing is not None:
        raise Failure("DL0304", f"{title} needs `{missing}`", span, hint=hint)
    return {key: bound.get(key, default) for key, default in parameters.items()}


def gather_tensors(op: type[Op], name: str, tensors: dict[str, Any], span: Span) -> tuple[Any, ...]:
    """The operator's tensor inputs in order. Raises `Failure` for one that is missing."""
    inputs: list[Any] = []
    missing = ""
    for slot, other in op.alike.items():
        if tensors.get(slot) is None and tensors.get(other) is not None:
            tensors = {**tensors, slot: tensors[other]}
    last = max(
        (index for index, slot in enumerate(op.tensors) if tensors.get(slot.rstrip("?")) is not None), default=-1
    )
    for index, slot in enumerate(op.tensors):
        value = tensors.get(slot.rstrip("?"))
        if value is None and index < last:
            value = op.neutral.get(slot.rstrip("?"))
        if value is None:
            missing = missing or slot.rstrip("?")
            if not slot.endswith("?"):
                raise Failure("DL0304", f"`{name}` needs the tensor `{slot}`", span, hint=signature_hint(op, name))
        elif missing:
            raise Failure("DL0304", f"`{name}` takes `{slot.rstrip('?')}` only together with `{missing}`", span)
        else:
            inputs.append(value)
    return tuple(inputs)


def _of_a_list(op: type[Op], value: Any) -> str:
    """What to write for a list of tensors where one is taken."""
    if not isinstance(value, list) or not has_tensor(value):  # pyright: ignore[reportUnknownArgumentType]
        return ""
    return f"`[...] -> {op.several}` takes a list" if op.several else "`stack([...])` makes one tensor of a list"


def _must_be_tensor(op: type[Op], bound: dict[str, Any]) -> bool:
    required = [slot for slot in op.tensors if not slot.endswith("?")]
    return len(bound) < len(required)


def _flat(value: Any, span: Span) -> list[Any]:
    items = as_list(value)
    for item in items:
        if not isinstance(item, Value | int | float | Expr):
            raise Failure("DL0305", f"this takes tensors, not {kind_of(item)}", span)
    return items


def bind_block(
    layer: BlockLayer, given: list[Given], branches: list[BranchLayer] | None, span: Span, env: Env
) -> BlockLayer:
    """The block with more arguments; branches fill its open layer parameters in order."""
    name = layer.declaration.name.name
    parameters = [p for p in layer.declaration.parameters if not is_input(layer.declaration, p)]
    names = [parameter.name.name for parameter in parameters]
    bound = dict(layer.arguments)
    free = iter([name for name in names if name not in bound and name not in layer.homes])
    explicit: Arguments = {}
    for argument, value in given:
        if argument.name is None:
            key = next(free, None)
            if key is None:
                raise Failure(
                    "DL0306",
                    f"`{name}` takes {_count(len(names), 'argument')}",
                    argument.span,
                    notes=(Note(layer.declaration.name.span, "declared here"),),
                    hint=_given_before(layer, names, value),
                ).caused(partial(lacking, layer.declaration, layer.module))
        else:
            key = argument.name.name
            if key not in names:
                takes = f"it takes {', '.join(names) or 'none'}"
                cause = partial(lacking, layer.declaration, layer.module)
                raise unknown_argument(argument.name, f"`{name}`", names, takes).caused(cause)
        _refuse_twice(key, explicit, argument.span)
        explicit[key] = (value, Written(argument.value, env, argument.span))
    bound |= explicit
    if branches is not None:
        open_slots = [p.name.name for p in parameters if p.name.name not in bound and _takes_layer(p)]
        if len(branches) > len(open_slots):
            slots = _count(len(open_slots), "layer parameter")
            raise Failure(
                "DL0306",
                f"`{name}` has {slots} open and gets {_count(len(branches), 'branch')}",
                span,
                notes=(Note(layer.declaration.name.span, "declared here"),),
            )
        for slot, branch in zip(open_slots, branches, strict=False):
            bound[slot] = (branch, Written(ast.Braces(branch.body.span, (branch.body,)), env, span))
    return layer.replaced(bound, span, called=True)


def _given_before(layer: BlockLayer, names: list[str], value: Any) -> str:
    """What to say of an argument too many: it may be one that the layer, or the variant that it is, has already."""
    if isinstance(value, Value):
        return "what flows in is no argument: write `tensor -> Layer`"
    before = [name for name in names if name in layer.arguments or name in layer.homes]
    return f"{layer.title} has `{before[0]}` already: give another by its name, `{before[0]}=...`" if before else ""


def is_input(declaration: ast.Block | ast.Network, parameter: ast.Parameter) -> bool:
    """The tensors of a network's signature flow in; a block's tensor parameters are arguments."""
    return parameter.type is not None and parameter.type.axes is not None and isinstance(declaration, ast.Network)


def needs(layer: BlockLayer) -> list[str]:
    """The parameters of a block or the settings of a network that have no default."""
    declared = layer.declaration
    return [p.name.name for p in declared.parameters if p.default is None and not is_input(declared, p)]


def _takes_layer(parameter: ast.Parameter) -> bool:
    if parameter.type is not None:
        return parameter.type.name == "layer"
    match parameter.default:
        case None | ast.Braces() | ast.Chain():
            return True
        case ast.Name(name=name) | ast.Call(function=ast.Name(name=name)):
            return name[:1].isupper()
        case _:
            return False


def unknown_argument(name: ast.Name, title: str, known: list[str], otherwise: str) -> Failure:
    return Failure(
        "DL0303", f"{title} has no argument `{name.name}`", name.span, hint=did_you_mean(name.name, known) or otherwise
    )


def too_many_placed(layer: OpLayer, given: list[Given], span: Span) -> Failure:
    """What to say of a number by position that might be torch's, which has the size of the input among its arguments."""
    placed = [f"`{field.name}`" for field in layer.op.fields if field.required]
    named = _written_call(layer, given, ())
    hints = [without_input_sizes(layer, given), f"with names `{named}`" if named else ""]
    return Failure(
        "DL0306", f"{layer.title} takes {' and '.join(placed) or 'nothing'} by position, and all else by name", span,
        hint="; ".join(filter(None, hints)) or signature_hint(layer.op, layer.name),
    )  # fmt: skip


def without_input_sizes(layer: OpLayer, given: list[Given]) -> str:
    """A hint where torch's class would take sizes of the input among these arguments: the call without them."""
    left_out = [position for _, position in layer.op.left_out]
    if not left_out or sum(argument.name is None for argument, _ in given) <= max(left_out):
        return ""
    call = _written_call(layer, given, left_out)
    return f"the size of the input is left out: `{call}`" if call else ""


def _written_call(layer: OpLayer, given: list[Given], left_out: Collection[int]) -> str:
    """The call as it should be written, but for positional arguments that are left out; empty where it would be wrong."""
    placed = [(argument.span.text, value) for argument, value in given if argument.name is None]
    kept = [pair for position, pair in enumerate(placed) if position not in left_out]
    fields = layer.op.fields
    if len(kept) > len(fields) or not all(_admits(f, value) for f, (_, value) in zip(fields, kept, strict=False)):
        return ""
    texts = [text if f.required else f"{f.name}={text}" for f, (text, _) in zip(fields, kept, strict=False)]
    texts += [argument.span.text for argument, _ in given if argument.name is not None]
    return f"{layer.name}({', '.join(texts)})" if texts else layer.name


def _admits(field: Field, value: Any) -> bool:
    try:
        field.convert(freeze(value))
    except FieldError:
        return False
    return True


def _refuse_twice(name: str, bound: dict[str, Any], span: Span) -> None:
    if name in bound:
        raise Failure("DL0303", f"`{name}` is given twice", span)


def signature_hint(op: type[Op], name: str) -> str:
    shown = [
        slot.lstrip("*").rstrip("?") for slot in (op.tensors if name in (op.function, *op.aliases) else op.tensors[1:])
    ]
    fields = [field for field in op.fields if field.name != op.more]
    shown += [field.name if field.required else f"{field.name}={_default(field)}" for field in fields]
    if op.torch_order and name == op.function:
        shown.sort(key=lambda each: op.torch_order.index(each.partition("=")[0]))
    shown += ["name=length, ..."] if op.more else []
    return f"{name}({', '.join(shown)})"


def _default(field: Field) -> str:
    return describe(field.default)


def _count(number: int, noun: str) -> str:
    if number == 0:
        return f"no {noun}s"
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith("ch") else "s")
    return f"{number} {noun if number == 1 else plural}"
