"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".dlspec-part"


@contextmanager
def replacing(*paths: Path | str) -> Generator[tuple[BinaryIO, ...], None, None]:
    """Opens files to be written beside ``paths``; they take their places, in this order, when the block ends.

    What stands under a path is the old file or the new one, whole, whenever the process ends. Where the block raises,
    nothing has changed. What a killed process left is swept by the next one that writes the same path. A device or a
    pipe is written directly. Raises `OSError`.

    As with every compiler the bytes may still be on their way to the disk: waiting for them would take longer than
    drawing and writing all weights of a ResNet.
    """
    targets = [Path(os.path.realpath(path)) for path in paths]
    parts = [part_of(target) for target in targets]
    files: list[BinaryIO] = []
    try:
        for target, part in zip(targets, parts, strict=True):
            if part is None:
                files.append(target.open("wb", buffering=0))
            else:
                _sweep(target)
                files.append(part.open("xb", buffering=0))
        yield tuple(files)
        for file in files:
            file.close()
        for target, part in zip(targets, parts, strict=True):
            if part is not None:
                os.replace(part, target)
    finally:
        for file in files:
            file.close()
        for part in parts:
            if part is not None:
                part.unlink(missing_ok=True)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Writes a whole file or nothing. Raises `OSError`."""
    with replacing(path) as (file,):
        write_all(file, content)


def write_all(file: BinaryIO, content: bytes | memoryview) -> None:
    """Writes to an unbuffered file, which may take less than it is given at once."""
    rest = memoryview(content).cast("B")
    while rest:
        rest = rest[file.write(rest) :]


def part_of(target: Path) -> Path | None:
    """The name a file has while it is written, or None for what is no regular file and cannot be renamed over."""
    if target.exists() and not target.is_file():
        return None
    return target.with_name(f".{target.name}.{os.getpid()}{_SUFFIX}")


def _sweep(target: Path) -> None:
    """Removes what processes that are gone left of the same file."""
    prefix = f".{target.name}."
    with suppress(OSError):
        for name in os.listdir(target.parent):
            if name.startswith(prefix) and name.endswith(_SUFFIX):
                process = name[len(prefix) : -len(_SUFFIX)]
                if process.isdigit() and not _alive(int(process)):
                    (target.parent / name).unlink(missing_ok=True)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False  # a file of this very number is from an earlier process that had it
    if sys.platform == "win32":  # signal 0 would end it there
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
