"""Random blocks with parameters in arithmetic, defaults, conditions, loops, layers and open sizes: their classes follow from
the text and from which parameters are given, never from the values, and do what ONNX Runtime does.

A loop is a loop however often it runs, but for one that collects a list, which has two turns or more. Each program is
elaborated with two sets of values.
`CLASS_RUNS=1000 pytest tests/fuzz/test_classes.py` for a long run.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.backends.torch.settings import compared_with_others

from dlspec.backends.torch import source
from dlspec.backends.verify import verify
from dlspec.ir.graph import Graph
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

RUNS = int(os.environ.get("CLASS_RUNS", "50"))
SEED = int(os.environ.get("CLASS_SEED", "0"))

WIDTHS = ["w", "w + 2", "2 * w", "w * m", "w // 2 + m", "max(w, 4)", "m * 4", "inner", "x.channels", "x.channels + m"]
STEPS: list[Callable[[random.Random], str]] = [
    lambda draw: f"Conv({draw.choice(WIDTHS)}, k, padding=k // 2)",
    lambda draw: f"Conv({draw.choice(WIDTHS)}, 3, padding=1, bias=false) -> BatchNorm",
    lambda draw: f"Conv({draw.choice(WIDTHS)}, 1) -> norm",
    lambda draw: draw.choice(["ReLU", "GELU", "LeakyReLU(1 / (m + 1))", "Dropout(0.1 * m)"]),
    lambda draw: f"if flag {{ {step(draw)} }}",
    lambda draw: f"if flag {{ {step(draw)} }} else {{ {step(draw)} }}",
    lambda draw: f"if not flag {{ Conv({draw.choice(WIDTHS)}, 1) }}",
    lambda draw: f"repeat n {{ Conv({draw.choice(WIDTHS[:8])}, 3, padding=1) -> ReLU }}",
    lambda draw: "for i in range(n) { Conv(w * (i + 1), 1) -> ReLU }",
    lambda draw: "for width in [w, 2 * w, w + m] { Conv(width, 3, padding=1) -> ReLU }",
    lambda draw: "Add { Conv(x.channels, k, padding=k // 2) | Identity }",
    lambda draw: f"Concat {{ Identity | Conv({draw.choice(WIDTHS)}, 1) -> ReLU }}",
    lambda draw: draw.choice(["{ x * 0.5 + m }", "{ x / x.channels }", "{ x * (w / 8) }"]),
    lambda draw: "PadTo([2 * ceil(size / 2) + 1 for size in x.spatial])",
    lambda draw: "repeat 2 { Add { Conv(x.channels, 3, padding=1) | Identity } }",
    lambda draw: "repeat n { Add { Conv(x.channels, 3, padding=1) | Identity } }",
    lambda draw: f"for i in range(1, n + {draw.randint(1, 2)}) {{ Conv(w * i, 1) -> Tanh }}",
    lambda draw: (
        f"for width in [w + i * m for i in range(n)] {{ Conv(width, {draw.choice(['1', 'k, padding=k // 2'])}) }}"
    ),
    lambda draw: f'"{label(draw)}_{{m}}": Conv({draw.choice(WIDTHS)}, 1)',
    lambda draw: f'for i in range(n) {{ "{label(draw)}{{w}}_{{i + 1}}": Conv({draw.choice(WIDTHS[:8])}, 1) -> ReLU }}',
    lambda draw: f"{label(draw)}: {{ for i in range(n) {{ Conv(w, 1) }} -> Conv({draw.choice(WIDTHS)}, 1) -> ReLU }}",
    lambda draw: collected(f"x -> Conv({draw.choice(['w', 'w * (i + 1)', 'inner', 'x.channels'])}, 1)"),
    lambda draw: f"repeat n {{ for i in range(m) {{ Conv({draw.choice(WIDTHS[:8])}, 3, padding=1) -> ReLU }} }}",
    lambda draw: (
        f"for i in range(n) {{ Conv({draw.choice(['w', 'w * (i + 1)'])}, 1)"
        f" -> repeat m {{ Conv({draw.choice(WIDTHS[:8])}, 1) }} }}"
    ),
    lambda draw: "for i in range(n) { repeat m { Add { Conv(x.channels, 3, padding=1) | Identity } } }",
    lambda draw: nested(draw),
    lambda draw: (
        f'for i in range(n) {{ "{label(draw)}_{{i}}": '
        f"{{ repeat m {{ Conv({draw.choice(['w', 'w * (i + 1)'])}, 1) -> ReLU }} }} }}"
    ),
    lambda draw: "{ fs = [x]\n for i in range(n) { fs = fs + [fs -> Concat -> Conv(w, 1)] }\n fs -> Concat }",
]


def label(draw: random.Random) -> str:
    """One that no other step has."""
    return f"part{draw.randrange(10**6)}"


def collected(each: str) -> str:
    """What turns give, as one tensor."""
    return f"{{ fs = []\n for i in range(n) {{ fs = fs + [{each}] }}\n fs -> Concat }}"


def nested(draw: random.Random) -> str:
    """Loops with a name for what goes from turn to turn, some of which change the width between."""
    own = label(draw)
    between = draw.choice([f'        h = h -> "{own}_{{i}}": Conv({draw.choice(WIDTHS[:4])}, 1)\n', ""])
    width = draw.choice(["w", "h.channels", "w * (i + 1)"])
    each = draw.choice([f'"{own}{{i}}_{{j}}": ', ""])
    return (
        f"{{\n    h = x\n    for i in range(n) {{\n{between}        for j in range(m) {{\n"
        f"            h = h -> {each}Conv({width}, 1) -> ReLU\n        }}\n    }}\n    h\n    }}"
    )


def carried(draw: random.Random) -> str:
    """A loop whose turns read names of what was before it, one or two of which they bind anew."""
    own, width = label(draw), draw.choice(["w", "h.channels", "h.channels + 1", "w * (i + 1)"])
    begun = draw.choice(["x", f'x -> "{own}": Conv(w + 1, 1)'])
    made = f'h -> "{own}_{{i}}": Conv({width}, 1) -> Tanh'
    each = draw.choice(
        [
            f"h = {made}",
            f"h = concat(x, {made})",
            f"h = concat(h, {made})",
            f"h = concat(h, x -> {made.removeprefix('h -> ')})",
            f"t = {made}\n        c = concat(h, c)\n        h = t",
            f"t = {made}\n        h = concat(t, h)",
            f'h = concat(h, c) -> "{own}_{{i}}": Conv({width}, 1)\n        c = h + 1',
        ]
    )
    first = "" if "c = " not in each else f"c = {draw.choice(['x', begun, 'h'])}\n    "
    first = first.replace(f'"{own}"', f'"{own}c"')
    outs = [name for name in ("c", "t") if f"{name} = " in each and draw.random() < 0.5]
    given = f"concat({', '.join([*outs, 'h'])})" if outs else "h"
    return f"{{\n    h = {begun}\n    {first}for i in range(n) {{\n        {each}\n    }}\n    {given}\n    }}"


LOOP_IN_IF = re.compile(r"flag \{.*(repeat|for)", re.DOTALL)
FORWARD = re.compile(r"Add|Concat|PadTo|\{ x|part|h = x")
"""A loop that a forward runs is one of all instances or of none, and this is what makes one of a loop in a chain."""


def step(draw: random.Random) -> str:
    return draw.choice(STEPS)(draw)


@dataclass
class Program:
    """A block, and the calls of it: which arguments each gives, what its conditions decide, and how it is labelled."""

    body: str
    calls: list[tuple[list[str], bool]]

    def text(self, draw: random.Random, settings: bool = False) -> str:
        """The spec with values for what is given; some are settings of the network."""
        steps = ["Conv(4, 1)"]
        given_settings: dict[str, str] = {}
        nests = "for j" in self.body
        least = 2 if nests or "fs" in self.body else 1
        for given, flag in self.calls:
            values = {
                "w": str(draw.choice([4, 6, 8])), "k": str(draw.choice([1, 3, 5])), "m": str(draw.randint(1 + nests, 3)),
                "n": str(draw.randint(least, 4)), "flag": str(flag).lower(), "norm": "BatchNorm",
            }  # fmt: skip
            for name in ("w", "m", "n", "flag") if settings else ():
                if draw.random() < 0.5 and f"set_{name}" not in given_settings:
                    given_settings[f"set_{name}"], values[name] = values[name], f"set_{name}"
            steps.append(f"Unit({', '.join(f'{name}={values[name]}' for name in given)})")
        return (
            "block Unit(w, k = 3, m = 1, n = 3, flag: bool = true, norm: layer = InstanceNorm) {\n"
            f"    inner = w * m + 2\n    {self.body}\n}}\n"
            "network Net(image: float[N, 3, H = 12, W = 12]"
            f"{''.join(f', {name} = {value}' for name, value in given_settings.items())}) -> y where H >= 4, W >= 4 "
            f"{{ image -> {' -> '.join(steps)} }}\n"
        )


def program(draw: random.Random, step: Callable[[random.Random], str] = step) -> Program:
    body = "if flag { repeat n { Add"
    while LOOP_IN_IF.search(body) and FORWARD.search(body):
        body = " -> ".join(step(draw) for _ in range(draw.randint(2, 5)))
    others = [name for name in ("k", "m", "n", "norm") if draw.random() < 0.6]
    calls = [(["w", *others], True)]
    for _ in range(draw.randint(1, 3)):
        decided = draw.random() < 0.5
        calls.append(
            (["w", *(name for name in others if draw.random() < 0.7), *([] if decided else ["flag"])], decided)
        )
    return Program(body, calls)


def classes(text: str) -> dict[str, str]:
    """The texts of the classes of blocks, by name."""
    parts = [f"class {part.rstrip()}" for part in text.split("\nclass ")[1:]]
    return {part.split()[1].partition("(")[0]: part for part in parts if not part.startswith("class Net(")}


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_classes_follow_from_the_text(seed: int, compared: Callable[[str, int], None]) -> None:
    draw = random.Random(seed)
    made = program(draw)
    found: list[dict[str, str]] = []
    for _ in range(2):
        spec = made.text(draw)
        graph = elaborate(open_source(Source("random.dlspec", spec)), "Net")
        written = source(graph)
        report = verify(graph)
        assert report.faults == [], f"{spec}\n{written}"
        compared("values of random blocks compared with ONNX Runtime", report.compared)
        found.append(classes(written))
    assert found[0] == found[1], spec


def small(draw: random.Random) -> tuple[str, Graph]:
    """A spec whose widths do not grow too much from step to step."""
    steps = [step, step, carried]
    while True:
        spec = program(draw, lambda draw: draw.choice(steps)(draw)).text(draw, settings=True)
        graph = elaborate(open_source(Source("random.dlspec", spec)), "Net")
        if sum(weight.elements for weight in graph.parameters.values()) < 10**6:
            return spec, graph


@pytest.mark.parametrize("seed", range(SEED, SEED + (RUNS + 1) // 2))
def test_settings_mean_what_they_say(seed: int, compared: Callable[[str, int], None]) -> None:
    draw = random.Random(seed)
    spec, graph = small(draw)
    assert verify(graph).faults == [], spec
    count = compared_with_others(open_source(Source("random.dlspec", spec)), "Net")
    if count:
        compared("shapes of random networks with other settings", count)
