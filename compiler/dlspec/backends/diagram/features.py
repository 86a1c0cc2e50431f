"""A network as feature maps: what `--style volumes` shows of a scene, before anything is placed.

Every tensor that is computed and not merely changed element by element is a `Feature`: a volume, or a sign where several
tensors become one. Activations, normalisation and dropout are named in the feature before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

from dlspec.analyses.reach.registry import Slide, reach
from dlspec.analyses.sizes import Sizing
from dlspec.analyses.written import written_arguments
from dlspec.backends.diagram.engine import EngineError
from dlspec.backends.diagram.metrics import TIMES
from dlspec.backends.diagram.scene import Box, Edge, Scene, fold
from dlspec.ir.op import Op
from dlspec.ir.types import TensorType

MOST = 64
"""How many features a picture has room for."""

_SIGNS = {"Add": "+", "Mul": TIMES, "Sub": "-"}
_SEEN = frozenset({
    "kernel_size", "stride", "padding", "bias", "out_channels", "out_features", "weight_init", "bias_init",
    "padding_mode", "ceil_mode", "count_include_pad", "align_corners",
})  # fmt: skip
"""Arguments that are seen otherwise, in sizes or in the words for a window, or are no matter of a figure."""


@dataclass(slots=True, eq=False, repr=False)
class Feature:
    """What an operator or folded block makes.

    ``box`` is what makes it, ``count`` times one after the other. ``sign`` is what joins several tensors to one of the
    same size; else it is a volume: ``channels`` deep, and as high and as wide as the last of its ``space``. A vector has
    no space. ``size`` is all of them as text. ``before`` and ``after`` are the small steps in front of it and behind it.
    ``inputs`` are what it is made of. ``window`` is what one position sees along the space of its first input, and the
    numbers of the author for it. ``ends`` are the outputs of the network that it is.
    """

    box: Box
    inputs: list[Feature]
    channels: int = 1
    space: tuple[int, ...] = ()
    size: str = ""
    sign: str = ""
    count: int = 1
    before: tuple[str, ...] = ()
    after: list[str] = field(default_factory=list[str])
    window: tuple[int, ...] = ()
    ends: list[str] = field(default_factory=list[str])
    axis: int = 1
    training: bool = False

    @property
    def words(self) -> list[str]:
        """What makes it, in short lines."""
        box = self.box
        if box.kind == "input" or self.sign:
            return []
        op = box.nodes[0].op if box.kind == "op" and box.nodes else None
        name = box.name or (box.kind if not box.title else "")
        if self.count > 1:
            name = f"{name} {TIMES}{self.count}".lstrip()
        given = [] if op is None else _given(op, len(self.space))
        if given and len(name) + len(given[0]) < 12 and "=" not in given[0]:
            name = f"{name} {given.pop(0)}"
        return [text for text in (*self.before, name, *given) if text]


def _given(op: Op, axes: int) -> list[str]:
    """The arguments that say what a volume of so many axes cannot show."""
    known: Mapping[str, Any] = op.arguments
    window, stride = known.get("kernel_size"), known.get("stride")
    words: list[str] = []
    if window is not None:
        words.append(TIMES.join(map(str, [window] * max(axes, 1) if isinstance(window, int) else window)))
    if stride not in (None, 1) and stride != window:
        words.append(f"stride {stride}")
    written = written_arguments(op, 3)
    positional = [f.name for f in op.fields if f.required]
    for name, text in zip(positional, written, strict=False):
        if name not in _SEEN and len(text) < 12:
            words.append(text)
    return words + [text for text in written[len(positional) :] if text.partition("=")[0] not in _SEEN]


def features_of(scene: Scene) -> list[Feature]:
    """The features of what is drawn of a scene, in the order of running. Raises `EngineError` where they are too many, or
    of sizes that are open."""
    made = list(_Builder(scene).build())
    if len(made) > MOST:
        raise EngineError(
            f"{len(made)} volumes are more than the {MOST} that a picture has room for", _fewer(scene) or
            "leave --style volumes out: boxes have room for more", "DL0608",
        )  # fmt: skip
    return made


def _fewer(scene: Scene) -> str:
    """A depth at which there is room; the scene is as it was."""
    boxes = list(scene.boxes())
    was = [box.open for box in boxes]
    fits = 0, 0
    for depth in (1, 2, 3):
        fold(scene, depth)
        count = sum(1 for _ in _Builder(scene).build())
        if count <= MOST:
            fits = depth, count
    for box, open_ in zip(boxes, was, strict=True):
        box.open = open_
    return f"--depth {fits[0]} has {fits[1]}" if fits[0] else ""


class _Builder:
    """Makes features of the boxes that are drawn folded; what is open is seen through."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._counted = Sizing(scene.summary.counted)
        self._shown = Sizing(scene.summary.shown)
        self._into: dict[tuple[Box, int], tuple[Box, Edge]] = {}
        self._out: dict[tuple[Box, int], Edge] = {}
        self._boxes: list[Box] = []
        self._steps: dict[
            Box, tuple[Feature, tuple[str, ...]]
        ] = {}  # what is seen behind a box, with the steps since then
        stack = [scene.root]
        while stack:
            box = stack.pop()
            if not _seen_through(box):
                self._boxes.append(box)
                continue
            for edge in box.edges:
                if edge.target is None:
                    self._out[box, edge.into] = edge
                else:
                    self._into[edge.target, edge.into] = box, edge
            stack.extend(reversed(box.children))
        self._uses: dict[tuple[Box, int], list[Box]] = {}
        self._sources = {box: self._sources_of(box) for box in self._boxes}
        for box, sources in self._sources.items():
            for source in sources:
                self._uses.setdefault(source, []).append(box)

    def build(self) -> Iterator[Feature]:
        """The features, those that are the same block again and again as one."""
        features: list[Feature] = []
        for box in self._boxes:
            made = self._feature(box)
            if made is not None:
                features.append(made)
        for feature in features:
            if feature.box.kind == "input":
                self._turn(feature, features)
        yield from _counted(features)

    def _sources_of(self, box: Box) -> list[tuple[Box, int]]:
        found: list[tuple[Box, int]] = []
        for into in range(len(box.inputs)):
            source = self._source(box, into)
            if source is not None and source not in found:
                found.append(source)
        return found

    def _source(self, box: Box, into: int) -> tuple[Box, int] | None:
        """The folded box that a tensor comes from, and by which of its outputs."""
        while (box, into) in self._into:
            around, edge = self._into[box, into]
            if edge.source is None:
                box, into = around, edge.out
                continue
            source, out = edge.source, edge.out
            while _seen_through(source):
                inner = self._out[source, out]
                if inner.source is None:  # it comes in and goes out as it is
                    break
                source, out = inner.source, inner.out
            else:
                return source, out
            box, into = source, self._out[source, out].out
        return None

    def _feature(self, box: Box) -> Feature | None:
        """The feature of a box; None where it is no more than a step before or behind one."""
        sources = self._sources[box]
        behind = [self._steps[source] for source, _ in sources]
        inputs = list(dict.fromkeys(feature for feature, _ in behind))
        steps = tuple(dict.fromkeys(step for _, some in behind for step in some))
        if box.kind == "output":
            for feature in inputs:
                feature.ends.append(box.title)
            return None
        kinds = [self._type(source.outputs[out].type) for source, out in sources]
        made = self._type(box.outputs[0].type) if box.outputs else None
        op = box.nodes[0].op if box.kind == "op" and box.nodes else None
        light = box.kind == "arithmetic" or (op is not None and (op.light or op.elementwise or op.copies))
        if light and made is not None and len(sources) == 1 and kinds[0].shape == made.shape and inputs:
            if op is not None and op.copies and op.elementwise and kinds[0] == made:  # it does nothing
                self._steps[box] = inputs[0], steps
                return None
            name = box.name
            if len(self._uses[sources[0]]) == 1 and not steps:
                inputs[0].after.append(name)
                self._steps[box] = inputs[0], ()
                return None
            if self._goes_on(box):
                self._steps[box] = inputs[0], (*steps, name)
                return None
        if (
            op is not None
            and op.view
            and len(inputs) == 1
            and made is not None
            and made.rank == 2
            and self._goes_on(box)
        ):
            self._steps[box] = inputs[0], steps
            return None
        feature = Feature(box, inputs, before=steps, training=box.training)
        if light and len(sources) > 1 and made is not None and made.shape in [kind.shape for kind in kinds]:
            feature.sign = _SIGNS.get(box.name, box.name)
        self._measure(feature, made, op)
        self._steps[box] = feature, ()
        return feature

    def _goes_on(self, box: Box) -> bool:
        """Whether all that takes what a box makes is drawn as something of its own, so that the box can be told there."""
        uses = self._uses.get((box, 0), [])
        return bool(uses) and all(use.kind not in ("output", "update") and not self._is_sign(use) for use in uses)

    def _is_sign(self, box: Box) -> bool:
        return len(self._sources[box]) > 1 and (
            box.kind == "arithmetic" or any(n.op.elementwise for n in box.nodes[:1])
        )

    def _type(self, type_: TensorType) -> TensorType:
        return self._counted.type(type_)

    def _measure(self, feature: Feature, made: TensorType | None, op: Op | None) -> None:
        """How large it is, and where its channels are."""
        if made is None:
            return
        before = feature.inputs[0].axis if feature.inputs else 1
        axis = _axis(feature.box, made.rank)
        feature.axis = axis if axis is not None else before if before < made.rank else made.rank - 1
        self._write(feature, made)
        if op is not None and len(feature.inputs) == 1 and feature.space and not feature.sign:
            node = feature.box.nodes[0]
            types = tuple(map(self._type, (value.type for value in node.inputs)))
            seen = reach(op, types, tuple(map(self._type, (value.type for value in node.outputs))))[0]
            space = [slide for at, slide in enumerate(seen) if at not in (0, feature.inputs[0].axis)]
            slides = [slide for slide in space if slide is not None and slide.axis != feature.axis]
            if len(slides) == len(space) == len(feature.inputs[0].space):
                feature.window = tuple(map(_width, slides))

    def _turn(self, feature: Feature, features: list[Feature]) -> None:
        """The channels of an input are where those of what is made of it are."""
        takes = next((other for other in features if feature in other.inputs), None)
        made = self._type(feature.box.outputs[0].type)
        if takes is not None and len(takes.space) + 2 == made.rank and takes.axis != feature.axis < made.rank:
            feature.axis = takes.axis
            self._write(feature, made)

    def _write(self, feature: Feature, made: TensorType) -> None:
        sizes = made.shape
        unknown = [size for size in sizes if not isinstance(size, int)]
        if unknown:
            raise EngineError(
                f"volumes need sizes, and {feature.box.path or feature.box.name} is {feature.box.outputs[0].type}",
                f"give them with --size, as --size {unknown[0]}=224",
            )
        known = [size for size in sizes if isinstance(size, int)]
        shown = [str(size) for size in self._shown.type(feature.box.outputs[0].type).shape]
        if len(known) < 2:
            feature.channels, feature.size = prod(known), TIMES.join(shown)
            return
        axis = feature.axis
        space = [at for at in range(1, len(known)) if at != axis]
        feature.channels, feature.space = known[axis], tuple(known[at] for at in space)
        face = TIMES.join(shown[at] for at in space)
        feature.size = f"{shown[axis]}@{face}" if face else shown[axis]


