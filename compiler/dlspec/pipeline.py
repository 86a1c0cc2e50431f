"""From a file to graphs: text, tree, typed graph, analyses. The straight line, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlspec.analyses.traps import trap_findings
from dlspec.diagnostics import Diagnostic, Diagnostics, DlspecError, did_you_mean
from dlspec.elaborate import network as elaboration
from dlspec.elaborate.calls import needs
from dlspec.elaborate.defaults import unreached_defaults
from dlspec.elaborate.instances import Common
from dlspec.elaborate.known import Known
from dlspec.elaborate.modules import Loader, constant_elaborator
from dlspec.elaborate.session import Session
from dlspec.elaborate.values import POISON, Abandon, BlockLayer, Failure, Fault, Module
from dlspec.files import DISK, Files, read_source, spec_path
from dlspec.ir.forget import take_apart
from dlspec.ir.graph import Graph
from dlspec.ir.types import DType
from dlspec.limits import Limits, budget, spending
from dlspec.source import Source, Span
from dlspec.syntax import ast

if TYPE_CHECKING:
    from dlspec.elaborate.recorder import Recorder
    from dlspec.objectives.training import Training


_RECORDED = 20
"""Times the steps that a recorder takes where others copy."""


class Program:
    """A file with what it imports: the ``networks`` and ``trains`` declared in it, in order, the ``diagnostics`` so far, and
    the ``limits`` of what is made of it. Networks that ``need`` settings, since some have no default, are apart."""

    def __init__(self, module: Module, diagnostics: Diagnostics, limits: Limits | None = None) -> None:
        self.module = module
        self.diagnostics = diagnostics
        self.limits = limits
        self.networks = {name: network for name, network in module.networks.items() if not needs(network)}
        self.need = {name: network for name, network in module.networks.items() if needs(network)}
        self.trains = module.trains


def open_program(path: str | Path, files: Files = DISK, limits: Limits | None = None) -> Program:
    """Reads a file, or a shipped one such as `std.resnet`, and its imports. Raises `DlspecError`, and OSError for the
    file itself."""
    return open_source(read_source(spec_path(path, files), str(path), files), files, limits)


def collected() -> Diagnostics:
    """Where findings go, as many as the limits of what is compiled allow."""
    return Diagnostics(most=budget().limits.findings)


def files_of(source: Source, files: Files = DISK) -> list[Path]:
    """The file of a text and those it imports, as far as they can be followed."""
    with spending():
        loader = Loader(collected(), files, Session())
        loader.load(source)
    return list(dict.fromkeys(loader.paths))


def open_source(source: Source, files: Files = DISK, limits: Limits | None = None) -> Program:
    """The program of a text. Raises `DlspecError`."""
    with spending(limits):
        diagnostics = collected()
        module = Loader(diagnostics, files, Session()).load(source)
        diagnostics.check()
        return Program(module, diagnostics, limits)


def elaborate(
    program: Program, network: str, settings: Mapping[str, Any] | None = None, sizes: Mapping[str, int] | None = None
) -> Graph:
    """The graph of a network. Raises `DlspecError`; KeyError for a name that is not a network of the file."""
    with spending(program.limits):
        checks = Checks()
        layer = program.module.networks[network]
        graph = _network(layer, settings or {}, sizes or {}, checks.diagnostics, checks.session)
    checks.diagnostics.check()
    assert graph is not None
    program.diagnostics.extend(checks.diagnostics)
    return graph


def elaborate_training(
    program: Program, train: str, settings: Mapping[str, Any] | None = None, sizes: Mapping[str, int] | None = None
) -> Training:
    """The objectives of a `train`. Raises as `elaborate`."""
    with spending(program.limits):
        checks = Checks()
        made = _train(
            program.module, program.trains[train], settings or {}, sizes or {}, checks.diagnostics, checks.session
        )
    checks.diagnostics.check()
    assert made is not None
    program.diagnostics.extend(checks.diagnostics)
    return made


def elaborate_partial(
    program: Program, network: str, settings: Mapping[str, Any] | None = None, sizes: Mapping[str, int] | None = None
) -> tuple[Graph, list[Fault], Diagnostics]:
    """What could be built of a network that may be wrong, the steps that could not, and everything found.

    For pictures: where the diagnostics have errors the graph ends at the faults. Raises KeyError as `elaborate`.
    """
    with spending(program.limits):
        checks = Checks()
        graph, faults = elaboration.elaborate_partial(
            program.module.networks[network], settings or {}, sizes or {}, checks.diagnostics, checks.session
        )
    return graph, faults, checks.diagnostics


def _network(
    network: BlockLayer,
    settings: Mapping[str, Any],
    sizes: Mapping[str, int],
    diagnostics: Diagnostics,
    session: Session,
) -> Graph | None:
    graph = elaboration.elaborate_network(network, settings, sizes, diagnostics, session)
    if graph is not None:
        diagnostics.extend(trap_findings(graph))
        if any(value.type.dtype is DType.FLOAT64 for node in graph.nodes for value in node.outputs):
            # Few networks are in float64, and numpy takes time to import.
            from dlspec.backends.onnx.kernels import missing_kernels

            diagnostics.extend(missing_kernels(graph))
    return graph


def _train(
    module: Module,
    declaration: ast.Train,
    settings: Mapping[str, Any],
    sizes: Mapping[str, int],
    diagnostics: Diagnostics,
    session: Session,
) -> Training | None:
    # Most files have no train, and are checked more quickly without what trains need.
    from dlspec.analyses.objectives import objective_findings
    from dlspec.analyses.pairs import pair_findings
    from dlspec.elaborate.training import elaborate_train

    made = elaborate_train(module, declaration, settings, sizes, diagnostics, session)
    if made is not None:
        diagnostics.extend(objective_findings(made))
        diagnostics.extend(pair_findings(made))
        diagnostics.extend(trap_findings(made.graph))
    return made


def check(path: str | Path, files: Files = DISK, limits: Limits | None = None) -> Diagnostics:
    """Everything that is wrong with a file: its networks and expectations. Raises only OSError."""
    try:
        return check_source(read_source(Path(path), str(path), files), files, limits)
    except DlspecError as error:
        return Diagnostics(error.diagnostics)


def check_source(source: Source, files: Files = DISK, limits: Limits | None = None) -> Diagnostics:
    """Like `check`, of a text."""
    with spending(limits):
        return open_unchecked(source, files).check()


class Unchecked:
    """A file with what it imports, whatever is wrong with it."""

    def __init__(self, loader: Loader, module: Module, limits: Limits | None = None) -> None:
        self.module = module
        self.imported = loader.imported
        self._loader = loader
        self._limits = limits

    def __del__(self) -> None:
        self.module.forget()

    def check(self, checks: Checks | None = None) -> Diagnostics:
        """Everything that is wrong with the file and what it imports, as far as its budget goes."""
        module = self.module
        limits = self._limits or budget().limits
        if checks is not None and checks.session.recorder is not None:
            limits = replace(limits, steps=_RECORDED * limits.steps)
        with spending(limits) as left, suppress(Abandon):
            checks = checks or Checks()
            checks.diagnostics.extend(self._loader.diagnostics)
            for network in module.networks.values():
                if not left.exceeded and not (needs(network) and _is_used(network, module.file)):
                    checks.network(network)
            elaborator = constant_elaborator(checks.diagnostics, checks.session)
            for declaration in module.file.declarations:
                if isinstance(declaration, ast.Expect) and not left.exceeded:
                    elaborator.statement(declaration, module.env)
                if isinstance(declaration, ast.Variant) and checks.session.recorder is not None:
                    with suppress(Failure):
                        elaborator.evaluate(declaration.value, module.env)
            for declaration in module.trains.values():
                if not left.exceeded:
                    checks.train(declaration, module)
            if not checks.diagnostics.errors:
                checks.diagnostics.extend(unreached_defaults(module.file))
        assert checks is not None
        checks.forget()
        return Diagnostics(found for found in checks.diagnostics if not self._loader.echoes(found))


def open_unchecked(
    source: Source,
    files: Files = DISK,
    session: Session | None = None,
    known: Mapping[Path, Module] | None = None,
    limits: Limits | None = None,
) -> Unchecked:
    """Reads a text and its imports, as far as it goes; of the imports those that are ``known`` and still the same."""
    with spending(limits):
        loader = Loader(collected(), files, session or Session(), known)
        return Unchecked(loader, loader.load(source), limits)


class Check:
    """What came of a network or train: the ``findings``, and where nothing is wrong that it is ``sound``.

    Of a network its ``graph``, or what was counted in it: the ``totals`` by name.
    """

    __slots__ = ("findings", "graph", "sound", "totals")

    def __init__(self, findings: tuple[Diagnostic, ...], sound: bool, graph: Graph | None = None) -> None:
        self.findings = findings
        self.sound = sound
        self.graph = graph
        self.totals: Mapping[str, Any] | None = None

    def forget(self) -> None:
        """Takes the graph apart, which nobody else has."""
        if self.graph is not None:
            take_apart(self.graph)
            self.graph = None


class Checks:
    """Elaborates networks, each once for each set of settings, and trains; what is wrong goes to ``diagnostics``.

    What is wrong with one may have been found in another before, so each has diagnostics of its own first.
    """

    def __init__(self, known: Known | None = None, recorder: Recorder | None = None) -> None:
        self.diagnostics = collected()
        self.session = Session(self.measure, known or Known(), recorder)
        self._networks: dict[tuple[int, str], Check | None] = {}
        self._asked = 0
        self._common: Common | None = Common()

    def network(self, layer: BlockLayer) -> Check | None:
        """What came of a network; None where it is asked while it is elaborated, by itself."""
        key = (id(layer.declaration), repr(sorted(_settings(layer).items())))
        if key not in self._networks:
            self._networks[key] = None
            check = self._networks[key] = self.elaborated(layer)
            self.diagnostics.extend(check.findings)
        return self._networks[key]

    def train(self, declaration: ast.Train, module: Module) -> None:
        self.diagnostics.extend(self.elaborated_train(declaration, module).findings)

    def elaborated(self, layer: BlockLayer) -> Check:
        common, left = self._common, budget()
        if common is None:
            return self._elaborated(layer, None)
        taken, steps, bytes, exceeded = common.taken, left.steps, left.bytes, left.exceeded
        check = self._elaborated(layer, common)
        if check.findings and common.taken > taken:
            # They may point at the text of other networks, and others will have some too.
            self._common = None
            common.instances.clear()
            left.steps, left.bytes, left.exceeded = steps, bytes, exceeded
            check.forget()
            check = self._elaborated(layer, None)
        return check

    def _elaborated(self, layer: BlockLayer, common: Common | None) -> Check:
        found = collected()
        graph = _network(layer, _settings(layer), {}, found, replace(self.session, common=common))
        return Check(tuple(found), graph is not None, graph)

    def elaborated_train(self, declaration: ast.Train, module: Module) -> Check:
        found = collected()
        made = _train(module, declaration, {}, {}, found, self.session)
        if made is not None and self.session.recorder is None:
            take_apart(made.graph)
        return Check(tuple(found), made is not None)

    def forget(self) -> None:
        """Takes apart what was built, unless a recorder has it too: what was found stays."""
        if self.session.recorder is None:
            for check in self._networks.values():
                if check is not None:
                    check.forget()
        self.session = replace(self.session, measure=None)  # which leads back here

    def measure(self, layer: BlockLayer, attribute: str, span: Span) -> Any:
        """A total of a network by name, for `expect ResNet50.params == ...`. Raises `Failure` for a name that is none."""
        self._asked += 1
        limit = budget().limits.depth
        if self._asked > limit:
            message = f"networks ask for what is counted in each other {limit} levels deep"
            raise Failure("DL0402", message, span, hint="--max-depth allows more", fatal=True)
        try:
            check = self.network(layer)
        finally:
            self._asked -= 1
        if check is None or not check.sound:
            return POISON
        known = check.totals = check.totals or self.totals(layer, check)
        if attribute not in known:
            hint = did_you_mean(attribute, known) or f"it has {', '.join(known)}"
            raise Failure("DL0302", f"a network has no `{attribute}`", span, hint=hint)
        return known[attribute]

    def totals(self, layer: BlockLayer, check: Check) -> Mapping[str, Any]:
        from dlspec.analyses.report import totals

        assert check.graph is not None
        return totals(check.graph, check.graph.default_sizes())


def _settings(layer: BlockLayer) -> dict[str, Any]:
    return {name: value for name, (value, _) in layer.arguments.items()}


def _is_used(network: BlockLayer, file: ast.File) -> bool:
    """Whether a file names a network elsewhere: then it is checked in what it becomes there."""
    others = (each for each in file.declarations if each.span is not network.declaration.span)
    names = (node.name for each in others for node in ast.walk(each) if isinstance(node, ast.Name))
    return network.declaration.name.name in names
