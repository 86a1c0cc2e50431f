"""The classes of a module file: modules of one declaration share one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from dlspec.backends.torch.classes.clauses import rolled_as_one
from dlspec.backends.torch.classes.grouping import (
    GroupKey,
    class_children,
    consistent,
    group_of,
    likeness,
    prepared_tree,
)
from dlspec.backends.torch.classes.levels import Mismatch
from dlspec.backends.torch.classes.merge import Merger
from dlspec.backends.torch.classes.objectives import TrainingPlanner
from dlspec.backends.torch.classes.resolve import Class, Resolver
from dlspec.backends.torch.classes.rolling import written_out
from dlspec.backends.torch.classes.template import Template
from dlspec.backends.torch.plans.author import Author
from dlspec.backends.torch.plans.plan import Plan, Unreachable
from dlspec.backends.torch.plans.planner import Planner
from dlspec.backends.torch.plans.settings import Settings
from dlspec.backends.torch.plans.tree import Module, Tree
from dlspec.backends.torch.python import names
from dlspec.elaborate.values import BlockLayer, OpLayer
from dlspec.ir.graph import Graph
from dlspec.objectives.training import Training


class _Apart(Exception):
    """What modules of one group are given is not one text: each has a class of its own."""

    def __init__(self, key: GroupKey) -> None:
        super().__init__()
        self.key = key


class Library(Resolver):
    """The classes of networks and trains."""

    def __init__(self, subjects: list[Graph | Training], taken: Iterable[str] = (), narrow: bool = False) -> None:
        super().__init__()
        self._narrow = narrow
        self.trainings = {subject.graph: subject for subject in subjects if isinstance(subject, Training)}
        self.graphs = [subject.graph if isinstance(subject, Training) else subject for subject in subjects]
        self.helpers: set[str] = set()
        self.classes: list[Class] = []
        self._taken = set(taken)
        self._inline: set[tuple[int, str]] = set()
        self._apart: set[GroupKey] = set()
        self._kept: dict[GroupKey, list[Class]] = {}
        self._fixed: dict[Graph, set[str]] = {
            graph: set(graph.settings) if graph in self.trainings else set() for graph in self.graphs
        }
        self.roots: list[Module] = []
        self._build()

    # Modules

    def _build(self) -> None:
        """Makes the classes, once more whenever that shows what must be written out, apart, or as numbers."""
        trees: list[Tree] = []
        while True:
            trees = trees or self._trees()
            before = self._found()
            try:
                self._make_classes(trees)
                self._fix()
            except Unreachable as error:
                self._inline |= {(self.graphs.index(m.graph), m.path) for m in error.modules if m.parent is not None}
                trees = []
            except _Apart as error:
                self._apart.add(error.key)
                trees = []
            else:
                if before == self._found():
                    return
            if before == self._found():
                raise AssertionError("the classes cannot be made")

    def _found(self) -> tuple[int, int, int]:
        """How much is known by now of what is written out, apart, or as numbers."""
        return len(self._inline), len(self._apart), sum(map(len, self._fixed.values()))

    def _trees(self) -> list[Tree]:
        self.plans, self._kept, self._arguments = {}, {}, {}
        trees = [
            prepared_tree(graph, self._written_out(position), self.trainings.get(graph), self._narrow)
            for position, graph in enumerate(self.graphs)
        ]
        self.roots = [tree.root for tree in trees]
        self._settings = {tree: Settings(tree) for tree in trees}
        for tree in trees:
            self._fixed[tree.graph] |= self._settings[tree].of_structure()
        self._group(trees)
        return trees

    def _group(self, trees: list[Tree]) -> None:
        """Finds which modules may share a class, and which are made and run alike."""
        self._groups: dict[GroupKey, list[Module]] = {}
        self._twins: dict[Module, list[Module]] = {}
        for tree in trees:
            for module in tree.modules.values():
                if module.opens_class:
                    self._groups.setdefault(group_of(module), []).append(module)
        for modules in self._groups.values():
            # The last of a recursion may be a plain chain where the others are none.
            if len({module.chain for module in modules}) > 1:
                for module in modules:
                    module.chain = ""
        for tree in trees:
            first: dict[object, Module] = {}
            for module in tree.modules.values():
                if module.opens_class:
                    twin = first.setdefault(likeness(module, tree), module)
                    self._twins.setdefault(twin, []).append(module)

    def _written_out(self, position: int) -> set[str]:
        return {path for index, path in self._inline if index == position}

    def _make_classes(self, trees: list[Tree]) -> None:
        self.classes, self.class_of = [], {}
        self._done: set[GroupKey] = set()
        self._chosen = set(self._taken)
        self._own_names: dict[GroupKey, tuple[str, str]] = {}
        for tree in trees:
            if tree.graph in self.trainings:
                name = names.class_name(tree.graph.name, self._chosen)
                trainer = names.class_name(f"{name}Trainer", {name, *self._chosen})
                self._own_names[group_of(tree.root)] = name, trainer
                self._chosen |= {name, trainer}
        for tree in trees:
            self._plan(tree)
        for tree in trees:
            self._visit(group_of(tree.root))
        self._settle()

    def _plan(self, tree: Tree) -> None:
        """Makes the plans. Those that are there stay, but for those that see the settings of the network."""
        author = Author(tree, self._settings[tree], self._given())
        for module in self._twins:
            if module.graph is tree.graph and (module not in self.plans or _sees_settings(module)):
                self.plans[module] = self._planner(module, tree, author).make()

    def _planner(self, module: Module, tree: Tree, author: Author) -> Planner:
        if module is tree.root and module.graph in self.trainings:
            return TrainingPlanner(module, tree, author, self.helpers, self.trainings[module.graph])
        return Planner(module, tree, author, self.helpers)

    def _visit(self, key: GroupKey) -> None:
        if key in self._done:
            return
        self._done.add(key)
        modules = self._groups[key]
        children = list(dict.fromkeys(group_of(child) for module in modules for child in class_children(module)))
        for child in children:
            self._visit(child)
        if key in self._kept:
            for made in self._kept[key]:
                self._add(made)
            return
        before = len(self.classes)
        for template in self._templates(key, modules):
            name, trainer = self._own_names.get(key) or (self._name(template, key), "")
            methods = {method: self._merged([plan]) for method, plan in template.plans[0].methods.items()}
            made = Class(name, template, methods=methods, trainer=trainer)
            self._add(made)
            self.resolve(made)
        if self._kept.keys() >= set(children) and not any(_sees_settings(module) for module in modules):
            self._kept[key] = self.classes[before:]

    def _add(self, made: Class) -> None:
        self._chosen.add(made.name)
        self.classes.append(made)
        for plan in made.template.plans:
            for module in self._twins[plan.module]:
                self.class_of[module] = made

    def _templates(self, key: GroupKey, modules: list[Module]) -> list[Template]:
        """One template for all modules where they are of one text, else for as many as are."""
        plans = [self.plans[module] for module in modules if module in self.plans]
        if key in self._apart:
            return [self._merged([plan]) for plan in plans]
        by_rank: dict[tuple[int, ...], list[Plan]] = {}
        for plan in plans:
            by_rank.setdefault(plan.ranks, []).append(plan)
        for clusters in ([plans], list(by_rank.values())):
            if len(consistent(clusters)) == len(clusters):
                try:
                    return [self._merged(cluster) for cluster in clusters]
                except Mismatch:
                    continue
        made: list[Template] = []
        for cluster in consistent(self._alike(plans)):
            try:
                made.append(self._merged(cluster))
            except Mismatch:
                made += [self._merged([plan]) for plan in cluster]
        return made

    def _alike(self, plans: list[Plan]) -> list[list[Plan]]:
        """Plans of one text as the first of their cluster."""
        clusters: list[list[Plan]] = []
        for plan in plans:
            for cluster in clusters:
                try:
                    self._merged([cluster[0], plan])
                except Mismatch:
                    continue
                cluster.append(plan)
                break
            else:
                clusters.append([plan])
        return clusters

    def _merged(self, plans: list[Plan]) -> Template:
        loops = [rolled_as_one(plan) for plan in plans]
        steps = [each for each in loops if each is not None]
        if len(steps) == len(plans):
            with suppress(Mismatch):
                return Merger(plans, steps, self).merge()
        return Merger(plans, [written_out(plan) for plan in plans], self).merge()

    def mark(self, module: Module) -> object:
        """What is equal for modules of one class, also before it is made."""
        made = self.class_of.get(module)
        return group_of(module) if made is None else id(made)

    # Names

    def _name(self, template: Template, key: GroupKey) -> str:
        module = template.plans[0].module
        base = module.scope.declaration or f"{module.declaration.declaration}{names.camel(module.label)}"
        if base not in self._chosen and names.variable(base) == base:
            return base
        axes = _axes(template)
        others = {made.name: made for made in self.classes}
        if (
            base in others
            and axes > 0
            and f"{base}{axes}d" not in self._chosen
            and axes != _axes(others[base].template)
        ):
            return f"{base}{axes}d"
        alike = [made for made in self.classes if group_of(made.modules[0]) == key]
        for own in (_layers(module), _blocks(module)):
            known = [part for made in alike for part in (_layers(made.modules[0]) | _blocks(made.modules[0])).items()]
            told = "".join(name for place, name in own.items() if (place, name) not in known)
            if told and f"{told}{base}" not in self._chosen:
                return names.class_name(f"{told}{base}", self._chosen)
        return names.class_name(base, self._chosen)

    def _settle(self) -> None:
        """Classes that make themselves, or each other, have taken parameters since: once more until nothing changes."""
        for _ in range(100):
            before = [list(made.parameters) for made in self.classes]
            for made in self.classes:
                try:
                    self.resolve(made)
                except Mismatch:
                    raise _Apart(group_of(made.modules[0])) from None
            if before == [list(made.parameters) for made in self.classes]:
                return
        raise AssertionError("the parameters of the classes do not settle")

    def _given(self) -> dict[int, Collection[str]]:
        """The parameters that some call gives, by the declaration; of networks also the settings that are not fixed."""
        given: dict[int, set[str]] = {}
        for graph in self.graphs:
            for template in graph.templates:
                given.setdefault(id(template.declaration), set()).update(template.given)
        for graph in self.graphs:
            if graph.root.template is not None:
                own = given.setdefault(id(graph.root.template.declaration), set())
                own.update(graph.settings)
                own -= self._fixed[graph]
        return dict[int, Collection[str]](given)

    def _fix(self) -> None:
        """Settings on which the structure of a network hangs stay numbers."""
        for made in self.classes:
            for plan in made.template.plans:
                hinges = made.template.hinges | plan.hinges
                self._fixed[plan.module.graph] |= hinges & plan.module.graph.settings.keys()


def _sees_settings(module: Module) -> bool:
    return module.declaration.kind == "network"


def _layers(module: Module) -> dict[str, str]:
    """The names of the layers that a block is given, by its parameters."""
    named: dict[str, str] = {}
    for parameter, value in module.scope.arguments.items():
        if isinstance(value, OpLayer | BlockLayer):
            named[parameter] = value.name if isinstance(value, OpLayer) else value.declaration.name.name
    return named


def _blocks(module: Module) -> dict[str, str]:
    """The blocks inside, by themselves."""
    inside = (child.scope.declaration for child in class_children(module))
    return {f"block {name}": name for name in inside if name}


def _axes(template: Template) -> int:
    """The number of spatial axes a class works on."""
    return max((type.rank for type in template.plans[0].types.values()), default=0) - 2
