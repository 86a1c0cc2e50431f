"""The classes of a module file: modules of one structure share one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlspec.backends.torch import names
from dlspec.backends.torch.express import ANY, NotExpressible, Text, Texts, express
from dlspec.backends.torch.grouping import GroupKey, class_children, consistent, group_of, opens_class, prepared_tree
from dlspec.backends.torch.objectives import TrainingPlanner
from dlspec.backends.torch.plan import Plan
from dlspec.backends.torch.planner import Planner
from dlspec.backends.torch.python import Py
from dlspec.backends.torch.resolve import Class, Resolver, add_locals
from dlspec.backends.torch.template import Makes, Mismatch, Template, Unreachable
from dlspec.backends.torch.tree import Module, Tree
from dlspec.backends.torch.unify import Unifier
from dlspec.ir.graph import Graph
from dlspec.objectives.training import Training


class Library(Resolver):
    """The classes of networks and trains."""

    def __init__(self, subjects: list[Graph | Training], taken: Iterable[str] = ()) -> None:
        super().__init__()
        self.trainings = {subject.graph: subject for subject in subjects if isinstance(subject, Training)}
        self.graphs = [subject.graph if isinstance(subject, Training) else subject for subject in subjects]
        self.texts = Texts()
        self.helpers: set[str] = set()
        self.classes: list[Class] = []
        self._taken = set(taken)
        self._inline: set[tuple[int, str]] = set()
        self.roots: list[Module] = []
        self._build()

    # Modules

    def _build(self) -> None:
        while True:
            trees = [
                prepared_tree(graph, self._written_out(position), self.trainings.get(graph))
                for position, graph in enumerate(self.graphs)
            ]
            self.roots = [tree.root for tree in trees]
            try:
                self._make_classes(trees)
                return
            except Unreachable as error:
                before = len(self._inline)
                self._inline |= {(self.graphs.index(m.graph), m.path) for m in error.modules if m.parent is not None}
                if len(self._inline) == before:
                    raise AssertionError("a size cannot be found") from None

    def _written_out(self, position: int) -> set[str]:
        return {path for index, path in self._inline if index == position}

    def _make_classes(self, trees: list[Tree]) -> None:
        self.classes, self.class_of, self.plans, self.helpers = [], {}, {}, set()
        self._groups: dict[GroupKey, list[Module]] = {}
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
            for module in tree.modules.values():
                if opens_class(module):
                    self._groups.setdefault(group_of(module), []).append(module)
        for modules in self._groups.values():
            # The last of a recursion may be a plain chain where the others are none.
            if len({module.chain for module in modules}) > 1:
                for module in modules:
                    module.chain = ""
        for tree in trees:
            for module in tree.modules.values():
                if opens_class(module):
                    self.plans[module] = self._planner(module, tree).make()
        for tree in trees:
            self._visit(group_of(tree.root))
        self._settle()

    def _planner(self, module: Module, tree: Tree) -> Planner:
        if module is tree.root and module.graph in self.trainings:
            return TrainingPlanner(module, tree, self.texts, self.helpers, self.trainings[module.graph])
        return Planner(module, tree, self.texts, self.helpers)

    def _visit(self, key: GroupKey) -> None:
        if key in self._done:
            return
        self._done.add(key)
        modules = self._groups[key]
        for module in modules:
            for child in class_children(module):
                self._visit(group_of(child))
        for template in self._cluster(modules):
            name, trainer = self._own_names.get(key) or (self._name(template, key), "")
            methods = {method: self._unify([plan], None) for method, plan in template.plans[0].methods.items()}
            made = Class(name, template, methods=methods, trainer=trainer)
            self._chosen.add(made.name)
            self.classes.append(made)
            for plan in template.plans:
                self.class_of[plan.module] = made
            self.resolve(made)

    def _cluster(self, modules: list[Module]) -> list[Template]:
        """One template for all modules where that is possible, else for those of one rank, else for as many as go."""
        plans = [self.plans[module] for module in modules]
        text = self._text(modules[0])
        by_rank: dict[tuple[int, ...], list[Plan]] = {}
        for plan in plans:
            by_rank.setdefault(plan.ranks, []).append(plan)
        for clusters in ([plans], list(by_rank.values())):
            try:
                return [self._unify(cluster, text) for cluster in self._checked(clusters)]
            except (Mismatch, NotExpressible):
                continue
        return [self._unify(cluster, text) for cluster in consistent(self._greedy(plans, text))]

    def _checked(self, clusters: list[list[Plan]]) -> list[list[Plan]]:
        if len(consistent(clusters)) > len(clusters):
            raise Mismatch
        return clusters

    def _greedy(self, plans: list[Plan], text: Text | None) -> list[list[Plan]]:
        clusters: list[list[Plan]] = []
        for plan in plans:
            for cluster in clusters:
                try:
                    self._unify([*cluster, plan], text)
                except (Mismatch, NotExpressible):
                    continue
                cluster.append(plan)
                break
            else:
                clusters.append([plan])
        return clusters

    def _unify(self, plans: list[Plan], text: Text | None) -> Template:
        for plan in plans:
            add_locals(plan, text)
        return _Checked(plans, text, self).unify()

    def _text(self, module: Module) -> Text | None:
        return self.texts.declaration(module.declaration.definition)

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
        for child in class_children(module):
            made = self.class_of.get(child)
            if made is not None and f"{made.name}{base}" not in self._chosen:
                return names.class_name(f"{made.name}{base}", self._chosen)
        return names.class_name(base, self._chosen)

    def _settle(self) -> None:
        """Classes that make themselves, or each other, have taken parameters since: once more until nothing changes."""
        for _ in range(100):
            before = [list(made.parameters) for made in self.classes]
            for made in self.classes:
                self.resolve(made)
            if before == [made.parameters for made in self.classes]:
                return
        raise AssertionError("the parameters of the classes do not settle")


def _axes(template: Template) -> int:
    """The number of spatial axes a class works on."""
    return max((type.rank for type in template.plans[0].types.values()), default=0) - 2


class _Checked(Unifier):
    """A unifier that knows the classes made so far."""

    def __init__(self, plans: list[Plan], text: Text | None, library: Library) -> None:
        super().__init__(plans, text)
        self._library = library

    def constant(self, nodes: Any, envs: Any, name: str = "") -> Py:
        made = super().constant(nodes, envs, name)
        if isinstance(made, Makes):
            classes = {
                id(self._library.class_of[m]) if m in self._library.class_of else group_of(m)
                for m in made.modules
                if m is not None
            }
            if len(classes) > 1:
                raise Mismatch
        return made

    def check_made(self, node: Makes) -> None:
        child = next((self._library.class_of.get(m) for m in node.modules if m is not None), None)
        for parameter in child.parameters if child else ():
            values = tuple(ANY if m is None else self._library.plans[m].env[parameter] for m in node.modules)
            express(values, node.envs, self.template.text, parameter)
