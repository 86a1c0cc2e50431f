"""What draws: the generators of a `train`, the decoder behind an encoder, and what codes are drawn from.

A code is a float tensor that a network makes something of and that no data is in, but what an encoder has made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dlspec.ir.graph import Graph, Prior
from dlspec.ir.node import Node, Value, made_of
from dlspec.ir.scope import Scope
from dlspec.objectives.training import Training
from dlspec.ops.random import Normal, Uniform
from dlspec.syntax import ast


@dataclass(slots=True)
class Part:
    """A part of a graph that draws, from ``inputs`` to ``outputs`` by their names.

    ``priors``: what inputs are drawn from, as far as it is told. ``made``: draws that something is done to before they flow
    in, each a tensor of a graph. ``renamed``: the beginnings of paths whose weights are found under another, as those of a
    moving average.
    """

    graph: Graph
    inputs: dict[str, Value]
    outputs: dict[str, Value]
    priors: dict[str, Prior] = field(default_factory=dict[str, Prior])
    made: dict[str, tuple[Graph, Value]] = field(default_factory=dict[str, "tuple[Graph, Value]"])
    renamed: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Behind:
    """What a tensor is made of: of float inputs of the graph, which are ``data``, of other inputs, ``numbers``,
    of ``weights`` and of ``draws``."""

    data: bool = False
    numbers: bool = False
    weights: bool = False
    draws: bool = False


def behind(value: Value) -> Behind:
    """What a tensor is made of, its size apart."""
    found = Behind()
    for each in made_of(value):
        node = each.producer
        if node is None:
            found.data |= each.type.dtype.is_float
            found.numbers |= not each.type.dtype.is_float
        else:
            found.weights |= bool(node.weights)
            found.draws |= node.op.random
    return found


def prior_of(value: Value) -> Prior | None:
    """What a tensor is drawn from, where it is a draw and nothing else."""
    match value.producer:
        case Node(op=Normal(mean=mean, std=std)):
            return Prior("Normal", (mean, std))
        case Node(op=Uniform(low=low, high=high)):
            return Prior("Uniform", (low, high))
        case _:
            return None


def codes(inputs: Mapping[str, Value]) -> dict[str, Value]:
    """Those inputs of a network that are drawn, if they are drawn at all: numbers such as a level stand for themselves."""
    return {name: value for name, value in inputs.items() if value.type.dtype.is_float and value.type.rank}


# Generators


def generators(training: Training) -> dict[str, Part]:
    """The networks of a `train` that make something of draws wherever it uses them, by name. A moving average of one is
    one too."""
    parts: dict[str, Part] = {}
    for name, network in training.networks.items():
        uses = _uses(training, name) or _uses(training, network.source or name)
        if not uses or not all(map(_is_of_draws, uses)):
            continue
        part = parts[name] = _part(training.graph, uses[0])
        if uses[0].path != name:
            part.renamed[uses[0].path] = name
    return parts


def _uses(training: Training, name: str) -> list[Scope]:
    return [scope for scope in training.graph.root.scopes() if scope.kind == "network" and scope.path == name]


def _is_of_draws(use: Scope) -> bool:
    floats = [behind(value) for value in codes(use.inputs).values()]
    return bool(floats) and all(each.draws and not each.data and not each.weights for each in floats)


def _part(graph: Graph, use: Scope) -> Part:
    """From the draws that flow into a network, and the classes, to what it gives."""
    part = Part(graph, {}, dict(zip(_results(use), use.outputs, strict=False)))
    for name, value in use.inputs.items():
        prior = prior_of(value)
        if prior is not None:
            part.priors[name] = prior
        elif not value.type.rank or (value.type.dtype.is_float and behind(value).numbers):
            continue  # it is drawn or computed inside
        elif value.type.dtype.is_float:
            part.made[name] = graph, value
        part.inputs[name] = value
    return part


def _results(use: Scope) -> list[str]:
    """What a network calls that which it gives."""
    declared = use.template and use.template.declaration
    return [output.name.name for output in declared.outputs] if isinstance(declared, ast.Network) else []


# Decoders


def decoder(graph: Graph, uses: Iterable[Scope] = ()) -> Part | None:
    """What a network makes of the code that it draws by what it has made of its input, and of that code alone; of a `train`
    the first of the ``uses`` of networks that does so.

    None where no code is drawn, and where several are.
    """
    drawn = list(dict.fromkeys(_drawn_codes(graph)))
    if len(drawn) != 1:
        return None
    ((code, prior),) = drawn
    after = _after(code)
    outputs = {output.name: output.value for output in graph.outputs if not output.training}
    for use in uses:
        made = {name: value for name, value in zip(_results(use), use.outputs, strict=False) if value in after}
        if made:
            outputs = made
            break
    alone = {
        name: value
        for name, value in outputs.items()
        if value in after and value is not code and not _needs_data(graph, value, code)
    }
    if not alone:
        return None
    return Part(graph, {"z": code}, alone, {} if prior is None else {"z": prior})


def _drawn_codes(graph: Graph) -> Iterator[tuple[Value, Prior | None]]:
    """The tensors in which a draw is joined, number by number, with what layers have made of data, and their priors."""
    ends = {output.value for output in graph.outputs}
    for node in graph.nodes:
        if not isinstance(node.op, Normal | Uniform):
            continue
        value, code, beside = node.outputs[0], None, list[Value]()
        while len(value.uses) == 1 and value.uses[0].op.elementwise and value not in ends:
            step = value.uses[0]
            others = [each for each in step.inputs if each is not value and _is_encoded(each)]
            value = step.outputs[0]
            if others:
                code, beside = value, beside + others
        if code is not None and _feeds_layers(code):
            known = [graph.priors[each] for each in beside if each in graph.priors]
            yield code, known[0] if known else None


def _is_encoded(value: Value) -> bool:
    made = behind(value)
    return made.data and made.weights


def _after(value: Value) -> set[Value]:
    found = {value}
    todo = [value]
    while todo:
        for node in todo.pop().uses:
            new = [each for each in node.gives if each not in found]
            found.update(new)
            todo += new
    return found


def _feeds_layers(value: Value) -> bool:
    return any(node.weights for each in _after(value) for node in each.uses)


def _needs_data(graph: Graph, value: Value, code: Value) -> bool:
    """Whether there is data in a tensor beside the code."""
    nodes = graph.needed([value], {code})
    return any(each.producer is None and each.type.dtype.is_float for node in nodes for each in node.inputs)


# What flows into a network


@dataclass(slots=True)
class Fed:
    """What trains let flow into the float inputs of a network, by the names of these.

    ``priors``: what some are drawn from. ``made``: draws that something is done to before, each a tensor of a graph.
    ``data``: those that are data somewhere, with the train. ``code``: what its own code is drawn from.
    """

    priors: dict[str, Prior] = field(default_factory=dict[str, Prior])
    made: dict[str, tuple[Graph, Value]] = field(default_factory=dict[str, "tuple[Graph, Value]"])
    data: dict[str, str] = field(default_factory=dict[str, str])
    code: Prior | None = None

    def see(self, training: Training, declaration: ast.Node) -> None:
        """What one train does with the network of a declaration."""
        scopes = [scope for scope in training.graph.root.scopes() if scope.kind == "network"]
        uses = [scope for scope in scopes if scope.template is not None and scope.template.declaration is declaration]
        known = dict(_drawn_codes(training.graph))
        for use in uses:
            for name, value in codes(use.inputs).items():
                made, prior = behind(value), prior_of(value) or known.get(value)
                if prior is not None:
                    self.priors.setdefault(name, prior)
                elif made.data and not made.weights:
                    self.data.setdefault(name, training.name)
                elif made.draws and not made.weights and not made.numbers:
                    self.made.setdefault(name, (training.graph, value))
        part = decoder(training.graph, uses) if uses else None
        if part is not None:
            self.code = self.code or part.priors.get("z")
