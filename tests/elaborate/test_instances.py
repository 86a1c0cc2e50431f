"""What is elaborated once and copied is what elaborating it again gives."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.backends.variants import telling
from tests.elaborate.described import copies, described, findings, scopes
from tests.elaborate.random_nets import Nets
from tests.elaborate.specs import codes_in, graph_of, net
from tests.fuzz.test_mutations import mutated, specs

from dlspec.diagnostics import Diagnostics, DlspecError
from dlspec.elaborate.instances import Common, Instances
from dlspec.elaborate.network import elaborate_network
from dlspec.elaborate.session import Session
from dlspec.files import DISK
from dlspec.ir.graph import Graph
from dlspec.ir.node import Node
from dlspec.limits import Limits, limited
from dlspec.pipeline import (
    Checks,
    Program,
    elaborate_partial,
    elaborate_training,
    open_program,
    open_source,
    open_unchecked,
)
from dlspec.resources import resource
from dlspec.source import Source

FILES = sorted(resource("specs").glob("*.dlspec"))  # type: ignore[type-var]
RUNS = int(os.environ.get("FUZZ_RUNS", "150"))


def both(make: Callable[[], tuple[Graph, Any]], monkeypatch: pytest.MonkeyPatch) -> Graph:
    """The graph with copies, the same as the one without."""
    graph, found = make()
    with monkeypatch.context() as patch:
        patch.setattr(Instances, "enabled", False)
        plain, expected = make()
    assert copies(plain) == 0
    assert found == expected
    one, other = described(graph), described(plain)
    for about in other:
        assert one[about] == other[about], about
    return graph


def network(program: Program, name: str) -> Callable[[], tuple[Graph, Any]]:
    def make() -> tuple[Graph, Any]:
        graph, faults, diagnostics = elaborate_partial(program, name)
        return graph, (findings(diagnostics), [(f.step, [v.name for v in f.inputs], f.scope.path) for f in faults])

    return make


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_spec(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = open_program(path)
    for name in telling(program):
        both(network(program, name), monkeypatch)
    for name in program.trains:
        both(lambda n=name: (elaborate_training(program, n).graph, None), monkeypatch)


BLOCKS = """
block Seeing(see: layer) { see -> Tanh }
block Plain(width, act: layer = ReLU) { Conv(width, 3, padding=1) -> BatchNorm -> act }
block Twice(width) { first: Plain(width) -> second: Plain(width) -> Plain(width, act=Tanh) }
block Sharing(width) { shared f = Conv(width, 1)\n x -> f -> ReLU -> f }
block Tying(width) { shared f = Conv(width, 1)\n h = x -> f\n conv(h, f.weight) -> last: Conv(width, 1, weight=f.weight) }
block Carrying { GRU(4, batch_first=true) }
block Using(w: tensor) { conv(x, w) }
block Given(w: tensor) { last: Conv(4, 1, weight=w) }
block Learnt { param g: float[x.channels, 1, 1] = 1.0\n buffer s: float[1] = 2\n x * g + s }
block Join(y: tensor) { [x, y] -> Concat }
block Deep(n) { if n > 0 { Conv(4, 1) -> Deep(n - 1) } else { Identity } }
block Around(inner: layer) { Add { inner | Identity } }
block Two { [x -> ReLU, x -> Tanh] }
block Same(y: tensor) { if x in [y] { ReLU } else { Tanh } }
block Bound { h = x -> Conv(4, 1)\n h = h -> ReLU as r\n [r, h] -> Add }
block Dotted { "a.0": Conv(4, 1) -> "b.0": ReLU -> "a.1": Conv(4, 1) -> Conv(4, 1) }
block Plus { (x + 1) * 2 - x }
block Defaults { default Conv(bias=false)\n Conv(4, 1) -> Conv(4, 1) }
block Inner(act: layer = { ReLU -> Conv(4, 1) }) { act -> act }
block Made(y = x -> Conv(4, 1)) { x + y }
block Even { expect x.channels % 2 == 0, "odd"\n h = x -> MaxPool(2) -> Upsample(scale_factor=2)\n h + x }
block Sized(y: float[N, C, H, W]) { x + (y -> Conv(C, 1)) }
block Slope(y: tensor) { grad(sum(y), x) }
block Pair { [x, ReLU] }
block Silent { ReLU }
block Gives { shared f = Conv(4, 1)\n [x -> f, f] }
block Scale(k) { x * k }
network Stem(image: float[N, 4, H, W]) -> out { image -> Conv(4, 3, padding=1) -> ReLU }
network Ends(image: float[N, 4, H, W], width = 4) -> a, b { a = image -> Conv(width, 1)\n b = a -> ReLU }
"""

# A body, and how many blocks, networks and turns of it are copies.
CASES = [
    ("a block twice", "image -> Conv(4, 1) -> Plain(4) -> Plain(4)", 1),
    ("another type flows in", "image -> Plain(4) -> Plain(4) -> Plain(4)", 1),
    ("another argument", "image -> Conv(4, 1) -> Plain(4) -> Plain(4, act=Tanh)", 0),
    ("the argument that is the default", "image -> Conv(4, 1) -> Plain(4) -> Plain(4, act=ReLU) -> Plain(act=ReLU, width=4)", 0),
    ("1 and 1.0, 0.0 and -0.0", "image -> Scale(1) -> Scale(1.0) -> Scale(0.0) -> Scale(-0.0) -> Scale(1)", 1),
    ("blocks in a block", "image -> Conv(4, 1) -> Twice(4) -> Twice(4) -> Twice(4)", 9),
    ("one inside, one outside", "image -> Conv(4, 1) -> Plain(4) -> Twice(4) -> Plain(4, act=Tanh)", 3),
    ("a layer written once", "n = LeakyReLU(0.1)\nimage -> Conv(4, 1) -> Plain(4, n) -> Plain(4, n)", 1),
    ("a layer written twice", "image -> Conv(4, 1) -> Plain(4, LeakyReLU(0.1)) -> Plain(4, LeakyReLU(0.1))", 0),
    ("a block as a layer", "image -> Conv(4, 1) -> Around(Silent) -> Around(Silent)", 2),
    ("braces as a layer", "image -> Conv(4, 1) -> Around { ReLU } -> Around { ReLU }", 0),
    ("names rebound between", "a = 0.1\nf = { LeakyReLU(a) }\nh = image -> Around(f)\na = 0.2\nh -> Around(f)", 0),
    ("braces as a default", "image -> Conv(4, 1) -> Inner -> Inner", 1),
    ("a tensor as a default", "image -> Conv(4, 1) -> Made -> Made", 0),
    ("shared inside", "image -> Conv(4, 1) -> Sharing(4) -> Sharing(4)", 1),
    ("shared around", "shared f = Twice(4)\nimage -> Conv(4, 1) -> f -> f", 0),
    ("a weight of what is shared around", "shared f = Conv(4, 1)\nimage -> Conv(4, 1) -> f -> Using(f.weight) -> Using(f.weight)", 1),
    ("turns with a weight of what is shared", "shared f = Conv(4, 1)\nimage -> Conv(4, 1) -> f -> repeat 4 { { conv(x, f.weight) } }", 0),
    ("given weights", "image -> Conv(4, 1) -> Tying(4) -> Tying(4)", 0),
    ("weights given from around", "shared f = Conv(4, 1)\nshared g = Conv(4, 1)\nimage -> Conv(4, 1) -> f -> g -> Given(f.weight) -> Given(g.weight)", 0),
    ("shared as an argument", "shared f = Conv(4, 1)\nimage -> Conv(4, 1) -> Around(f) -> Around(f)", 0),
    ("params and buffers", "image -> Learnt -> Learnt -> Conv(4, 1) -> Learnt", 1),
    ("a second tensor", "h = image -> Conv(4, 1)\na = h -> Join(image)\nb = h -> Join(image)\nc = a -> Conv(4, 1) -> Join(image)\n[a, b, c] -> Add", 2),
    ("one tensor twice", "h = image -> Conv(4, 1)\na = h -> Join(h)\nb = h -> ReLU\n[a, h -> Join(b), b -> Join(b)] -> Add", 1),
    ("a tensor in a list", "h = image -> ReLU\n[image -> Same(image), h -> Same(image), h -> Same(h), image -> Same(h)] -> Add", 2),
    ("a list flows in", "image -> Conv(4, 1) -> Two -> Concat -> Conv(4, 1) -> Two -> Concat", 1),
    ("recursion", "image -> Conv(4, 1) -> Deep(3) -> Deep(3) -> Deep(2)", 7),
    ("names in a block", "image -> Conv(4, 1) -> Bound -> Bound", 1),
    ("labels with dots", "image -> Conv(4, 1) -> Dotted -> Dotted -> x: Dotted", 2),
    ("functions of one name", "image -> Plus -> Plus -> { x + 1 } -> Plus", 2),
    ("defaults in scope", "image -> Conv(4, 1) -> Defaults -> Defaults", 1),
    ("defaults around", "default Plain(act=Tanh)\nimage -> Conv(4, 1) -> Plain(4) -> { default Plain(act=SiLU)\n Plain(4) -> Plain(4) }", 1),
    ("conditions are found once", "image -> Conv(4, 1) -> Even -> Even -> Even -> Even", 3),
    ("sizes by name", "h = image -> ReLU\nh -> Sized(image) -> Sized(h) -> Sized(h)", 2),
    ("gradients look at the graph", "a = image -> ReLU\nb = image -> Tanh\n(image -> Slope(a)) + (image -> Slope(b))", 0),
    ("networks", "image -> Conv(4, 1) -> Stem -> Stem -> Ends -> { x[0] + x[1] } -> Ends -> Add", 2),
    ("a label taken again", "image -> repeat 3 { a: Silent }", 0),
    ("a level made again", "image -> repeat 3 { a: { Silent -> Silent } }", 1),
    ("a level made again of something else", 'image -> for i in range(3) { a: { if i % 2 == 1 { "0": { ReLU -> ReLU } } else { Silent -> Silent } } }', 1),
    ("a name of what is around bound again", "see = ReLU as h\nimage -> Seeing(see) -> { x + h } -> Seeing(see) -> { x + h }", 0),
    ("a layer in the result", "a = image -> Gives\nb = a[0] -> Gives\nc = b[0] -> Gives\nc[0] -> b[1] -> c[1]", 0),
    ("unused results", "h = image -> Plus\nimage -> Plus", 1),
    ("turns", "image -> Conv(4, 1) -> repeat 5 { Conv(4, 1) -> ReLU }", 3),
    ("turns with blocks", "image -> Conv(4, 1) -> repeat 4 { Plain(4) -> Plain(4) }", 9),
    ("turns with branches", "image -> Conv(4, 1) -> repeat 4 { Add { Conv(4, 1) -> Around { ReLU } | Identity } -> ReLU } -> Conv(4, 1)", 4),
    ("turns with functions", "image -> repeat 4 { { (x + 1) * x } } -> { x + 1 }", 2),
    ("turns in turns", "image -> Conv(4, 1) -> repeat 4 { ReLU -> repeat 3 { Conv(4, 1) } -> Tanh }", 10),
    ("turns in a labelled level", "image -> a: repeat 4 { ReLU -> repeat 4 { Tanh } } -> b: repeat 4 { Silent }", 19),
    ("turns of several types", "image -> repeat 6 { if x.channels % 2 == 1 { Conv(4, 1) } else { Conv(5, 1) -> ReLU } }", 3),
    ("blocks that give states", "h = ones([4, 5, 4])\na, b = h -> Carrying -> Carrying -> Carrying\nb", 2),
    ("turns that read a name", "h = image -> Conv(4, 1)\nh -> repeat 4 { ReLU -> { x + h } }", 2),
    ("turns that read what flows in", "h = image -> Conv(4, 1)\nh -> repeat 4 { x + h }", 2),
    ("turns that bind a name", "h = image\nimage -> repeat 4 { { x + h } -> ReLU as h }", 0),
    ("turns that bind a name now and then", "h = image\nimage -> Conv(4, 1) -> repeat 9 { if x.channels == 6 { (x -> Conv(4, 1)) as h } else { Conv(x.channels + 1, 1) -> { x + mean(h) } } }", 0),
    ("turns that read what an earlier one bound", "image -> repeat 5 { if x.channels == 3 { Conv(4, 1) as h } else { { x + h } } }", 0),
    ("turns that bind a name before a block", "h = image\nimage -> repeat 5 { { x + mean(h) } -> ReLU as h -> Pair -> { x[0] } }", 0),
    ("turns that read a weight that an earlier one made", "image -> repeat 5 { if x.channels == 3 { param g: float[1, 4, 8, 8]\n g } else { { x + g } } }", 0),
    ("turns that return a name", "h = image -> Conv(4, 1)\nh -> repeat 4 { if x.channels == 4 { h } }", 0),
    ("turns whose layer binds a name", "f = ReLU as h\nimage -> repeat 4 { f -> { x + h } }", 0),
    ("turns with shared layers", "shared f = Conv(3, 1)\nimage -> repeat 4 { f -> ReLU }", 0),
    ("turns with a label", "image -> repeat 4 { a: ReLU -> Tanh }", 0),
    ("turns with labels with dots", 'image -> repeat 4 { "a.b": ReLU -> Tanh }', 0),
    ("turns with a label that is its position", 'image -> repeat 4 { if x.channels == 3 { Conv(4, 1) } else { "1": ReLU } }', 0),
    ("turns with several tensors", "[image, image -> ReLU] -> repeat 4 { [x[1], x[0] + x[1]] } -> Add", 1),
    ("turns with one tensor twice", "[image, image] -> repeat 4 { { a = x[0] -> ReLU\n [a, a] } } -> Add", 2),
    ("turns that change nothing", "image -> Conv(4, 1) -> repeat 4 { x }", 0),
    ("turns with what defaults", "image -> Conv(4, 1) -> repeat 4 { default Conv(bias=false)\n Conv(4, 1) }", 2),
]  # fmt: skip


@pytest.mark.parametrize(("body", "count"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_tricky_program(body: str, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = net(body, before=BLOCKS)
    assert codes_in(text) in ([], ["DL0702"])
    graph = both(network(open_source(Source("inline.dlspec", text)), "Net"), monkeypatch)
    assert sum(scope.twin is not None for scope in scopes(graph) if scope.kind in WHOLE) == count


def test_a_copy_names_its_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_of(
        net("image -> Conv(4, 1) -> repeat 4 { Twice(4) -> Plus } -> Sharing(4) -> Sharing(4)", before=BLOCKS)
    )
    copied = [scope for scope in scopes(graph) if scope.twin is not None]
    assert len(copied) > 10
    for scope in copied:
        assert scope.twin is not None
        assert scope.twin.twin is None
        one, other = ([part for part in each.children if isinstance(part, Node)] for each in (scope, scope.twin))
        assert [(a.op, a.span, a.origin) for a in one] == [(b.op, b.span, b.origin) for b in other]
        assert [type(part) for part in scope.children] == [type(part) for part in scope.twin.children]
        assert (scope.kind, scope.declaration, scope.template) == (
            scope.twin.kind,
            scope.twin.declaration,
            scope.twin.template,
        )


WHOLE = ("block", "network", "iteration")

WRONG = [
    ("an error after copies", "image -> Conv(4, 1) -> repeat 4 { Conv(4, 5) -> MaxPool(2) -> Plain(4) -> Plain(4) }", "DL0203"),
    ("an error in each instance", "image -> repeat 4 { Plain(0) }", "DL0208"),
    ("an error that is one for some tensors", "a = image -> ReLU\n[image -> Slope(a), a -> Slope(image)] -> Add", "DL0410"),
    ("a position that is a label", 'image -> Conv(4, 1) -> "7": ReLU -> repeat 8 { Identity }', "DL0307"),
    ("a label in each turn", "image -> repeat 3 { a: Conv(3, 1) }", "DL0307"),
    ("a label that is a position in some turn", 'image -> repeat 4 { if x.channels == 3 { Conv(4, 1) } else { "1": Conv(4, 1) } }', "DL0307"),
    ("weights of turns whose level is made again", "image -> repeat 3 { a: { Plain(3) } }", "DL0307"),
    ("a default that a first instance breaks", "image -> Thirds -> Thirds -> Thirds", "DL0201"),
    ("a layer that is pinned", "image -> Applies(BatchNorm) -> Applies(BatchNorm1d)", "DL0202"),
    ("a layer that was called", "image -> Calls(LeakyReLU) -> Calls(LeakyReLU())", "DL0306"),
    ("too deep by a copy", "image -> Conv(4, 1) -> Deep(150) -> Holds -> Deepest(60)", "DL0402"),
    ("a block in itself", "image -> Endless(3)", "DL0402"),
    ("a block in itself, twice", "image -> Endless(3) -> Endless(3)", "DL0402"),
    ("too deep the second time", "image -> Conv(4, 1) -> Deep(150) -> Deeper(60)", "DL0402"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_wrong_program(body: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = net(body, before=BLOCKS + MORE)
    assert code in codes_in(text)
    both(network(open_source(Source("inline.dlspec", text)), "Net"), monkeypatch)


MORE = """
block Endless(n) { Plain(n) -> Endless(n) }
block Holds { Deep(150) -> Silent }
block Deepest(n) { if n > 0 { Deepest(n - 1) } else { Holds } }
block Applies(f: layer) { f }
block Calls(f: layer) { f(0.2) }
block Thirds { h = (x -> MaxPool(3) -> Upsample(scale_factor=3)) + x\n ReLU }
block Deeper(n) { if n > 0 { Deeper(n - 1) } else { Deep(150) } }
"""


@pytest.mark.parametrize("depth", [6, 7])
def test_a_copy_is_as_deep_as_what_it_copies(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = net("image -> Conv(4, 1) -> Deep(5) -> Deep(5) -> Around(Deep(5))", before=BLOCKS)
    with limited(Limits(depth=depth)):
        graph = both(network(open_source(Source("inline.dlspec", text)), "Net"), monkeypatch)
        assert copies(graph) > 0
        assert set(codes_in(text)) == (set() if depth == 7 else {"DL0402"})


def test_random_nets(monkeypatch: pytest.MonkeyPatch, compared: Callable[[str, int], None]) -> None:
    copied = 0
    for seed in range(RUNS):
        text = Nets(seed).net()
        copied += copies(both(network(open_source(Source(f"{seed}.dlspec", text)), "Net"), monkeypatch))
    compared("copied scopes of random networks", copied)


def test_mutated_specs(monkeypatch: pytest.MonkeyPatch, compared: Callable[[str, int], None]) -> None:
    """Programs with errors where nobody would put them."""
    draw, texts, nodes = random.Random(5), specs(), 0
    texts += [("inline.dlspec", net(body, before=BLOCKS), Path("inline.dlspec")) for _, body, _ in CASES]
    for _ in range(RUNS):
        name, text, path = draw.choice(texts)
        try:
            program = open_source(Source(name, mutated(text, draw), path))
        except DlspecError:
            continue
        for declared in program.networks:
            nodes += copies(both(network(program, declared), monkeypatch))
    compared("copied scopes of mutated specs", nodes)


def in_common(program: Program, names: list[str]) -> int:
    """How many instances the later of these networks take from the earlier ones: the graphs are those without."""
    common = Common()
    graphs: list[Graph] = []  # as long as others may take of them
    for name in names:
        made = [
            (elaborate_network(program.module.networks[name], {}, {}, found, Session(common=each)), findings(found))
            for each, found in ((common, Diagnostics()), (None, Diagnostics()))
        ]
        (graph, found), (plain, expected) = made
        assert bool(found) == bool(expected)
        if graph is None or plain is None:
            assert graph is plain
            continue
        graphs.append(graph)
        one, other = described(graph), described(plain)
        for about in other:
            assert one[about] == other[about], about
    return common.taken


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_networks_of_a_shipped_spec_in_common(path: Path) -> None:
    program = open_program(path)
    taken = in_common(program, [*telling(program), *telling(program)][:6])
    assert path.stem != "resnet" or taken == 8


@pytest.mark.parametrize("body", [case[1] for case in (*CASES, *WRONG)], ids=[case[0] for case in (*CASES, *WRONG)])
def test_a_tricky_program_in_common(body: str) -> None:
    text = net(body, before=BLOCKS + MORE)
    text += text[text.rindex("network Net(") :].replace("network Net(", "network Again(")
    in_common(open_source(Source("inline.dlspec", text)), ["Stem", "Ends", "Net", "Again", "Net"])


NOT_IN_COMMON = {
    "a demand": "image -> Conv(4, 1) -> Even",
    "a question about sizes": "image -> Asks",
    "what another network has": "image -> Conv(4, 1) -> Measures",
}


@pytest.mark.parametrize("body", NOT_IN_COMMON.values(), ids=NOT_IN_COMMON)
def test_what_reaches_beyond_an_instance_is_not_taken(body: str) -> None:
    before = (
        BLOCKS
        + """
