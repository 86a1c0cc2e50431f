"""A network in Python: `dlspec.load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlspec.analyses.report import Summary, summarise
from dlspec.analyses.written import written_op
from dlspec.diagnostics import did_you_mean
from dlspec.files import Disk
from dlspec.ir.graph import Graph
from dlspec.limits import Limits, limited
from dlspec.pipeline import elaborate, open_program
from dlspec.source import Span

if TYPE_CHECKING:
    from collections.abc import Collection

    import networkx as nx
    import numpy as np
    import onnx
    from graphviz import Digraph  # pyright: ignore[reportMissingTypeStubs]
    from torch import nn

    from dlspec.backends.diagram.layout import Arrangement, Direction
    from dlspec.backends.diagram.picture import Picture, Style
    from dlspec.backends.diagram.shown import Hidden, Shown
    from dlspec.backends.diagram.theme import ThemeName

    Array = np.ndarray[Any, np.dtype[Any]]


class Model:
    """A network of a spec, elaborated. In a notebook it shows its picture, blocks folded, and its table."""

    def __init__(self, graph: Graph, limits: Limits | None = None) -> None:
        self.graph = graph
        self._limits = limits or Limits()

    def summary(self) -> Summary:
        """The layers with their costs, and the totals. Sizes are the signature's defaults or those given to `load`."""
        return summarise(self.graph)

    def to_onnx(
        self, *, opset: int | None = None, seed: int = 0, weights: Mapping[str, Array] | None = None
    ) -> onnx.ModelProto:
        """The network at inference as an ONNX model. Weights by state-dict key, or drawn from ``seed``.

        Raises `DlspecError` for what ONNX cannot express and for weights that do not fit the network or into memory.
        """
        from dlspec.backends.onnx.write import to_model_proto

        with limited(self._limits):
            return to_model_proto(self.graph, opset=opset, seed=seed, weights=weights)

    def save_onnx(
        self,
        path: str | Path,
        *,
        opset: int | None = None,
        seed: int = 0,
        weights: Mapping[str, Array] | None = None,
    ) -> list[Path]:
        """Writes the ONNX model, whole or not at all, and returns its files: two where it passes 2 GiB.

        Raises as `to_onnx`, also where there is no room on the disk, and `OSError`.
        """
        from dlspec.backends.onnx.model import build
        from dlspec.backends.onnx.write import write

        with limited(self._limits):
            return write(build(self.graph, opset=opset, seed=seed, weights=weights), path)

    def to_torch(
        self,
        *,
        seed: int = 0,
        weights: Mapping[str, Array] | None = None,
        dtype: str | None = None,
        optimize: bool = False,
    ) -> nn.Module:
        """The network as a PyTorch module, in training mode as torch makes them. Weights as for `to_onnx`.

        ``dtype`` is "float16" or "bfloat16". With ``optimize`` it is the network at inference, with BatchNorm folded into
        convolutions and tensors laid out as channels_last. Raises `RunError` where torch is not installed, `DlspecError`
        for what PyTorch cannot express and for weights that do not fit.
        """
        from dlspec.backends.torch.live import to_module
        from dlspec.backends.weights import draw_all, untied
        from dlspec.ir.types import DTYPES
        from dlspec.passes.fold_batch_norm import fold_batch_norm, folded_weights

        graph = self.graph
        kind = None if dtype is None else DTYPES[dtype]
        with limited(self._limits):
            if optimize:
                if weights is None:
                    weights = draw_all(graph, seed)
                weights = untied(graph, weights)
                graph, weights = fold_batch_norm(graph), folded_weights(graph, weights)
            made = to_module(graph, weights, seed, dtype=kind, channels_last=optimize)
        return made.eval() if optimize else made

    def to_torch_source(self) -> str:
        """The network as a Python module of PyTorch classes. Needs no torch."""
        from dlspec.backends.torch import source

        return source(self.graph)

    def draw(
        self,
        *,
        depth: int | None = None,
        expand: Collection[str] = (),
        collapse: Collection[str] = (),
        unroll: bool = False,
        direction: Direction | None = None,
        theme: ThemeName | None = None,
        wrap: float | None = None,
        poster: bool = False,
        layout: Arrangement | None = None,
        style: Style = "boxes",
        width: str | None = None,
        hide: Collection[Hidden] = (),
        show: Collection[Shown] = (),
    ) -> Picture:
        """A picture, which shows itself in a notebook and has ``save("net.svg")``. `dlspec draw` says what the options mean.

        Raises `UnknownPath`, a ValueError, for a path that names nothing, and `NoLevels` where ``layout`` "levels" has
        nothing to place. ``wrap`` goes with ``direction`` "LR" and sets it; ``width`` is a length on paper, as "3.3in",
        which goes without ``wrap``. ``hide`` and ``show`` are parts, see `shown`. Raises ValueError for others.
        """
        from dlspec.backends.diagram.building import build_scene
        from dlspec.backends.diagram.length import Length
        from dlspec.backends.diagram.picture import Picture
        from dlspec.backends.diagram.shown import choose_parts

        scene = build_scene(
            self.graph,
            self.summary(),
            depth=depth,
            expand=expand,
            collapse=collapse,
            unroll=unroll or style == "volumes",
        )
        if width is not None and wrap is not None:
            raise ValueError("width chooses where lines end: leave wrap out")
        choose_parts(scene, hide, show)
        paper = None if width is None else Length.parse(width)
        direction = "LR" if wrap is not None else direction
        return Picture(scene, direction, theme, wrap, poster, layout, style=style, width=paper)

    def to_graphviz(
        self,
        *,
        depth: int | None = None,
        expand: Collection[str] = (),
        collapse: Collection[str] = (),
        unroll: bool = False,
    ) -> Digraph:
        """The network as a graph of the package `graphviz`: blocks are clusters, shapes stand at edges. A notebook shows it,
        and what it has can be changed. Options as for `draw`.

        Raises `UnknownPath`, and `EngineError` where the package is missing.
        """
        return self.draw(depth=depth, expand=expand, collapse=collapse, unroll=unroll).digraph()

    def to_networkx(self) -> nx.DiGraph[str]:
        """The network as a graph of networkx, whose attributes are plain: of a node its ``op`` with arguments, ``path``,
        ``types`` (of its outputs), ``params``, ``macs`` and ``flops`` (numbers, or expressions as text) and ``source``, as
        "net.dlspec:3:5"; of an edge the ``tensor`` and its ``type``. Inputs are nodes with the op "input".
        """
        counted = self.summary()
        view = self.graph.to_networkx()
        for value in self.graph.inputs:
            view.add_node(value.name, op="input", path=value.name, types=str(value.type), source=_place(value.span))
        for node in self.graph.nodes:
            cost = counted.costs.nodes[node]
            known = {name: dim if isinstance(dim, int) else str(dim) for name, dim in cost._asdict().items()}
            types = ", ".join(str(value.type) for value in node.outputs)
            view.add_node(
                node.name, op=written_op(node.op), path=node.name, types=types, source=_place(node.span), **known
            )
        for _, attributes in view.nodes(data=True):
            del attributes["node"]
        return view

    def __repr__(self) -> str:
        totals = self.summary().totals
        return f"<dlspec.Model {self.graph.name}: {len(self.graph.nodes)} nodes, {totals['params']} params>"

    def _repr_html_(self) -> str:
        from html import escape

        from dlspec.backends.diagram.engine import EngineError
        from dlspec.report import html

        try:
            picture = self.draw(depth=1).svg()
        except EngineError as error:
            picture = f"<p>No picture: {escape(error.message)} ({escape(error.hint)})</p>"
        return html(self.summary(), picture)


