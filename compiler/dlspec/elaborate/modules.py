"""Files and what they import from each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dlspec.diagnostics import Diagnostic, Diagnostics, DlspecError, Note, did_you_mean, first_line
from dlspec.elaborate.builder import too_much
from dlspec.elaborate.flow import Elaborator
from dlspec.elaborate.recorder import make_elaborator
from dlspec.elaborate.session import Session
from dlspec.elaborate.values import POISON, Abandon, BlockLayer, Failure, Module, refuse_twice
from dlspec.elaborate.variants import declare_variants
from dlspec.files import SUFFIX, Files, read_source
from dlspec.ir.conditions import Conditions
from dlspec.ir.graph import Graph
from dlspec.ir.scope import Scope
from dlspec.limits import FILE, Exceeded, budget
from dlspec.source import Source, Span
from dlspec.syntax import ast
from dlspec.syntax.parser import parse

_CYCLE = 8
"""Files of a circle that a message names."""

_UNKNOWN = frozenset({"DL0301", "DL0302", "DL0308", "DL0705"})


class Loader:
    """Reads files and what they import, each once. ``paths`` are those it has come upon, readable or not, ``imported`` the
    modules that were imported.

    Those of another loader are ``known``: one with the same text, and the same imports in it, is taken as it is.
    """

    def __init__(
        self, diagnostics: Diagnostics, files: Files, session: Session, known: Mapping[Path, Module] | None = None
    ) -> None:
        self.diagnostics = diagnostics
        self.files = files
        self.imported: dict[Path, Module] = {}
        self._session = session
        self._library = files.resolve(files.library)
        self._known = known or {}
        self.paths: list[Path] = []
        self._modules: dict[Path, Module] = {}
        self._by_source: dict[Source, Module] = {}
        self._loading: list[tuple[Path, Span | None]] = []
        self._found: dict[Module, tuple[Diagnostic, ...]] = {}
        self._waiting: set[Path] = set()
        self._failed: dict[Path, OSError | DlspecError | Exceeded] = {}

    def load(self, source: Source) -> Module:
        """The module of a source. What is wrong with it and what it imports goes to ``diagnostics``."""
        path = self.files.resolve(source.path) if source.path else Path(source.name)
        self.paths.append(path)
        open_files = [self._begun(path, source, None)]
        while True:  # not recursively: what is imported may import what imports something, and so on
            module, imports = open_files[-1]
            node = next(imports, None)
            opened = None if node is None else self._opened(node, module)
            if node is not None and opened is not None:
                open_files.append(self._begun(*opened, node.span))
            elif node is None:
                open_files.pop()
                module = self._declared(self._loading[-1][0], module)
                self._waiting.remove(self._loading.pop()[0])
                if not open_files:
                    return module

    def _begun(self, path: Path, source: Source, at: Span | None) -> tuple[Module, Iterator[ast.Import]]:
        """A file that is read, whose imports are to be read next."""
        self._loading.append((path, at))
        self._waiting.add(path)
        known = self._known.get(path) if at is not None else None
        before = known.file.source if known is not None and known.sound else None
        if known is None or before is None or (before.name, before.text) != (source.name, source.text):
            parsed = parse(source)
            known = Module(parsed.file)
            self._found[known] = parsed.findings
        return known, iter([node for node in known.file.declarations if isinstance(node, ast.Import)])

    def _opened(self, node: ast.Import, module: Module) -> tuple[Path, Source] | None:
        """The file that an import means; None where it is known already, or cannot be read."""
        try:
            path = self._find(node, module)
        except Failure:
            return None
        if path in self._modules or path in self._failed or path in self._waiting:
            return None
        self.paths.append(path)
        try:
            budget().spend(FILE)
            return path, read_source(path, self._display(path, module), self.files)
        except (OSError, DlspecError, Exceeded) as error:
            self._failed[path] = error
            return None

    def _declared(self, path: Path, module: Module) -> Module:
        """The module of a file whose imports are read."""
        if module not in self._found and not self._as_before(module):
            module = Module(module.file)
            self._found[module] = ()
        if module in self._found:
            before = len(self.diagnostics)
            self.diagnostics.extend(self._found[module])
            self._declare(module)
            sound = all(other.sound for other, _ in module.imports.values())
            module.sound = sound and len(self.diagnostics) == before
        self._modules[path] = self._by_source[module.file.source] = module
        if len(self._loading) > 1:
            self.imported[path] = module
        return module

    def echoes(self, found: Diagnostic) -> bool:
        """Whether a finding only says that a name is unknown which may stand in what could not be read."""
        module = self._by_source.get(found.span.source)
        return module is not None and found.code in _UNKNOWN and found.span.text in module.lost

    def _declare(self, module: Module) -> None:
        names: dict[str, Span] = {}
        variants: dict[str, ast.Variant] = {}
        for declaration in module.file.declarations:
            try:
                match declaration:
                    case ast.Import():
                        self._import(declaration, module, names)
                    case ast.Block() | ast.Network():
                        _take(names, declaration.name)
                        module.env.names[declaration.name.name] = BlockLayer(declaration, module)
                        refuse_twice(parameter.name for parameter in declaration.parameters)
                    case ast.Variant():
                        _take(names, declaration.name)
                        variants[declaration.name.name] = declaration
                    case ast.Train():
                        _take(names, declaration.name)
                        refuse_twice(parameter.name for parameter in declaration.parameters)
                    case _:
                        pass
            except Failure as failure:
                self.diagnostics.add(failure.diagnostic)
        elaborator = constant_elaborator(self.diagnostics, self._session)
        with suppress(Abandon):
            declare_variants(module, variants, elaborator)
            declared = [
                each.name.name for each in module.file.declarations if isinstance(each, ast.Network | ast.Variant)
            ]
            for name in declared:
                layer = module.env.names.get(name)
                if isinstance(layer, BlockLayer) and isinstance(layer.declaration, ast.Network):
                    module.networks[name] = layer
            for declaration in module.file.declarations:
                if isinstance(declaration, ast.Bind | ast.Default | ast.Unreadable):
                    elaborator.statement(declaration, module.env)

    def _import(self, node: ast.Import, module: Module, names: dict[str, Span]) -> None:
        try:
            other = self._imported(node, module)
        except Failure:
            for imported in node.names:
                module.env.names[(imported.alias or imported.name).name] = POISON
            raise
        for imported in node.names:
            local = imported.alias or imported.name
            _take(names, local)
            name = imported.name.name
            module.imports[local.name] = (other, name)
            module.env.names[local.name] = other.env.names.get(name, POISON)
            if name not in other.env.names and name not in other.lost:
                if name in other.trains:
                    hint = f"it is run where it stands: `{'.'.join(node.path)}:{name}`"
                    message = f"`{name}` is a train, and trains are not imported"
                    self.diagnostics.add(Failure("DL0405", message, imported.name.span, hint=hint).diagnostic)
                    continue
                known = [*other.env.names]
                self.diagnostics.add(
                    Failure(
                        "DL0405", f"{'.'.join(node.path)} has no `{name}`", imported.name.span,
                        hint=did_you_mean(name, known) or f"it has {', '.join(known) or 'none'}",
                    ).diagnostic
                )  # fmt: skip

    def _imported(self, node: ast.Import, module: Module) -> Module:
        """The module that an import means, which is read already. Raises `Failure`."""
        path = self._find(node, module)
        if path in self._modules:
            return self._modules[path]
        for index, (loading, _) in enumerate(self._loading):
            if loading == path:
                cycle = [p.stem for p, _ in self._loading[index:]] + [path.stem]
                if len(cycle) > _CYCLE:
                    cycle = [*cycle[: _CYCLE // 2], "...", *cycle[-_CYCLE // 2 :]]
                leads = [at for _, at in self._loading[index + 1 :] if at is not None]
                raise Failure(
                    "DL0403", f"these files import each other: {' -> '.join(cycle)}", node.span,
                    notes=tuple(Note(at, "this import leads there") for at in leads[:_CYCLE]),
                    hint="move what both need to a third file",
                )  # fmt: skip
        error = self._failed[path]
        if isinstance(error, Exceeded):
            raise too_much(error, node.span)
        if isinstance(error, OSError):
            raise Failure("DL0404", f"{path.name} cannot be read: {first_line(error)}", node.span)
        (found,) = error.diagnostics
        raise Failure("DL0404", f"line {found.span.line} of {found.message}", node.span, hint=found.hint)

    def _as_before(self, known: Module) -> bool:
        """Whether what a known module imports is unchanged too."""
        try:
            for node in known.file.declarations:
                if isinstance(node, ast.Import):
                    other = self._imported(node, known)
                    if any(known.imports[(name.alias or name.name).name][0] is not other for name in node.names):
                        return False
        except Failure:
            return False
        return True

    def _find(self, node: ast.Import, module: Module) -> Path:
        if node.level == 0:
            if node.path[0] != "std":
                raise Failure(
                    "DL0404", f"there is no library `{node.path[0]}`", node.span,
                    hint=f"`from .{'.'.join(node.path)} import ...` is a file beside this one; `std` is the library",
                )  # fmt: skip
            folder, parts = self.files.library, node.path[1:]
        else:
            here = module.file.source.path
            if here is None:
                raise Failure("DL0404", "a text without a file has no neighbours to import", node.span)
            folder, parts = self.files.resolve(here).parent, node.path
            for _ in range(node.level - 1):
                folder = folder.parent
        path = folder.joinpath(*parts).with_suffix(SUFFIX) if parts else folder
        if node.level:
            self._check_reach(path, node)
        if not self.files.exists(path):
            candidates = self.files.siblings(path)
            wanted = parts[-1] if parts else ""
            raise Failure(
                "DL0404", f"there is no file {path.name} in {'std' if node.level == 0 else 'this folder'}", node.span,
                hint=did_you_mean(wanted, candidates) or (f"std has {', '.join(candidates)}" if node.level == 0 else ""),
            )  # fmt: skip
        return self.files.resolve(path)

    def _check_reach(self, path: Path, node: ast.Import) -> None:
        """Raises `Failure` for an import that leaves the project, or leads by a link to what is no spec. Whether there is
        such a file is not said."""
        wanted = self.files.resolve(path)
        project = self.files.project(self._loading[0][0])
        if project is not None and not wanted.is_relative_to(project) and not wanted.is_relative_to(self._library):
            raise Failure(
                "DL0404", f"this import leads out of the project's folder {project}", node.span,
                hint="--project DIR lets imports reach all of DIR",
            )  # fmt: skip
        if wanted.suffix != SUFFIX:
            raise Failure("DL0404", f"{path.name} is a link to a file that is no spec", node.span)

    def _display(self, path: Path, module: Module) -> str:
        """The name of an imported file in messages: as the importing file's own name leads there."""
        here, library = module.file.source, self.files.library
        if here.path is not None and path.parent == self.files.resolve(here.path).parent:
            return str(Path(here.name).with_name(path.name))
        return str(path) if not path.is_relative_to(library) else f"std/{path.relative_to(library)}"


def _take(names: dict[str, Span], name: ast.Name) -> None:
    if name.name in names:
        note = Note(names[name.name], "the first one is here")
        raise Failure("DL0307", f"`{name.name}` is declared twice", name.span, notes=(note,))
    names[name.name] = name.span


def constant_elaborator(diagnostics: Diagnostics, session: Session) -> Elaborator:
    """Evaluates what stands outside networks: constants, layers and expectations."""
    span = Span(Source("", ""), 0, 0)
    return make_elaborator(Graph("", Scope("network", None, span)), Conditions(), diagnostics, session)
