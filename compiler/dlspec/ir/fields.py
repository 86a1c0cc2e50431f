"""The fields of operators: what an argument may be, how it is checked and how it is written in help texts.

The annotation of a field names its kind. Kinds are aliases of Python types, so type checkers read them, and keys of
`KINDS`, so the binder converts and checks by them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import Any, ClassVar, Self, TypeAlias, TypeVar, cast

from dlspec.ir.dims import Dim, Expr
from dlspec.ir.evaluation import greatest_number
from dlspec.ir.init import Data, Init
from dlspec.ir.types import DTYPES, DType, TensorType

Ints: TypeAlias = int | tuple[int, ...]
"""One int for all axes, or one for each."""
Sizes: TypeAlias = Dim | tuple[Dim, ...]
"""One dimension or several; may hold symbols. A tensor stands for its spatial sizes."""
Dims: TypeAlias = Dim | tuple[Dim, ...]
"""One for all axes, or one for each; may hold symbols."""
Shape: TypeAlias = tuple[Dim, ...]
"""All dimensions of a shape. A tensor stands for its shape."""
Padding: TypeAlias = "int | str | tuple[int | tuple[int, int], ...]"
"""An int, one per axis, a `[before, after]` pair per axis, or `"same"` / `"valid"`."""
Pads: TypeAlias = "Dim | str | tuple[Dim | tuple[Dim, Dim], ...]"
"""As `Padding`, and may hold symbols."""
PoolPadding: TypeAlias = "int | str | tuple[int, ...]"
"""An int, one per axis, or `"same"` / `"valid"`."""
Recipes: TypeAlias = "tuple[Fielded, ...]"
"""What a spec calls with arguments, one after another."""
Lengths: TypeAlias = tuple[tuple[str, Dim], ...]
"""Dimensions by names that are chosen where they are given."""
Number: TypeAlias = Dim | float
"""A dimension, or a number that may have a fraction."""
Floats: TypeAlias = float | tuple[float, ...]
Pair: TypeAlias = tuple[float, float]
Axes: TypeAlias = int | tuple[int, ...]
Items: TypeAlias = "tuple[Item, ...]"
"""What stands between the brackets of `x[:, 0]`: ``("at", i)``, ``("slice", start, stop, step)``, ``("new",)``,
``("rest",)`` for `...`, or ``("tensor",)`` for the next of the tensors of positions, ``("tensor", least, greatest)`` where
these are written in the spec."""
Item: TypeAlias = "tuple[str, Dim] | tuple[str, Dim | None, Dim | None, int] | tuple[str, int, int] | tuple[str]"


class _Missing:
    def __repr__(self) -> str:
        return "..."


MISSING: Any = _Missing()


class FieldError(Exception):
    """A value that is not of the field's kind."""

    def __init__(self, field: str, expected: str, value: object) -> None:
        super().__init__(f"`{field}` takes {expected}, not {brief(value)}")
        self.field = field


class Reject(Exception):
    """Raised by a converter whose kind does not admit the value; may say what is taken instead."""


Converter: TypeAlias = Callable[[Any], Any]


def _int(value: Any) -> int:
    if type(value) is int:
        return _counted(value)
    raise Reject


def _dim(value: Any) -> Dim:
    if type(value) is int or isinstance(value, Expr):
        return _counted(value)
    raise Reject


_Counted = TypeVar("_Counted", int, Dim)


def _counted(size: _Counted) -> _Counted:
    if greatest_number(size) >= 2**63:  # ONNX and PyTorch have int64
        raise Reject("an int of less than 2 ** 63")
    return size


def _number(value: Any) -> Dim | float:
    return value if type(value) is float and isfinite(value) else _dim(value)


def _float(value: Any) -> float:
    if type(value) is float or type(value) is int:
        return float(_counted(value) if isinstance(value, int) else value)
    raise Reject


def _bool(value: Any) -> bool:
    if type(value) is bool:
        return value
    raise Reject


def _str(value: Any) -> str:
    if type(value) is str:
        return value
    raise Reject


def _instance(cls: type) -> Converter:
    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        raise Reject

    return convert