block Asks { if x.shape[2] == x.shape[3] + 1 { ReLU } else { Tanh } }
block Measures { expect Stem.params > 10\n ReLU }
"""
    )
    text = net(body, before=before)
    text += text[text.rindex("network Net(") :].replace("network Net(", "network Again(")
    assert in_common(open_source(Source("inline.dlspec", text)), ["Net", "Again"]) == 0


def test_findings_of_mutated_specs_in_common(
    monkeypatch: pytest.MonkeyPatch, compared: Callable[[str, int], None]
) -> None:
    draw, texts, taken = random.Random(6), specs(), 0
    texts += [("inline.dlspec", net(body, before=BLOCKS + MORE), Path("inline.dlspec")) for _, body, _ in CASES]
    for _ in range(RUNS):
        name, text, path = draw.choice(texts)
        source, checks = Source(name, mutated(text, draw), path), Checks()
        common = checks._common  # pyright: ignore[reportPrivateUsage]
        found = [repr(each) for each in open_unchecked(source, DISK).check(checks)]
        assert common is not None
        taken += common.taken
        alone = Checks()
        alone._common = None  # pyright: ignore[reportPrivateUsage]
        assert found == [repr(each) for each in open_unchecked(source, DISK).check(alone)]
    assert taken > 0
    compared("instances that networks of mutated specs have in common", taken)
