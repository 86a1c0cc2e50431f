"""Specs with tokens taken out, doubled, swapped and exchanged: the compiler says what is wrong and never falls over.

`FUZZ_RUNS=20000 pytest tests/fuzz/test_mutations.py` for a long run.
"""

from __future__ import annotations

import os
import random
import re
import time
from pathlib import Path

from dlspec.analyses.report import summarise
from dlspec.backends.diagram.building import build_scene
from dlspec.backends.diagram.text import mermaid
from dlspec.backends.onnx.model import build
from dlspec.backends.torch import source
from dlspec.diagnostics import DlspecError
from dlspec.passes.objective import objectives
from dlspec.pipeline import check_source, elaborate_partial, elaborate_training, open_source
from dlspec.render import render
from dlspec.resources import resource
from dlspec.source import Source

RUNS = int(os.environ.get("FUZZ_RUNS", "250"))
SECONDS = 20  # no small spec may take longer, whatever is wrong with it
TOKEN = re.compile(r'"[^"\n]*"|\w+|->|//|\*\*|[<>=!]=|\s+|.', re.S)
SPLICED = [
    "->", "|", "{", "}", "(", ")", "[", "]", ",", ":", "=", "x", "0", "-1", "2", "H", "none", "true", "1e9", "10000000",
    "repeat 3", "if x.channels > 2", "for i in [1, 2]", "as y", "Identity", "Conv", "Concat", "sin",
    "Add {", "shared f =",
    "param g: float[2] =", "default Conv(bias=false)", "expect", "where", '"{i}"',
]  # fmt: skip


def specs() -> list[tuple[str, str, Path]]:
    reference = resource("grammar/reference.md")
    examples = re.findall(r"^```dlspec\n(.*?)^```", reference.read_text(), re.M | re.S)
    small = [path for path in resource("specs").glob("*.dlspec") if path.stat().st_size < 2500]
    return [(path.name, path.read_text(), path) for path in small] + [
        (f"example{index}.dlspec", text, reference.with_name("example.dlspec")) for index, text in enumerate(examples)
    ]


def mutated(text: str, draw: random.Random) -> str:
    tokens = TOKEN.findall(text)
    for _ in range(draw.choice((1, 1, 2, 3))):
        at, other = draw.randrange(len(tokens)), draw.randrange(len(tokens))
        match draw.randrange(6):
            case 0:
                del tokens[at]
            case 1:
                tokens.insert(at, tokens[other])
            case 2:
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case 3:
                tokens[at] = tokens[other]
            case 4:
                tokens.insert(at, f" {draw.choice(SPLICED)} ")
            case _:
                tokens[at] = f" {draw.choice(SPLICED)} "
        tokens = tokens or [" "]
    return "".join(tokens)


def test_mutated_specs_are_answered() -> None:
    draw = random.Random(int(os.environ.get("FUZZ_SEED", "1")))
    texts = specs()
    refused = 0
    for run in range(RUNS):
        name, text, path = draw.choice(texts)
        mutant = mutated(text, draw)
        start = time.process_time()
        try:
            found = check_source(Source(name, mutant, path))
            render(found)
        except Exception as error:
            raise AssertionError(f"run {run} of {name}: {error!r}\n{mutant}") from error
        assert time.process_time() - start < SECONDS, f"run {run} of {name} takes too long\n{mutant}"
        refused += bool(found.errors)
    assert refused > RUNS / 3


def test_what_is_left_of_mutated_specs_is_drawn_and_lowered() -> None:
    draw = random.Random(int(os.environ.get("FUZZ_SEED", "1")) + 1)
    texts = specs()
    drawn = lowered = 0
    for run in range(RUNS):
        name, text, path = draw.choice(texts)
        mutant = mutated(text, draw)
        try:
            program = open_source(Source(name, mutant, path))
        except DlspecError:
            continue
        for subject in (*program.networks, *program.trains):
            try:
                if subject in program.trains:
                    training = elaborate_training(program, subject)
                    compile(source(training), name, "exec")
                    build(objectives(training))
                else:
                    graph, faults, diagnostics = elaborate_partial(program, subject)
                    mermaid(build_scene(graph, summarise(graph), faults=faults))
                    drawn += 1
                    if diagnostics.errors:
                        continue
                    compile(source(graph), name, "exec")
                    build(graph)
                lowered += 1
            except DlspecError:
                continue  # it is wrong, or a backend lacks something and says so
            except Exception as error:
                raise AssertionError(f"run {run}, {subject} of {name}: {error!r}\n{mutant}") from error
    assert drawn > RUNS / 5
    assert lowered > RUNS / 10
