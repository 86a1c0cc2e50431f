"""Makes the plan of a train: its networks, and a method for each objective with the steps that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import replace

from dlspec.backends.torch.classes.grouping import objective_names, rate_names
from dlspec.backends.torch.lowering.registry import Size
from dlspec.backends.torch.plans.author import Author
from dlspec.backends.torch.plans.plan import Plan
from dlspec.backends.torch.plans.planner import Planner
from dlspec.backends.torch.plans.tree import Element, Enter, Module, Region, Step, Tree, origin
from dlspec.backends.torch.python.expressions import Dictionary, Py, walk
from dlspec.ir.dims import Expr, symbols
from dlspec.ir.node import Value
from dlspec.objectives.training import Training
from dlspec.ops.constant import Stored
from dlspec.ops.gradient import Grad


class TrainingPlanner(Planner):
    """Makes the plan of the root of a train."""

    def __init__(self, module: Module, tree: Tree, author: Author, helpers: set[str], training: Training) -> None:
        super().__init__(module, tree, author, helpers)
        self.training = training

    def make(self) -> Plan:
        module, plan = self.plan.module, self.plan
        elements = self.tree.elements(module.scope)
        # A moving average is a copy of another member, made when that is complete.
        copied = averages(self.training, module)
        copies = {name: module.members.pop(name) for name in copied if name in module.members}
        self._members(module, conditions=self._conditions(elements))
        module.members |= copies
        methods, rates = objective_names(self.training), rate_names(self.training)
        for update in self.training.updates:
            plan.methods[methods[update.name]] = self._method(elements, [update.objective])
            if update.splits:
                self.helpers.add("param_groups")
            elif self.training.picks(update):
                self.helpers.add("parameters_of")
        for rate, name in rates.items():
            plan.methods[name] = self._method(elements, [rate])
        if copied:
            self.helpers.add("follow")
        if self.training.named:
            plan.methods["measure"] = self._method(elements, self.training.named.values(), self.training.named)
        return plan

    def _method(self, elements: list[Element], results: Iterable[Value], keys: Iterable[str] = ()) -> Plan:
        """What computes some tensors; by their names, of a whole batch, where there are ``keys``."""
        graph = self.training.graph
        steps, needed = ancestors(self.tree, elements, results)
        taken = set(graph.inputs) if keys else needed

        def plan(inputs: Iterable[Value]) -> Plan:
            ordered = [value for value in graph.inputs if value in inputs]
            planner = _MethodPlanner(self.plan.module, self.tree, self.author, self.helpers, ordered, steps)
            return planner.method(list(results), tuple(keys))

        made = plan(taken)
        more = _givers(self.training, taken, _open_sizes(made))
        if not any(value in taken for value in graph.inputs) and any(map(_makes, every(steps))):
            more |= set(graph.inputs[:1])  # a tensor that is made is put where the data is
        return plan(taken | more) if more else made


class _MethodPlanner(Planner):
    """Makes the plan of a method of the root: some of its steps, with the inputs that they need."""

    keeps_constants = False

    def __init__(
        self,
        module: Module,
        tree: Tree,
        author: Author,
        helpers: set[str],
        inputs: list[Value],
        steps: list[Element],
    ) -> None:
        tree = copy(tree)
        inside = [n for s in every(steps) for n in ([s.node] if isinstance(s, Step) else tree.nodes_in(s.scope))]
        tree.tracked = {origin(node.inputs[1]) for node in inside if isinstance(node.op, Grad)}
        super().__init__(module, tree, author, helpers)
        self.inputs = inputs
        self.steps = steps

    def root_inputs(self) -> list[Value]:
        return self.inputs

    def method(self, results: list[Value], keys: tuple[str, ...]) -> Plan:
        self._arguments(self.plan.module)
        self._run(self.steps)
        values = [self.expression(value) for value in results]
        self.plan.outputs = [(Dictionary(keys, tuple(values)), False)] if keys else [(v, False) for v in values]
        return self.plan


def averages(training: Training, module: Module) -> dict[str, str]:
    """The moving averages, also those that no objective uses, each with its source among the members."""
    return {
        network.name: network.source
        for network in training.networks.values()
        if network.source is not None and network.source in module.members
    }


def ancestors(tree: Tree, elements: list[Element], results: Iterable[Value]) -> tuple[list[Element], set[Value]]:
    """The steps that some tensors need, in order, and all tensors that these use. A scan is one step."""
    needed = set(results)

    def asked(elements: list[Element]) -> list[Element]:
        steps: list[Element] = []
        for element in reversed(elements):
            if isinstance(element, Region) and element.kind != "scan":
                parts = [asked(part) for part in reversed(element.parts)][::-1]
                if element.kind == "if":
                    steps += parts[0][::-1]
                elif any(parts):
                    steps.append(replace(element, parts=parts))
            elif not (isinstance(element, Step) and element.node.body is not None):
                gives, takes = _flows(tree, element)
                if not needed.isdisjoint(gives):
                    steps.append(element)
                    needed.update(takes)
        return steps[::-1]

    return asked(elements), needed


def every(elements: list[Element]) -> Iterator[Element]:
    """The elements without the loops around them."""
    for element in elements:
        if isinstance(element, Region) and element.kind != "scan":
            for part in element.parts:
                yield from every(part)
        else:
            yield element


def _flows(tree: Tree, element: Element) -> tuple[Iterable[Value], Iterable[Value]]:
    """The tensors that an element gives and takes."""
    if isinstance(element, Step):
        return element.node.outputs, element.node.inputs
    if isinstance(element, Enter):
        return tree.outputs(element.scope), tree.inputs(element.scope)
    body = element.scope.body
    assert body is not None
    assert body.node is not None
    return body.node.outputs, (*body.entries.values(), *body.captured)


def _makes(step: Element) -> bool:
    return isinstance(step, Step) and not step.node.inputs and not isinstance(step.node.op, Stored)


def _open_sizes(plan: Plan) -> set[str]:
    """The symbols in sizes that the steps of a plan ask for."""
    values: Iterator[Py] = (action.value for action in plan.actions)
    outputs = (value for value, _ in plan.outputs)
    dims = [node.dim for value in (*values, *outputs) for node in walk(value) if isinstance(node, Size)]
    return {name for dim in dims if isinstance(dim, Expr) for name in symbols(dim)}


def _givers(training: Training, taken: set[Value], wanted: set[str]) -> set[Value]:
    """The further inputs that have the wanted symbols as their sizes."""

    def axes(value: Value) -> set[str]:
        return {str(size) for size in value.type.shape}

    missing = wanted - {name for value in training.graph.inputs if value in taken for name in axes(value)}
    found: set[Value] = set()
    for value in training.graph.inputs:
        if missing & axes(value):
            found.add(value)
            missing -= axes(value)
    return found
