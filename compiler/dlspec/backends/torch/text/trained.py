"""The class of a train: its networks as members, and a method for each objective."""

from __future__ import annotations

from pathlib import PurePath

from dlspec.analyses.training_report import TrainingSummary
from dlspec.backends.torch.classes.classes import Library
from dlspec.backends.torch.classes.grouping import objective_names, rate_names
from dlspec.backends.torch.classes.objectives import averages
from dlspec.backends.torch.classes.resolve import Class
from dlspec.backends.torch.classes.template import TMember
from dlspec.backends.torch.plans.making import store_of
from dlspec.backends.torch.plans.plan import Plan
from dlspec.backends.torch.plans.tree import Module
from dlspec.backends.torch.python.expressions import Py, call
from dlspec.backends.torch.python.layout import INDENT, WIDTH, flat, layout
from dlspec.backends.torch.text.docs import checks, docstring, entry, shapes, wrapped
from dlspec.backends.torch.text.forward import Forward
from dlspec.backends.torch.text.frozen import kept, member
from dlspec.backends.torch.text.stateless import alike, with_one
from dlspec.backends.torch.text.write import ClassWriter, Form, signature
from dlspec.ir.node import Value
from dlspec.objectives.training import Training, Update


class TrainingWriter(ClassWriter):
    """Writes the class with the networks and objectives of a train."""

    def __init__(self, made: Class, library: Library, training: Training) -> None:
        super().__init__(made, library, Form())
        self.training = training
        self.module = made.modules[0]
        self.averages = averages(training, self.module)
        self.ones = alike(self.module, made.template, self._value, [*made.methods.values()])

    def _doc(self) -> list[str]:
        training, graph = self.training, self.training.graph
        title = wrapped(training.doc) if training.doc.strip() else [f"The networks and objectives of {graph.name}."]
        entries = [entry("Data", data.value.name, data.value.type) for data in training.data]
        summary = TrainingSummary(training)
        for network in training.networks.values():
            if network.name in self.module.members or network.name in self.averages:
                kind = "Weight" if network.declaration in ("param", "buffer") else "Network"
                text = f"{kind}: {network.name}, {network.declaration}, {summary.state(network)}"
                entries += wrapped(text, INDENT)
        told = f"{summary.trained:,} params are trained" + (f", {summary.frozen:,} are frozen" * (summary.frozen > 0))
        place = f"Generated from the train {graph.name} of {PurePath(graph.root.span.source.name).name}."
        return docstring([title, entries, [told], [place]])

    # Members

    def _constructor(self) -> list[str]:
        lines = super()._constructor()
        copies = [line for label, source in self.averages.items() for line in self._copy(label, source)]
        return [*lines[:-1], *copies, ""]

    def _copy(self, label: str, source: str) -> list[str]:
        copied = call("copy.deepcopy", member(self.module, source, "self"))
        return layout(kept(copied), 2, f"{flat(member(self.module, label, 'self'))} = ")

    def _value(self, member: TMember) -> Py:
        value = super()._value(member)
        network = self.training.networks.get(member.label)
        return kept(value) if network is not None and network.frozen and member.kind == "module" else value

    # Methods

    def _forward(self) -> list[str]:
        lines: list[str] = []
        objectives, rates = objective_names(self.training), rate_names(self.training)
        for update in self.training.updates:
            name = objectives[update.name]
            lines += self._method(name, docstring([wrapped(spoken(update), width=WIDTH - 14)], 2), "Tensor")
            for rate in dict.fromkeys(group.rate for group in update.groups):
                if rate is not None and rate in rates:
                    doc = docstring([[f"The rate of learning of {', '.join(self._learning_at(rate))}."]], 2)
                    lines += self._method(rates.pop(rate), doc, "Tensor")
        if "measure" in self.made.methods:
            doc = docstring([["The tensors that the train names, of one batch."]], 2)
            differentiates = TrainingSummary(self.training).differentiates
            lines += self._method("measure", doc, "dict[str, Tensor]", differentiates)
        return lines

    def _learning_at(self, rate: Value) -> list[str]:
        groups = (group for update in self.training.updates for group in update.groups)
        return list(dict.fromkeys(group.path for group in groups if group.rate is rate))

    def _kept(self) -> list[Py]:
        frozen = [network.name for network in self.training.networks.values() if network.frozen]
        labels = [label for label in frozen if label in self.averages or _is_module(self.module, label)]
        return [*(member(self.module, label, "self") for label in labels), *super()._kept()]

    def _frozen(self) -> list[str]:
        return list(self.training.frozen)

    def _method(self, name: str, doc: list[str], returns: str, differentiated: bool = False) -> list[str]:
        template = with_one(self.made.methods[name], self.ones)
        plan = template.plans[0]
        head = signature(name, ["self", *(f"{argument}: Tensor" for argument in plan.inputs)], returns)
        body = Forward(template, self._filled, {}, shapes(plan)).write()
        decorator = [f"{INDENT}@torch.enable_grad()"] if differentiated else []
        return [*decorator, *head, *doc, *checks(self.training.graph, arguments(plan)), *body, ""]


def arguments(plan: Plan) -> list[tuple[str, Value]]:
    """The arguments of a method by their names."""
    return [(name, plan.values[name, 0]) for name in plan.inputs]


def spoken(update: Update) -> str:
    """An objective in the spec's own words."""
    text = update.expression.text
    what = f"{update.direction.capitalize()} {text} over {', '.join(update.over)}"
    defined = update.objective.span.text
    return f"{what}, where {text} = {defined}." if text.isidentifier() and defined != text else f"{what}."


def _is_module(module: Module, label: str) -> bool:
    return label in module.members and store_of(module.members[label]) == "_modules"