def load(
    path: str | Path,
    network: str | None = None,
    *,
    sizes: Mapping[str, int] | None = None,
    project: str | Path | None = None,
    limits: Limits | None = None,
    **settings: Any,
) -> Model:
    """Reads a spec, a file or a shipped one such as ``std.resnet``, and elaborates one of its networks: the only one
    where no name is given.

    ``settings`` are the network's, as in ``load("resnet.dlspec", "ResNet50", classes=10)``; ``sizes`` pin symbols of its
    signature; ``project`` is the folder that imports stay in, see `dlspec.files.Disk`. What it may take, and its
    weights, is bounded by ``limits``. Raises `DlspecError` for a spec that is wrong or takes more, `ValueError` for a
    choice of network that is wrong.
    """
    program = open_program(path, Disk(project), limits)
    names = list(program.networks or program.need)
    if network is None:
        if len(names) != 1:
            raise ValueError(f"{path} has {len(names)} networks, choose one: {', '.join(names)}")
        network = names[0]
    if network not in program.module.networks:
        names = list(program.module.networks)
        hint = did_you_mean(network, names) or f"it has {', '.join(names) or 'none'}"
        raise ValueError(f"{path} has no network {network}: {hint}")
    return Model(elaborate(program, network, settings, sizes), limits)


def _place(span: Span) -> str:
    return f"{span.source.name}:{span.line}:{span.column}"
