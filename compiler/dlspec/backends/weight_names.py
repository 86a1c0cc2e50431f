"""Names of weights that are not those of the network: changed where the call says how, and recognised where it does not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TypeVar

from dlspec.diagnostics import Hinted, did_you_mean

_Tensor = TypeVar("_Tensor")

_DEEPEST = 6
"""Parts that a beginning may have, and one."""

_MOST_OF = 0.5
"""The part of the names that a network lacks, from which a beginning that they share is what is wrong."""


def renamed(tensors: Mapping[str, _Tensor], old: str, new: str) -> dict[str, _Tensor]:
    """Tensors under other names.

    ``old`` is a name, or the parts that names begin with (`backbone`, `layer1.0`), and ``new`` stands in its place;
    nothing, where it is empty. A `*` in ``old`` is any text, which the `*` of ``new`` repeat in their order. Raises
    `Hinted` where no name is such, or two tensors would have one.
    """
    pattern = _pattern(old)
    if new.count("*") > old.count("*"):
        raise Hinted(f"`{new}` has more `*` than `{old}`")
    found: dict[str, _Tensor] = {}
    changed = 0
    for name, tensor in tensors.items():
        match = pattern.fullmatch(name)
        to = name if match is None else _filled(new, match)
        changed += match is not None
        if not to:
            raise Hinted(f"`{name}` would have no name")
        if to in found:
            raise Hinted(f"two of the weights would be called `{to}`, one of them is `{name}` now")
        found[to] = tensor
    if not changed:
        raise Hinted(
            f"none of the {len(tensors)} weights is called `{old}`, or begins so",
            did_you_mean(old, _beginnings(tensors)),
        )
    return found


def _pattern(old: str) -> re.Pattern[str]:
    if "*" in old:
        return re.compile("(.*)".join(re.escape(part) for part in old.split("*")), re.DOTALL)
    return re.compile(f"{re.escape(old.rstrip('.'))}(?:\\.(?P<rest>.+))?", re.DOTALL)


def _filled(new: str, match: re.Match[str]) -> str:
    if "rest" in match.re.groupindex:
        return ".".join(filter(None, (new.rstrip("."), match["rest"])))
    first, *others = new.split("*")
    return first + "".join(text + other for text, other in zip(match.groups(), others, strict=False))


def shared_beginning(missing: Collection[str], unexpected: Collection[str]) -> tuple[str, str] | None:
    """What most of the ``unexpected`` names begin with and the ``missing`` ones do not, or the other way round: the
    beginning of the one and that of the other, one of them empty."""
    for names, others, turned in ((unexpected, set(missing), False), (missing, set(unexpected), True)):
        for beginning in _candidates(names, others):
            fitting = sum(name[len(beginning) + 1 :] in others for name in names if name.startswith(f"{beginning}."))
            if fitting > _MOST_OF * len(names) and fitting > _MOST_OF * len(others):
                return ("", beginning) if turned else (beginning, "")
    return None


def _candidates(names: Collection[str], others: Collection[str]) -> list[str]:
    """Beginnings before which some name is another one, the most frequent first."""
    counts: dict[str, int] = {}
    for name in names:
        parts = name.split(".")
        for end in range(1, min(len(parts), _DEEPEST)):
            if ".".join(parts[end:]) in others:
                beginning = ".".join(parts[:end])
                counts[beginning] = counts.get(beginning, 0) + 1
    return sorted(counts, key=lambda beginning: -counts[beginning])


def _beginnings(names: Collection[str]) -> list[str]:
    parts = [name.split(".") for name in names]
    return list(dict.fromkeys(".".join(of[:end]) for of in parts for end in range(1, len(of) + 1)))
