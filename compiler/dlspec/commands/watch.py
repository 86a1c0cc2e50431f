"""`dlspec draw FILE --watch`: the page of a network on this machine, drawn again whenever a file of it is saved."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from dlspec.commands.common import OK, open_named, read, say, target
from dlspec.commands.errors import CallError
from dlspec.commands.scenes import scene_of, spreads_of
from dlspec.diagnostics import DlspecError, Hinted
from dlspec.files import Disk, spec_path
from dlspec.render import render

if TYPE_CHECKING:
    from dlspec.backends.diagram.page import Json
    from dlspec.diagnostics import Diagnostics

_LOOK_AGAIN = 1000
"""Milliseconds after which the files are compared even where the system tells of no change."""


def watch(arguments: Namespace) -> int:
    """Serves and redraws until Ctrl-C. Raises `CallError` where what it needs is not installed."""
    try:
        import watchfiles
    except ImportError:
        raise CallError("--watch needs the package watchfiles", "pip install 'dlspec[draw]'") from None
    from dlspec.backends.diagram.live import LivePage

    for flag in ("output", "theme", "rankdir", "wrap", "poster", "layout", "style", "width", "hide", "show"):
        if getattr(arguments, flag):
            raise CallError(f"--watch serves a page, which has no use for --{flag}")
    drawing = _Drawing(arguments)
    try:
        with LivePage() as live:
            live.publish(drawing.draw())
            say(f"{arguments.target} is at {live.address} (Ctrl-C ends)")
            while True:
                folders = drawing.folders()
                watched = watchfiles.watch(
                    *folders, watch_filter=_is_spec, recursive=False, debounce=100, step=20,
                    rust_timeout=_LOOK_AGAIN, yield_on_timeout=True,
                )  # fmt: skip
                for changes in watched:
                    if changes or drawing.changed():
                        live.publish(drawing.draw())
                        if drawing.folders() != folders:
                            break
    except KeyboardInterrupt:
        say("")
        return OK


def _is_spec(_: object, path: str) -> bool:
    return path.endswith(".dlspec")


class _Drawing:
    """What is watched: the file with what it imports, and the last picture that could be drawn of it."""

    def __init__(self, arguments: Namespace) -> None:
        self._arguments = arguments
        self._wanted = target(arguments.target)
        self._last: Json | None = None
        self._stamps: dict[Path, object] = {}
        self.files: list[Path] = []

    def changed(self) -> bool:
        """Whether a file is another than when it was drawn."""
        return _stamps(self.files) != self._stamps

    def folders(self) -> set[Path]:
        """Those of the files that are there, and else the working folder: any may be removed meanwhile."""
        return {path.parent for path in self.files if path.parent.is_dir()} or {Path.cwd()}

    def draw(self) -> Json:
        """The data of the page. Where nothing can be drawn, the last picture under what is wrong."""
        from dlspec.backends.diagram.page import no_picture
        from dlspec.pipeline import files_of

        file = spec_path(self._wanted.file).absolute()
        try:
            self.files = files_of(read(self._wanted.file), Disk(self._arguments.project))
        except (OSError, DlspecError):
            self.files = [file]
        self._stamps = _stamps(self.files)
        data: Json | None = None
        try:
            data, found = self._page()
            text = render(found)
        except DlspecError as error:
            text = render(error.diagnostics)
        except Hinted as error:
            text = f"error: {error.message}" + (f"\n  = {error.hint}" if error.hint else "")
        except OSError as error:
            text = f"error: {error}"
        if text:
            say(text + "\n", sys.stderr)
        self._last = data or self._last or no_picture(self._wanted.file)
        return self._last | {"errors": text}

    def _page(self) -> tuple[Json, Diagnostics]:
        from dlspec.backends.diagram.page import page_data

        scene, found, _ = scene_of(open_named(self._wanted.file, self._arguments), self._wanted, self._arguments)
        return page_data(scene, spreads_of(scene, self._arguments, not found.errors)), found


def _stamps(files: Iterable[Path]) -> dict[Path, object]:
    return {path: _stamp(path) for path in files}


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
