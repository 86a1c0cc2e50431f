"""A picture of a network that is written to a file or shown in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from dlspec.backends.diagram.layout import Arrangement, Direction, Drawing, TooWide, lay_out
from dlspec.backends.diagram.length import Length
from dlspec.backends.diagram.levels import Levels, NoLevels
from dlspec.backends.diagram.paint import Sheet
from dlspec.backends.diagram.scene import Scene
from dlspec.backends.diagram.theme import ThemeName
from dlspec.backends.files import write_bytes

if TYPE_CHECKING:
    from graphviz import Digraph  # pyright: ignore[reportMissingTypeStubs]

    from dlspec.backends.spread import Spread

Style: TypeAlias = Literal["boxes", "volumes"]

WIDEST = 8000.0
"""Pixels: a wider picture is not drawn by levels unasked."""


class Picture:
    """A scene with how it is to be drawn. In a notebook it shows itself.

    ``direction`` is that of the flow: "TB" (or None) down, "LR" to the right. ``wrap`` breaks a picture that flows to the
    right into lines, so that it is no wider than that many pixels. A ``poster`` shows the folded network and below it each
    distinct block. ``theme`` None is light, and for an HTML page that of the reader's system.
    ``tensors`` are the values of weights, which a page shows.

    ``layout`` is "flow", or "levels" with a row for each resolution. None is the latter where skips over resolutions make
    the network, nothing else is asked for and the picture is not wider than `WIDEST`. Raises `NoLevels` where "levels" finds
    none. ``style`` "volumes" draws feature maps in perspective, to the right: no direction, poster and layout go with it
    (ValueError). On paper a picture has the ``width``, see `paper`.
    """

    def __init__(
        self,
        scene: Scene,
        direction: Direction | None = None,
        theme: ThemeName | None = None,
        wrap: float | None = None,
        poster: bool = False,
        layout: Arrangement | None = None,
        tensors: Mapping[str, Spread] | None = None,
        style: Style = "boxes",
        width: Length | None = None,
    ) -> None:
        volumes = style == "volumes"
        if volumes and (direction or poster or layout):
            raise ValueError("volumes stand in rows: leave direction, poster and layout out")
        self.scene = scene
        self.direction: Direction = direction or ("LR" if wrap else "TB")
        self.theme: ThemeName = theme or "light"
        self.page_theme: Literal["light", "dark"] | None = "dark" if theme == "dark" else theme and "light"
        self._wrap = wrap
        self._poster = poster
        self._width = width
        self._unasked = layout is None
        self._by_levels = layout == "levels" or not (layout or direction or wrap is not None or poster or volumes)
        self._resolutions: Levels | None = None
        if layout == "levels" and self._levels() is None:
            raise NoLevels(Levels(scene).several)
        self._tensors = tensors
        self._style: Style = style

    def _levels(self) -> Levels | None:
        """Those by which what is open is drawn, if it is; a page and text have no use for them."""
        if not self._by_levels:
            return None
        self._resolutions = levels = (
            self._resolutions.over(self.scene.root) if self._resolutions else Levels(self.scene)
        )
        return levels if levels.named and (levels.skipping or not self._unasked) else None

    @cached_property
    def _drawing(self) -> Sheet:
        """The layout. Raises `EngineError`."""
        from dlspec.backends.diagram.paper import figure_on_paper, on_paper
        from dlspec.backends.diagram.poster import lay_out_poster
        from dlspec.backends.diagram.volumes import lay_out_volumes

        if self._style == "volumes":
            if self._width is None:
                return lay_out_volumes(self.scene, self._wrap)
            return figure_on_paper(self.scene.root.name, self._width, lambda wrap: lay_out_volumes(self.scene, wrap))
        if self._width is not None:
            chooses = not self._poster and self.scene.folded[0] is None
            return on_paper(self.scene, self._width, self._layouts, chooses)
        if self._poster:
            return lay_out_poster(self.scene, self._wrap)
        if (levels := self._levels()) is not None:
            drawn = lay_out(self.scene, levels=levels)
            if not self._unasked or drawn.width <= WIDEST:
                return drawn
        return lay_out(self.scene, self.direction, self._wrap)

    def _layouts(self, width: float) -> Iterator[Drawing]:
        """Those of a picture that is to be so wide. Raises `EngineError`."""
        from dlspec.backends.diagram.poster import lay_out_poster

        if (levels := self._levels()) is not None:
            yield lay_out(self.scene, levels=levels)
        if not self._unasked and self._by_levels:
            return
        if not self._poster and self.direction == "TB":
            yield lay_out(self.scene)
        try:
            yield lay_out_poster(self.scene, width) if self._poster else lay_out(self.scene, "LR", width)
        except TooWide as error:
            if not self._poster:
                yield lay_out(self.scene, "LR", error.least)
            else:
                yield lay_out_poster(self.scene, error.least)

    def svg(self) -> str:
        """The picture as SVG. Raises `EngineError`."""
        from dlspec.backends.diagram.svg import svg

        return svg(self._drawing, self.theme)

    def png(self) -> bytes:
        """The picture as PNG. Raises `EngineError`."""
        from dlspec.backends.diagram.raster import png

        return png(self._drawing, self.theme)

    def pdf(self) -> bytes:
        """The picture as PDF. Raises `EngineError`."""
        from dlspec.backends.diagram.raster import pdf

        return pdf(self._drawing, self.theme)

    def tikz(self) -> str:
        """The picture as a LaTeX document that another can input. Raises `EngineError`."""
        from dlspec.backends.diagram.tikz import tikz

        return tikz(self._drawing, self.theme)

    def html(self) -> str:
        """The picture as a page to look around in, which needs nothing else."""
        from dlspec.backends.diagram.page import page

        return page(self.scene, theme=self.page_theme, tensors=self._tensors)

    def dot(self) -> str:
        """The picture as text for Graphviz. Raises `EngineError` where the package `graphviz` is missing."""
        return self.digraph().source.expandtabs(4)

    def digraph(self) -> Digraph:
        """The picture as a graph of the package `graphviz`, which lays it out by itself and which a person can change.

        Raises `EngineError` where the package is missing.
        """
        from dlspec.backends.diagram.digraph import digraph

        return digraph(self.scene, self.direction)

    def mermaid(self) -> str:
        """The picture as a flowchart for Mermaid."""
        from dlspec.backends.diagram.text import mermaid

        return mermaid(self.scene, self.direction)

    def content(self, ending: str) -> bytes:
        """The picture in a format of `FORMATS`. Raises `EngineError`, and KeyError for another."""
        content = _WRITERS[ending](self)
        return content.encode() if isinstance(content, str) else content

    def save(self, path: str | Path) -> None:
        """Writes a file, whole or not at all; its ending is the format. Raises `EngineError`, `OSError`, and ValueError
        for an ending that is no format."""
        ending = Path(path).suffix
        if ending not in FORMATS:
            raise ValueError(f"{path}: the formats of pictures are {', '.join(FORMATS)}")
        write_bytes(path, self.content(ending))

    def _repr_svg_(self) -> str:
        return self.svg()


_WRITERS: dict[str, Callable[[Picture], str | bytes]] = {
    ".svg": Picture.svg, ".png": Picture.png, ".pdf": Picture.pdf, ".tex": Picture.tikz,
    ".html": Picture.html, ".dot": Picture.dot,
    ".mmd": Picture.mermaid,
}  # fmt: skip

FORMATS = tuple(_WRITERS)
"""The endings of the files a picture can be."""
