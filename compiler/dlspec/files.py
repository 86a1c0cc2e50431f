"""Where specs are read: from the disk, from memory, or from unsaved texts that lie over another place.

Nothing below the command line touches the disk by itself, so an editor can check what nobody has saved.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from dlspec.diagnostics import Diagnostic, DlspecError
from dlspec.resources import resource
from dlspec.source import Source, Span

SUFFIX = ".dlspec"

MOST_BYTES = 1 << 24
"""Bytes of a spec that is read."""

_MARKS = (".git", "pyproject.toml")


class Files(Protocol):
    """A place with specs. Paths that `resolve` gives are equal where they are of one file, and only then."""

    @property
    def library(self) -> Path:
        """The folder of `std`."""
        ...

    def resolve(self, path: Path) -> Path:
        """The path by which a file is known, whether it exists or not."""
        ...

    def project(self, path: Path) -> Path | None:
        """The folder that the imports of a spec, and of what it imports, stay in; None where they may go anywhere."""
        ...

    def exists(self, path: Path) -> bool: ...

    def read(self, path: Path) -> str:
        """The text of a file. Raises OSError, and UnicodeDecodeError where it is not UTF-8."""
        ...

    def siblings(self, path: Path) -> list[str]:
        """The names, without their ending, of the specs in the folder of a path, sorted."""
        ...


class Disk:
    """The files of this machine.

    The project of a spec is ``project`` where that is given; else the nearest folder above it with a `.git` or a
    `pyproject.toml`; else the working folder, where the spec lies in that; else the spec's own folder.
    """

    def __init__(self, project: Path | str | None = None) -> None:
        self._project = None if project is None else Path(project).resolve()

    def project(self, path: Path) -> Path | None:
        if self._project is not None:
            return self._project
        folder = path.resolve().parent
        for above in (folder, *folder.parents):
            if any((above / mark).exists() for mark in _MARKS):
                return above
        here = Path.cwd()
        return here if folder.is_relative_to(here) else folder

    @property
    def library(self) -> Path:
        return resource("specs")

    def resolve(self, path: Path) -> Path:
        return path.resolve()

    def exists(self, path: Path) -> bool:
        return path.is_file()

    def read(self, path: Path) -> str:
        if path.stat().st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, "it is too large for a spec", str(path))
        return path.read_bytes().decode("utf-8")

    def siblings(self, path: Path) -> list[str]:
        return sorted(file.stem for file in path.parent.glob(f"*{SUFFIX}"))


DISK: Final = Disk()


class InMemory:
    """Texts by path, and nothing else. ``library`` is the folder among them that `std` stands for."""

    def __init__(self, texts: Mapping[str, str], library: str = "std") -> None:
        self._texts = {self.resolve(Path(path)): text for path, text in texts.items()}
        self.library = Path(library)

    def resolve(self, path: Path) -> Path:
        return Path(os.path.normpath(path))

    def project(self, path: Path) -> Path | None:
        return None

    def exists(self, path: Path) -> bool:
        return self.resolve(path) in self._texts

    def read(self, path: Path) -> str:
        if not self.exists(path):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return self._texts[self.resolve(path)]

    def siblings(self, path: Path) -> list[str]:
        folder = self.resolve(path).parent
        return sorted(each.stem for each in self._texts if each.parent == folder and each.suffix == SUFFIX)


class Unsaved:
    """Texts by path that stand in for what ``below`` has under those paths, or has not."""

    def __init__(self, texts: Mapping[str, str], below: Files = DISK) -> None:
        self._texts = {below.resolve(Path(path)): text for path, text in texts.items()}
        self._below = below

    @property
    def library(self) -> Path:
        return self._below.library

    def resolve(self, path: Path) -> Path:
        return self._below.resolve(path)

    def project(self, path: Path) -> Path | None:
        return self._below.project(path)

    def exists(self, path: Path) -> bool:
        return self.resolve(path) in self._texts or self._below.exists(path)

    def read(self, path: Path) -> str:
        text = self._texts.get(self.resolve(path))
        return self._below.read(path) if text is None else text

    def siblings(self, path: Path) -> list[str]:
        folder = self.resolve(path).parent
        own = [each.stem for each in self._texts if each.parent == folder and each.suffix == SUFFIX]
        return sorted({*own, *self._below.siblings(path)})


def spec_path(name: str | Path, files: Files = DISK) -> Path:
    """The path of a spec's name: itself, or for ``std.resnet`` the shipped spec."""
    path = Path(name)
    library, *parts = str(name).split(".")
    if library != "std" or not parts or files.exists(path):
        return path
    return files.library.joinpath(*parts).with_suffix(SUFFIX)


def read_source(path: Path, name: str, files: Files = DISK) -> Source:
    """The text at a path, which messages call by ``name``.

    Raises `DlspecError` where it is not UTF-8, OSError where it cannot be read.
    """
    try:
        return Source(name, files.read(path), path, files.resolve(path).suffix == SUFFIX)
    except UnicodeDecodeError as error:
        content = error.object
        source = Source(name, content.decode("utf-8", "replace"), path, shown=False)
        start = len(content[: error.start].decode("utf-8"))
        message = f"{name} is not UTF-8 text: byte {content[error.start]:#04x} cannot stand here"
        hint = "save it as UTF-8" if b"\0" not in content else "this does not look like a text file"
        raise DlspecError([Diagnostic("DL0606", message, Span(source, start, start + 1), hint=hint)]) from None
