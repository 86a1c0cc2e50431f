"""Pickles of PyTorch, read without PyTorch and without running anything of them.

A pickle is a program that calls what it names. Here no name is looked up: tensors and mappings are made, and whatever else
a file wants to make becomes an `Inert` object that remembers its name. The format is that of ``torch.serialization``.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar, NoReturn, cast

_STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexDouble": "complex128",
    "ComplexFloat": "complex64", "QInt8": "int8", "QUInt8": "uint8", "QInt32": "int32",
}  # fmt: skip
"""Element types, as NumPy names them, by the names of storages."""

_DTYPES = {name: name for name in _STORAGES.values()} | {
    "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
    "float8_e4m3fn": "float8_e4m3fn", "float8_e5m2": "float8_e5m2", "float8_e4m3fnuz": "float8_e4m3fnuz",
    "float8_e5m2fnuz": "float8_e5m2fnuz", "float8_e8m0fnu": "float8_e8m0fnu",
}  # fmt: skip


class Inert:
    """What a file names, and would have called. ``state`` is what it would have been given then."""

    name: ClassVar[str] = ""
    state: Any = None

    def __new__(cls, *arguments: Any, **_: Any) -> Inert:
        made = super().__new__(cls)
        made.arguments = arguments
        return made

    def __init__(self, *arguments: Any, **_: Any) -> None:
        self.arguments = arguments

    def __call__(self, *arguments: Any, **_: Any) -> Inert:
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...


class Record(dict[Any, Any]):
    """A mapping, whatever kind of one it was."""

    def __setstate__(self, state: Any) -> None:
        """Without what hangs on it, such as the versions of modules."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Numbers that tensors look into. ``element`` is None where the tensors say it."""

    key: str
    element: str | None


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor's numbers are: sizes, strides and the offset are in elements."""

    storage: Storage
    element: str
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]


class Refused(ValueError):
    """A pickle that asks for more than it may."""


def tensor(storage: Any, offset: Any, sizes: Any, strides: Any, *rest: Any) -> Tensor | Inert:
    """``torch._utils._rebuild_tensor_v2`` and its relatives: ``rest`` is (requires_grad, hooks, [dtype], [metadata])."""
    if not isinstance(storage, Storage):
        raise Refused("a tensor of it has no storage")
    named = [part for part in rest[2:] if isinstance(part, type) and issubclass(part, Inert)]
    element = _DTYPES.get(named[0].name.removeprefix("torch.")) if named else storage.element
    if element is None:
        return _inert(named[0].name if named else "a tensor of an unknown element type")()
    flags: list[Any] = [part for part in rest[2:] if type(part) is dict]
    if any(flags):
        return _inert("a conjugated or negated view")()
    size, stride = _numbers(sizes), _numbers(strides)
    if len(size) != len(stride) or not isinstance(offset, int) or offset < 0:
        raise Refused("a tensor of it has sizes and strides that do not fit")
    return Tensor(storage, element, offset, size, stride)


def _numbers(given: Any) -> tuple[int, ...]:
    numbers = tuple(cast("Sequence[Any]", given)) if isinstance(given, list | tuple) else (None,)
    if any(type(number) is not int or number < 0 for number in numbers):
        raise Refused("a tensor of it has sizes that are no sizes")
    return cast("tuple[int, ...]", numbers)


def _first(made: Any, *_: Any) -> Any:
    return made


def _of_type(make: Any, _type: Any, arguments: Any, *_: Any) -> Any:
    return make(*arguments)


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): Record,
    ("collections", "defaultdict"): lambda *_: Record(),
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): tensor,
    ("torch._utils", "_rebuild_tensor_v2"): tensor,
    ("torch._utils", "_rebuild_tensor_v3"): tensor,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
}


def _inert(name: str) -> type[Inert]:
    return type("Named", (Inert,), {"name": name})


class _Unpickler(pickle.Unpickler):
    def __init__(self, content: bytes) -> None:
        super().__init__(BytesIO(content), encoding="utf-8")
        self._named: dict[str, type[Inert]] = {}
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        known = _KNOWN.get((module, name))
        if known is not None:
            return known
        full = f"{module}.{name}"
        return self._named.setdefault(full, _inert(full))

    def persistent_load(self, pid: Any) -> Any:
        match pid:
            case ("storage", kind, str() | int() as key, _, _, *_) if isinstance(kind, type):
                name = getattr(kind, "name", "").rpartition(".")[2].removesuffix("Storage")
                return self.storages.setdefault(str(key), Storage(str(key), _STORAGES.get(name)))
            case ("module", kind, *_):
                return kind
            case _:
                return _refuse("it refers to something that is no storage")


def unpickled(content: bytes) -> tuple[Any, dict[str, Storage]]:
    """What a pickle says, made of mappings, lists, numbers, `Tensor` and `Inert`, and the storages by key that it refers
    to. Raises whatever a damaged one makes Python raise, and `Refused`."""
    size = 0
    for size, (operation, argument, _) in enumerate(pickletools.genops(content), 1):  # also checks every length
        if operation.name in ("LONG_BINPUT", "PUT") and (not isinstance(argument, int) or argument > size):
            _refuse("it asks for more memory than it has content")
    unpickler = _Unpickler(content)
    return unpickler.load(), unpickler.storages


def _refuse(message: str) -> NoReturn:
    raise Refused(message)
