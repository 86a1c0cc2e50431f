"""Where in a checkpoint the weights are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from dlspec.backends.weight_files.inert import Inert
from dlspec.diagnostics import Hinted, did_you_mean

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

USUAL = (
    "state_dict", "model_state_dict", "model_state", "model", "network", "net", "module", "weights", "params",
    "params_ema", "ema", "ema_state_dict", "model_ema", "ema_model", "state_dict_ema",
)  # fmt: skip
"""Under what names checkpoints keep a state dict."""

_KINDS = {
    "torch._utils._rebuild_sparse_tensor": ("a sparse tensor", "to_dense() before it is saved makes it a plain one"),
    "torch._utils._rebuild_qtensor": ("a quantised tensor", "dequantize() before it is saved makes it a plain one"),
    "torch._utils._rebuild_meta_tensor_no_storage": ("a tensor on `meta`, which has no values", ""),
    "torch._utils._rebuild_nested_tensor": ("a nested tensor", ""),
    "a conjugated or negated view": (
        "a conjugated or negated view",
        "resolve_conj().resolve_neg() before it is saved makes it a plain tensor",
    ),
}

_MOST = 4


def weights_in(content: Any, key: str | None) -> dict[str, Array]:
    """The tensors by name of what a file holds: under ``key``, names with dots between them, or where checkpoints usually
    have them. Raises `Hinted`."""
    place = ""
    if key is not None:
        content, place = _under(content, key), key
    while True:
        if isinstance(content, Inert):
            raise _of_code(content, place)
        if not isinstance(content, Mapping):
            raise Hinted(
                f"it holds no weights{_at(place)}", "torch.save(model.state_dict(), PATH) makes a file of weights"
            )
        held = cast("Mapping[Any, Any]", content)
        if any(_is_tensor(value) for value in held.values()):
            return _named(held)
        name = _next(held, place)
        content, place = held[name], f"{place}.{name}" if place else name


def _next(held: Mapping[Any, Any], place: str) -> str:
    """The name under which a mapping without tensors has those that are meant. Raises `Hinted`."""
    inside = [name for name, value in held.items() if isinstance(name, str) and _has_tensors(value)]
    usual = [name for name in USUAL if name in inside]
    for name in usual if len(usual) == 1 else inside if len(inside) == 1 else []:
        return name
    if inside:
        names = ", ".join(f"`{name}`" for name in (usual or inside)[:_MOST])
        key = f"{place}.{(usual or inside)[0]}" if place else (usual or inside)[0]
        raise Hinted(f"it holds weights under several names{_at(place)}: {names}", f"--key {key} takes one of them")
    for value in held.values():
        if isinstance(value, Inert):
            raise _of_code(value, place)
    raise Hinted(f"it holds no weights{_at(place)}", _contents(held))


def _under(content: Any, key: str) -> Any:
    """What stands under ``a.b``; a name may have dots itself. Raises `Hinted`."""
    rest, place = key, ""
    while rest:
        held = cast("Mapping[Any, Any]", content if isinstance(content, Mapping) else {})
        names = [name for name in held if isinstance(name, str) and (rest == name or rest.startswith(f"{name}."))]
        if not names:
            first = rest.partition(".")[0]
            known = [name for name in held if isinstance(name, str)]
            raise Hinted(f"it has no `{first}`{_at(place)}", did_you_mean(first, known) or _contents(held))
        name = max(names, key=len)
        content, rest, place = held[name], rest[len(name) + 1 :], f"{place}.{name}" if place else name
    return content


def _named(held: Mapping[Any, Any]) -> dict[str, Array]:
    """The tensors of a mapping, without the numbers and texts beside them. Raises `Hinted`."""
    found: dict[str, Array] = {}
    for name, value in held.items():
        if not _is_tensor(value):
            continue
        if not isinstance(name, str):
            raise Hinted(f"its tensors have names that are no text, such as {name!r}")
        if isinstance(value, Inert):
            kind, hint = _KINDS[value.name]
            raise Hinted(f"`{name}` is {kind}", hint)
        found[name] = value
    return found


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "strides") or (isinstance(value, Inert) and value.name in _KINDS)


def _has_tensors(value: Any) -> bool:
    """Whether a mapping, or one in it, has tensors."""
    stack, seen = [value], {id(value)}
    while stack:
        part = stack.pop()
        if isinstance(part, Mapping):
            for inner in cast("Mapping[Any, Any]", part).values():
                if _is_tensor(inner):
                    return True
                if id(inner) not in seen:
                    seen.add(id(inner))
                    stack.append(inner)
    return False


def _of_code(value: Inert, place: str) -> Hinted:
    """A whole module: its class would have to be imported, and that is the code of whoever made the file."""
    return Hinted(
        f"it holds an object of the class `{value.name}`{_at(place)}, which is code, and not only weights",
        "torch.save(model.state_dict(), PATH) makes a file of weights",
    )


def _at(place: str) -> str:
    return f" under `{place}`" if place else ""


def _contents(held: Mapping[Any, Any]) -> str:
    names = [str(name) for name in held][:_MOST]
    return f"it has {', '.join(names)}{', ...' if len(held) > _MOST else ''}" if names else "it is empty"
