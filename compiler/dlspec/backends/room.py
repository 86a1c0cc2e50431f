"""Whether weights fit into memory and onto the disk: said before one is drawn or written, not by a machine that is full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from dlspec.backends.files import part_of
from dlspec.diagnostics import Diagnostic, DlspecError
from dlspec.ir.node import Parameter
from dlspec.limits import limits


def weigh(weights: Iterable[Parameter], copies: int = 1) -> None:
    """Raises `DlspecError` where so many copies of weights, held at once, are more bytes than are free in memory, or than
    `Limits.weights` allows."""
    _compare(list(weights), copies, free_memory(), "in memory")


def weigh_on_disk(weights: Iterable[Parameter], path: Path | str) -> None:
    """Raises `DlspecError` where weights are more bytes than are free on the disk of a file, or than `Limits.weights`
    allows."""
    place = Path(os.path.realpath(path))
    if part_of(place) is not None:
        _compare(list(weights), 1, free_disk(place), f"on the disk of {path}")


def _compare(weights: list[Parameter], copies: int, free: int | None, where: str) -> None:
    most = limits().weights
    needed = copies * sum(weight.bytes for weight in weights)
    room = free if most is None else most
    if room is None or needed <= room:
        return
    largest = max(weights, key=lambda weight: weight.bytes)
    times = f", {copies} times at once," if copies > 1 else ""
    are = f"{room:,} are free {where}" if most is None else f"--max-weights allows {room:,} {where}"
    hint = f"the largest is `{largest.path}` with {largest.bytes:,}; if that is meant, --max-weights {needed} tries it"
    message = f"the weights{times} take {needed:,} bytes, and {are}"
    raise DlspecError([Diagnostic("DL0407", message, largest.span, hint=hint)])


def free_memory() -> int | None:
    """Bytes that this process can have without others being pushed out, in a container those of it; None where the system
    does not say. macOS says only how much is built in."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return _built_in()
    contained = left_in_group(Path("/sys/fs/cgroup"))
    return free if contained is None else min(free, contained)


def _built_in() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def left_in_group(group: Path) -> int | None:
    """What the control group of a container has left; files that it keeps in memory give way."""
    try:
        most = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        counts = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):  # there is no group, or "max"
        return None
    return max(0, most - used + int(counts.get("inactive_file", 0)))


def free_disk(path: Path) -> int | None:
    """Bytes that are free where a file would be written; None where its folder cannot be asked."""
    try:
        return shutil.disk_usage(next(folder for folder in path.parents if folder.exists())).free
    except OSError:
        return None