def _width(slide: Slide) -> int:
    """How many positions are seen at once."""
    low, high, den = slide.low, slide.high, slide.den
    return (high - low) // den + 1 if isinstance(low, int) and isinstance(high, int) and isinstance(den, int) else 1


def _seen_through(box: Box) -> bool:
    return box.open and box.kind not in ("scan", "arithmetic")


def _axis(box: Box, rank: int) -> int | None:
    """The axis with the channels of what a box makes, of a block as its last operator says that has some."""
    if rank == 2:
        return 1
    for inner in reversed(list(box.walk())):
        op = inner.nodes[0].op if inner.nodes else None
        if op is not None and op.out_size is not None and inner.outputs and inner.outputs[0].type.rank == rank:
            return op.out_axis % rank
    return None


def _counted(features: list[Feature]) -> Iterator[Feature]:
    """Equal blocks that follow each other as one feature with a count."""
    takes: dict[Feature, list[Feature]] = {}
    for feature in features:
        for source in feature.inputs:
            takes.setdefault(source, []).append(feature)
    stands: dict[Feature, Feature] = {}
    last: dict[Feature, Feature] = {}
    for feature in features:
        feature.inputs = list(dict.fromkeys(stands.get(source, source) for source in feature.inputs))
        before = feature.inputs[0] if len(feature.inputs) == 1 else None
        if before is not None and len(takes.get(last.get(before, before), [])) == 1 and _again(before, feature):
            before.count += 1
            before.ends += feature.ends
            stands[feature], last[before] = before, feature
        else:
            yield feature


def _again(one: Feature, other: Feature) -> bool:
    a, b = one.box, other.box
    return (
        a.kind == b.kind == "block" and not one.ends and (a.name, a.arguments, one.size) == (b.name, b.arguments, other.size)
        and one.after == other.after and one.before == other.before and a.cost == b.cost
    )  # fmt: skip
