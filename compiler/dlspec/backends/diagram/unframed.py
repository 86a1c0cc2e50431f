"""An encoder and its decoder as one U: where a network has both as blocks, what is in them stands in the network itself.

In frames of their own they would be two stairs, and the skips between them would go around: see `Levels`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from dlspec.backends.diagram.levels import Levels
from dlspec.backends.diagram.scene import Box, Edge, Scene

_SKIPS = 2
"""So many resolutions go from one to the other."""


class _End(NamedTuple):
    """One end of an edge: a box and its port, None where it is the network's; and what is said of the way there."""

    box: Box | None
    port: int
    main: bool


def as_one_u(scene: Scene, levels: Levels) -> tuple[Scene, Levels]:
    """The scene without the frames of encoders and decoders that are open, and its levels."""
    frames = dict.fromkeys(frame for pair in _pairs(scene.root, levels) for frame in pair)
    if not frames:
        return scene, levels
    root = _Unframing(scene.root, list(frames)).root()
    return replace(scene, root=root), levels.over(root)


def _pairs(network: Box, levels: Levels) -> Iterator[tuple[Box, Box]]:
    """Blocks of which one is given a tensor and makes several resolutions, and the other gives one again."""
    passed: dict[tuple[Box, Box], set[object]] = {}
    for edge in network.edges:
        if edge.source is not None and edge.target is not None and edge.source.open and edge.target.open:
            strides = levels.of_port(edge.source.outputs[edge.out])
            passed.setdefault((edge.source, edge.target), set()).add(strides)
    for (encoder, decoder), resolutions in passed.items():
        ends = ({levels.of_port(port) for port in ports} for ports in (encoder.inputs, decoder.outputs))
        if len(resolutions) >= _SKIPS and all(len(found) == 1 for found in ends):
            yield encoder, decoder


class _Unframing:
    """Takes what is in frames into the network around them."""

    def __init__(self, network: Box, frames: list[Box]) -> None:
        self._network = network
        self._named = {child: _named(child, frame) for frame in frames for child in frame.children}
        self._frames = frames

    def root(self) -> Box:
        children: list[Box] = []
        for child in self._network.children:
            children += [self._named[inner] for inner in child.children] if child in self._frames else [child]
        return replace(self._network, children=children, edges=list(self._edges()))

    def _edges(self) -> Iterator[Edge]:
        for frame in self._frames:
            for edge in frame.edges:
                if edge.source is not None and edge.target is not None:
                    yield replace(edge, source=self._named[edge.source], target=self._named[edge.target])
        for edge in self._network.edges:
            for source in self._sources(edge.source, edge.out):
                for target in self._targets(edge.target, edge.into):
                    main = edge.main and source.main and target.main
                    yield replace(
                        edge, source=source.box, out=source.port, target=target.box, into=target.port, main=main
                    )

    def _sources(self, box: Box | None, port: int) -> Iterator[_End]:
        """Where a tensor comes from that leaves a box: within it, if that is a frame, or before it."""
        if box is None or box not in self._frames:
            yield _End(box, port, True)
            return
        for inner in box.edges:
            if inner.target is None and inner.into == port:
                if inner.source is not None:
                    yield _End(self._named[inner.source], inner.out, inner.main)
                else:
                    for edge in self._network.edges:
                        if edge.target is box and edge.into == inner.out:
                            yield from self._sources(edge.source, edge.out)

    def _targets(self, box: Box | None, port: int) -> Iterator[_End]:
        """Where a tensor goes that comes into a box; what only passes a frame is led by `_sources`."""
        if box is None or box not in self._frames:
            yield _End(box, port, True)
            return
        for inner in box.edges:
            if inner.source is None and inner.out == port and inner.target is not None:
                yield _End(self._named[inner.target], inner.into, inner.main)


def _named(child: Box, frame: Box) -> Box:
    """What stands in a frame, with a label that names the frame too."""
    label = child.title or child.path.removeprefix(f"{frame.path}.")
    return replace(
        child, title=f"{frame.title}.{label}" if frame.title and child.kind in ("op", "block") else child.title
    )
