"""From a file to graphs: text, tree, typed graph, analyses. The straight line, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlspec.diagnostics import Diagnostics, DlspecError, did_you_mean
from dlspec.elaborate import network as elaboration
from dlspec.elaborate.modules import Loader, constant_elaborator
from dlspec.elaborate.values import BlockLayer, Failure, Fault, Module
from dlspec.files import DISK, Files, read_source, spec_path
from dlspec.ir.graph import Graph
from dlspec.source import Source, Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.expressions import Measure
    from dlspec.elaborate.recorder import Recorder
    from dlspec.objectives.training import Training


class Program:
    """A file with what it imports: the ``networks`` and ``trains`` declared in it, in order, and the ``diagnostics``
    so far."""

    def __init__(self, module: Module, diagnostics: Diagnostics) -> None:
        self.module = module
        self.diagnostics = diagnostics
        self.networks = module.networks
        self.trains = module.trains


def open_program(path: str | Path, files: Files = DISK) -> Program:
    """Reads a file, or a shipped one such as `std.resnet`, and its imports. Raises `DlspecError`, and OSError for the
    file itself."""
    return open_source(read_source(spec_path(path, files), str(path), files), files)


def files_of(source: Source, files: Files = DISK) -> list[Path]:
    """The file of a text and those it imports, as far as they can be followed."""
    loader = Loader(Diagnostics(), files)
    loader.load(source)
    return list(dict.fromkeys(loader.paths))


def open_source(source: Source, files: Files = DISK) -> Program:
    """The program of a text. Raises `DlspecError`."""
    diagnostics = Diagnostics()
    module = Loader(diagnostics, files).load(source)
    diagnostics.check()
    return Program(module, diagnostics)


def elaborate(
    program: Program, network: str, settings: Mapping[str, Any] | None = None, sizes: Mapping[str, int] | None = None
) -> Graph:
    """The graph of a network. Raises `DlspecError`; KeyError for a name that is not a network of the file."""
    diagnostics = Diagnostics()
    measures = _Measures(diagnostics)
    graph = elaboration.elaborate_network(
        program.module, program.networks[network], settings or {}, sizes or {}, diagnostics, measures.measure
    )
    diagnostics.check()
    assert graph is not None
    program.diagnostics.extend(diagnostics)
    return graph


def elaborate_training(
    program: Program, train: str, settings: Mapping[str, Any] | None = None, sizes: Mapping[str, int] | None = None
) -> Training:
    """The objectives of a `train`. Raises as `elaborate`."""
    diagnostics = Diagnostics()
    measure = _Measures(diagnostics).measure
    made = _train(program.module, program.trains[train], settings or {}, sizes or {}, diagnostics, measure)
    diagnostics.check()
    assert made is not None
    program.diagnostics.extend(diagnostics)
    return made


def elaborate_partial(
    program: Program, network: str, settings: Mapping[str, Any] | None = None, sizes: Mapping[str, int] | None = None
) -> tuple[Graph, list[Fault], Diagnostics]:
    """What could be built of a network that may be wrong, the steps that could not, and everything found.

    For pictures: where the diagnostics have errors the graph ends at the faults. Raises KeyError as `elaborate`.
    """
    diagnostics = Diagnostics()
    measures = _Measures(diagnostics)
    graph, faults = elaboration.elaborate_partial(
        program.module, program.networks[network], settings or {}, sizes or {}, diagnostics, measures.measure
    )
    return graph, faults, diagnostics


def _train(
    module: Module,
    declaration: ast.Train,
    settings: Mapping[str, Any],
    sizes: Mapping[str, int],
    diagnostics: Diagnostics,
    measure: Measure,
    recorder: Recorder | None = None,
) -> Training | None:
    # Most files have no train, and are checked more quickly without what trains need.
    from dlspec.analyses.objectives import objective_findings
    from dlspec.elaborate.training import elaborate_train

    made = elaborate_train(module, declaration, settings, sizes, diagnostics, measure, recorder)
    if made is not None:
        diagnostics.extend(objective_findings(made))
    return made


def check(path: str | Path, files: Files = DISK) -> Diagnostics:
    """Everything that is wrong with a file: its networks and expectations. Raises only OSError."""
    try:
        return check_source(read_source(Path(path), str(path), files), files)
    except DlspecError as error:
        diagnostics = Diagnostics()
        diagnostics.extend(error.diagnostics)
        return diagnostics


def check_source(source: Source, files: Files = DISK) -> Diagnostics:
    """Like `check`, of a text."""
    return open_unchecked(source, files).check()


class Unchecked:
    """A file with what it imports, whatever is wrong with it."""

    def __init__(self, loader: Loader, module: Module) -> None:
        self.module = module
        self._loader = loader

    def check(self, recorder: Recorder | None = None) -> Diagnostics:
        """Everything that is wrong with the file and what it imports."""
        module, diagnostics = self.module, Diagnostics(self._loader.diagnostics)
        measures = _Measures(diagnostics, recorder)
        for declaration in module.networks.values():
            measures.graph(BlockLayer(declaration, module))
        elaborator = constant_elaborator(diagnostics, measures.measure, recorder)
        for declaration in module.file.declarations:
            if isinstance(declaration, ast.Expect):
                elaborator.statement(declaration, module.env)
        for declaration in module.trains.values():
            found = Diagnostics()
            _train(module, declaration, {}, {}, found, measures.measure, recorder)
            diagnostics.extend(found)
        return Diagnostics(found for found in diagnostics if not self._loader.echoes(found))


def open_unchecked(source: Source, files: Files = DISK, recorder: Recorder | None = None) -> Unchecked:
    """Reads a text and its imports, as far as it goes."""
    loader = Loader(Diagnostics(), files, recorder)
    return Unchecked(loader, loader.load(source))


class _Measures:
    """Counts of networks, for `expect ResNet50.params == ...`; each is elaborated once for each set of settings."""

    def __init__(self, diagnostics: Diagnostics, recorder: Recorder | None = None) -> None:
        self.diagnostics = diagnostics
        self._recorder = recorder
        self._graphs: dict[tuple[int, str], Graph | None] = {}
        self._totals: dict[int, Mapping[str, Any]] = {}

    def graph(self, layer: BlockLayer) -> Graph | None:
        assert isinstance(layer.declaration, ast.Network)
        settings = {name: value for name, (value, _) in layer.arguments.items()}
        key = (id(layer.declaration), repr(sorted(settings.items())))
        if key not in self._graphs:
            self._graphs[key] = None  # a network that measures itself finds nothing
            found = Diagnostics()  # of its own: what is wrong with it may have been found in another network before
            self._graphs[key] = elaboration.elaborate_network(
                layer.module, layer.declaration, settings, {}, found, self.measure, self._recorder
            )
            self.diagnostics.extend(found)
        return self._graphs[key]

    def measure(self, layer: BlockLayer, attribute: str, span: Span) -> Any:
        """A total of a network by name. Raises `Failure` for a name that is no total."""
        from dlspec.analyses.report import totals
        from dlspec.elaborate.values import POISON

        graph = self.graph(layer)
        if graph is None:
            return POISON
        if id(graph) not in self._totals:
            self._totals[id(graph)] = totals(graph, graph.default_sizes() | graph.sizes)
        known = self._totals[id(graph)]
        if attribute not in known:
            hint = did_you_mean(attribute, known) or f"it has {', '.join(known)}"
            raise Failure("DL0302", f"a network has no `{attribute}`", span, hint=hint)
        return known[attribute]
