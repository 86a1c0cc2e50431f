"""Zip archives of strangers: how large their content is, is known before any of it is unpacked."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

_FLOOR, _RATIO = 1 << 30, 8
"""What an archive may unpack to: a GiB, or so many times its own size."""


class TooLarge(ValueError):
    """An archive that unpacks to far more than it takes."""


def open_archive(path: Path | str) -> ZipFile:
    """A zip archive to read from. Raises `TooLarge`, `OSError`, and `zipfile.BadZipFile` for what is none."""
    archive = ZipFile(path)
    try:
        unpacked = sum(member.file_size for member in archive.infolist())
        size = Path(path).stat().st_size
        if unpacked > max(_FLOOR, _RATIO * size):
            raise TooLarge(f"{size:,} bytes would unpack to {unpacked:,}; one that is not compressed is taken")
    except BaseException:
        archive.close()
        raise
    return archive