def _sequence(item: Converter, *, or_single: bool) -> Converter:
    def convert(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return tuple(item(part) for part in cast("tuple[Any, ...]", value))
        if or_single:
            return item(value)
        raise Reject

    return convert


def _sizes(value: Any) -> Any:
    return value.spatial if isinstance(value, TensorType) else _sequence(_dim, or_single=True)(value)


def _shape(value: Any) -> Any:
    return value.shape if isinstance(value, TensorType) else _sequence(_dim, or_single=False)(value)


def _side(number: Converter) -> Converter:
    """What is added before and after."""

    def convert(value: Any) -> Any:
        pair: Any = _sequence(number, or_single=True)(value)
        if isinstance(pair, tuple) and len(cast("tuple[Any, ...]", pair)) != 2:
            raise Reject
        return cast("object", pair)

    return convert


def _named_or(side: Converter) -> Converter:
    """Padding by its name, or what is added to each side."""

    def convert(value: Any) -> Any:
        if not isinstance(value, str):
            return _sequence(side, or_single=True)(value)
        if value in ("same", "valid"):
            return value
        raise Reject

    return convert


def _lengths(value: Any) -> Any:
    return tuple((_str(name), _dim(length)) for name, length in value)


def _data(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(_data(part) for part in cast("tuple[Any, ...]", value))
    if type(value) in (float, bool):
        return value
    return _int(value)


def _item(value: Any) -> Any:
    match value:
        case ("at", position):
            return ("at", _dim(position))
        case ("slice", start, stop, step):
            return ("slice", *(None if bound is None else _dim(bound) for bound in (start, stop)), _int(step))
        case ("tensor", least, greatest):
            return ("tensor", _int(least), _int(greatest))
        case ("new",) | ("rest",) | ("tensor",):
            return (value[0],)
        case _:
            raise Reject


def _recipe(value: Any) -> Fielded:
    if isinstance(value, Fielded):
        return value
    raise Reject


def _pair(value: Any) -> tuple[float, ...]:
    numbers = _sequence(_float, or_single=False)(value)
    if len(numbers) != 2:
        raise Reject
    return numbers


def _dtype(value: Any) -> DType:
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in DTYPES:
        return DTYPES[value]
    raise Reject


# Each kind: its converter and what the error and the reference say it takes.
KINDS: dict[str, tuple[Converter, str]] = {
    "int": (_int, "an int"),
    "Dim": (_dim, "a dimension"),
    "Number": (_number, "a number or a dimension"),
    "float": (_float, "a number"),
    "bool": (_bool, "true or false"),
    "str": (_str, "a string"),
    "Ints": (_sequence(_int, or_single=True), "an int or a list of ints, one for each axis"),
    "Axes": (_sequence(_int, or_single=True), "an axis or a list of axes"),
    "Sizes": (_sizes, "a size, a list of sizes, or a tensor to take them from"),
    "Shape": (_shape, "a list of sizes, or a tensor to take them from"),
    "Floats": (_sequence(_float, or_single=True), "a number or a list of numbers"),
    "Pair": (_pair, "two numbers"),
    "Dims": (_sequence(_dim, or_single=True), "an int or a size, or one for each axis"),
    "Padding": (
        _named_or(_side(_int)),
        'an int, one for each axis, a [before, after] pair for each axis, "same" or "valid"',
    ),
    "Pads": (_named_or(_side(_dim)), "an int or a size, one for each axis, or a [before, after] pair for each axis"),
    "PoolPadding": (_named_or(_int), 'an int, one for each axis, "same" or "valid"'),
    "Recipes": (_sequence(_recipe, or_single=False), "a list of schedules"),
    "Lengths": (_lengths, "a dimension for each name"),
    "Items": (_sequence(_item, or_single=False), "positions and ranges such as those of `x[:, 0]`"),
    "Init": (_instance(Init), "an initialiser such as normal(0, 0.02)"),
    "Data": (_data, "a number or nested lists of numbers"),
    "DType": (_dtype, "an element type: " + ", ".join(DTYPES)),
}


class Field:
    """One argument of an operator."""

    __slots__ = ("choices", "convert_kind", "converted_default", "default", "expected", "kind", "name", "optional")

    def __init__(self, name: str, annotation: str, default: Any) -> None:
        self.name = name
        self.default = default
        self.optional = annotation.endswith(" | None")
        self.kind = annotation.removesuffix(" | None")
        self.choices: tuple[str, ...] = ()
        if self.kind.startswith("Literal["):
            self.choices = tuple(re.findall(r"[\"']([^\"']*)[\"']", self.kind))
            self.convert_kind: Converter = _str
            self.expected = " or ".join(f'"{choice}"' for choice in self.choices)
        else:
            self.convert_kind, self.expected = KINDS[self.kind]
        self.converted_default = default if default is MISSING else self.convert(default)

    @property
    def required(self) -> bool:
        return self.default is MISSING

    def convert(self, value: Any) -> Any:
        """The value in its stored form. Raises `FieldError`."""
        if value is None and self.optional:
            return None
        try:
            if value is MISSING:
                raise Reject
            converted = self.convert_kind(value)
        except Reject as reason:
            expected = str(reason) or self.expected
            raise FieldError(self.name, expected + (" or none" if self.optional else ""), value) from None
        if self.choices and converted not in self.choices:
            raise FieldError(self.name, self.expected, value)
        return converted


def read_fields(cls: type) -> tuple[Field, ...]:
    """The fields a class declares or inherits, in order: annotated names that are neither private nor class variables.

    A field that is declared again moves to where it is declared last.
    """
    fields: dict[str, Field] = {}
    for base in reversed(cls.__mro__):
        for name, annotation in base.__dict__.get("__annotations__", {}).items():  # noqa: RUF063 (inspect is slow to import)
            if not name.startswith("_") and not str(annotation).startswith("ClassVar"):
                fields.pop(name, None)
                fields[name] = Field(name, annotation, cls.__dict__.get(name, getattr(base, name, MISSING)))
    return tuple(fields.values())


class Fielded:
    """Base of what a spec calls with arguments: operators, optimizers, augmentations.

    Its annotated fields are its signature. Instances are immutable and equal when class and fields are.
    """

    fields: ClassVar[tuple[Field, ...]] = ()
    more: ClassVar[str | None] = None
    """The field that takes all arguments whose names are no fields, as pairs of a name and a dimension."""

    def __init_subclass__(cls) -> None:
        # Not dataclasses: they compile code for every class, and 150 operators would cost each start-up 60 ms.
        cls.fields = read_fields(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Fields by position or name, converted and checked by their kinds. Raises `fields.FieldError`."""
        names = [field.name for field in self.fields]
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__} takes at most {len(names)} arguments")
        given = dict(zip(names, args, strict=False)) | kwargs
        for field in self.fields:
            object.__setattr__(self, field.name, field.convert(given.pop(field.name, field.default)))
        if given:
            raise TypeError(f"{type(self).__name__} has no argument {', '.join(given)}")
        self.check()
        object.__setattr__(self, "_key", (type(self), *(told(getattr(self, name)) for name in names)))
        object.__setattr__(self, "_hash", hash(self._key))

    _key: ClassVar[tuple[Any, ...]]
    _hash: ClassVar[int]

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Fielded) and self._hash == other._hash and self._key == other._key)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in self.fields
            if field.required or getattr(self, field.name) != field.converted_default
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    @property
    def arguments(self) -> dict[str, Any]:
        """The values by the names that they are given by."""
        own = {field.name: getattr(self, field.name) for field in self.fields if field.name != self.more}
        return own | (dict(getattr(self, self.more)) if self.more else {})

    def changed(self, **fields: Any) -> Self:
        """The same with other values in some fields. Raises as the constructor."""
        return type(self)(**{field.name: getattr(self, field.name) for field in self.fields} | fields)

    def check(self) -> None:
        """Raises `OpError` where the arguments do not fit each other."""


def told(value: Any) -> Any:
    """What compares equal only where a value is the same: 1 and 1.0, true and 1, 0.0 and -0.0 are not."""
    kind = cast("type[Any]", type(value))
    if kind is float or kind is bool:
        return kind, repr(value)
    if kind is Init:
        return kind, value.kind, told(value.arguments), told(value.values)
    return tuple([told(item) for item in value]) if kind is tuple else value


_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"})


def describe(value: object) -> str:
    """A value in the words of the language, for messages."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value.translate(_ESCAPED)}"'
        case TensorType():
            return f"a tensor {value}"
        case tuple() | list():
            return f"[{', '.join(describe(item) for item in cast('tuple[object, ...]', value))}]"
        case DType():
            return f'"{value.label}"'
        case _ if value is MISSING:
            return "nothing"
        case int():
            return shown(value)
        case _:
            return str(value)


_BRIEF = 80


def brief(value: object) -> str:
    """The same, of a value that is too long its beginning."""
    text = describe(value)
    return text if len(text) <= _BRIEF else f"{text[:_BRIEF]} ..."


def shown(number: object) -> str:
    """A number or size as text: of more digits than anyone reads the first ones, and how many there are."""
    if isinstance(number, int) and abs(number) >= 10**40:
        digits = str(abs(number))
        return f"{'-' if number < 0 else ''}{digits[:12]}... ({len(digits)} digits)"
    text = str(number)
    return text if len(text) <= 200 else f"{text[:100]}..."


__all__ = [
    "KINDS", "MISSING", "Axes", "Data", "Dims", "Field", "FieldError", "Fielded", "Floats", "Ints", "Item", "Items",
    "Lengths", "Number", "Padding", "Pads", "Pair", "PoolPadding", "Recipes", "Shape", "Sizes", "brief", "describe",
    "read_fields", "shown", "told",
]  # fmt: skip
