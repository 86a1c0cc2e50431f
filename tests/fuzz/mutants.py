"""Specs with one thing changed, each in one place that is known: what is said of them has to be said of that place.

``python tests/fuzz/mutants.py --count 20000 --seed 7`` prints the table; `make fuzz` is that, and more.
"""

from __future__ import annotations

import argparse
import re
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from timing import timed

from dlspec.diagnostics import Diagnostics
from dlspec.ops import OPERATORS
from dlspec.pipeline import check_source
from dlspec.render import render
from dlspec.resources import resource
from dlspec.source import Source

SECONDS = 2.0  # of the processor's time: no small spec may take longer, whatever is wrong with it
TOKEN = re.compile(r'#[^\n]*|"(?:[^"\\\n]|\\.)*"|\d[\w.]*(?:e-\d+)?|\w+|->|//|\*\*|[<>=!]=|\s+|.', re.S)
LAYERS = sorted(operator.__name__ for operator in OPERATORS if operator.layer and operator.__name__[0].isupper())
MARKS = ["->", "|", "{", "}", "(", ")", "[", "]", ",", ":", "=", "+", "*", "/", "."]


@dataclass(frozen=True)
class Text:
    """A spec that is right."""

    name: str
    text: str
    path: Path


@dataclass(frozen=True)
class Mutant:
    """A text with one change, and the ``lines`` on which an error about it is rightly put, by their new numbers.

    These are the lines that were written anew. Where a line is gone they are the two beside the gap, and those that use
    first what it named.
    """

    kind: str
    of: Text
    text: str
    lines: frozenset[int]


def texts() -> list[Text]:
    """The shipped specs that are short, and the examples of the reference that are right."""
    reference = resource("grammar/reference.md")
    examples = re.findall(r"^```dlspec\n(.*?)^```", reference.read_text(encoding="utf-8"), re.M | re.S)
    small = sorted(path for path in resource("specs").glob("*.dlspec") if path.stat().st_size < 2500)
    return [Text(path.name, path.read_text(encoding="utf-8"), path) for path in small] + [
        Text(f"example{index}.dlspec", text, reference.with_name("example.dlspec"))
        for index, text in enumerate(examples)
        if "refused:" not in text.partition("\n")[0]
    ]


# Changes ---------------------------------------------------------------------------------------------------------------


class Tokens:
    """The tokens of a text, with the line on which each begins."""

    def __init__(self, text: str) -> None:
        self.all = TOKEN.findall(text)
        self.lines: list[int] = []
        line = 1
        for token in self.all:
            self.lines.append(line)
            line += token.count("\n")

    def where(self, wanted: Callable[[str], object]) -> list[int]:
        return [at for at, token in enumerate(self.all) if not token.startswith("#") and wanted(token)]

    def written(self, at: int, new: str, until: int | None = None) -> tuple[str, frozenset[int]]:
        parts = [*self.all[:at], new, *self.all[at + 1 if until is None else until :]]
        return "".join(parts), frozenset({self.lines[at]})


Change = Callable[[str, Random], "tuple[str, frozenset[int]] | None"]
CHANGES: dict[str, Change] = {}


def change(kind: str) -> Callable[[Change], Change]:
    def keep(function: Change) -> Change:
        CHANGES[kind] = function
        return function

    return keep


def _token(wanted: Callable[[str], object], new: Callable[[str, Random], str]) -> Change:
    def made(text: str, draw: Random) -> tuple[str, frozenset[int]] | None:
        tokens = Tokens(text)
        places = tokens.where(wanted)
        if not places:
            return None
        at = draw.choice(places)
        return tokens.written(at, new(tokens.all[at], draw))

    return made


def _number(token: str, draw: Random) -> str:
    if not token.isdigit():
        return draw.choice(["0.0", "1.5", "-1.0", "7"])
    value = int(token)
    others = {value + 1, value - 1, value * 2, value // 2, value * 3, 0, value + draw.randint(2, 9)} - {value}
    return str(draw.choice(sorted(others)))


def _misspelled(token: str, draw: Random) -> str:
    at = draw.randrange(len(token))
    return draw.choice([
        token[:at] + token[at + 1 :] or token * 2,
        token[:at] + draw.choice("abeinrst") + token[at:],
        token[:at] + token[at : at + 1] + token[at:],
        token[:at] + token[at : at + 2][::-1] + token[at + 2 :],
    ])  # fmt: skip


CHANGES["a number is changed"] = _token(lambda token: token[0].isdigit(), _number)
CHANGES["a name is misspelled"] = _token(lambda token: token[0].isalpha(), _misspelled)
CHANGES["a layer is another"] = _token(lambda token: token in LAYERS, lambda _, draw: draw.choice(LAYERS))
CHANGES["a mark is left out"] = _token(lambda token: token in MARKS, lambda *_: " ")
CHANGES["a mark is doubled"] = _token(lambda token: token in MARKS, lambda token, _: f"{token} {token}")
CHANGES["a mark is another"] = _token(lambda token: token in MARKS, lambda _, draw: draw.choice(MARKS))


@change("a name is another")
def _other_name(text: str, draw: Random) -> tuple[str, frozenset[int]] | None:
    tokens = Tokens(text)
    names = tokens.where(lambda token: token[0].isalpha())
    at = draw.choice(names)
    return tokens.written(at, tokens.all[draw.choice(names)])


@change("a step is left out")
def _no_step(text: str, draw: Random) -> tuple[str, frozenset[int]] | None:
    """From an arrow to the next one of the line, at the same depth."""
    tokens = Tokens(text)
    arrows = tokens.where(lambda token: token == "->")
    if not arrows:
        return None
    at = draw.choice(arrows)
    depth, end = 0, at + 1
    while end < len(tokens.all):
        token = tokens.all[end]
        if depth == 0 and (token in ("->", ")", "}", "]", "|", ",") or "\n" in token or token.startswith("#")):
            break
        depth += (token in "([{") - (token in ")]}")
        end += 1
    return tokens.written(at, "", end) if tokens.lines[at] == tokens.lines[end - 1] else None


@change("an argument is left out")
def _no_argument(text: str, draw: Random) -> tuple[str, frozenset[int]] | None:
    found = list(re.finditer(r"(?<=[(,])\s*(?:\w+=)?[\w.+*/\" -]+,|,\s*(?:\w+=)?[\w.+*/\" -]+(?=\))", text))
    if not found:
        return None
    match = draw.choice(found)
    line = text.count("\n", 0, match.end()) + 1
    return text[: match.start()] + text[match.end() :], frozenset({line})


def _lines(text: str) -> tuple[list[str], list[int]]:
    lines = text.split("\n")
    return lines, [at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]


@change("a line is left out")
def _no_line(text: str, draw: Random) -> tuple[str, frozenset[int]] | None:
    lines, said = _lines(text)
    at = draw.choice(said)
    gone, left = lines[at], lines[:at] + lines[at + 1 :]
    beside = {position + 1 for position in _beside(left, at)}
    named = re.findall(
        r"^\s*(?:shared |param |buffer |block |network |train |data )?(\w+)(?:, (\w+))* *(?:=|\(|:|\{)", gone
    )
    named += [(name, "") for name in re.findall(r"\bas (\w+)|\bimport (\w+)|\b(\w+):", gone) for name in name]
    declares = re.match(r"(block|network|train|from) ", gone)
    for name in {part for pair in named for part in pair if part}:
        uses = [n + 1 for n, line in enumerate(left) if re.search(rf"\b{name}\b", line.partition("#")[0])]
        beside.update([n for n in uses if declares or n > at][:1])
    return "\n".join(left), frozenset(beside)


def _beside(lines: list[str], gap: int) -> Iterator[int]:
    """The nearest lines before and behind a gap that say something."""
    said = [at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    yield from [at for at in said if at < gap][-1:]
    yield from [at for at in said if at >= gap][:1]


@change("a line is doubled")
def _line_twice(text: str, draw: Random) -> tuple[str, frozenset[int]] | None:
    lines, said = _lines(text)
    at = draw.choice(said)
    return "\n".join([*lines[:at], lines[at], *lines[at:]]), frozenset({at + 1, at + 2})


@change("two lines are exchanged")
def _exchanged(text: str, draw: Random) -> tuple[str, frozenset[int]] | None:
    lines, said = _lines(text)
    if len(said) < 2:
        return None
    first = draw.randrange(len(said) - 1)
    one, other = said[first], said[first + 1]
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines), frozenset({one + 1, other + 1})


def mutants(count: int, seed: int, of: list[Text] | None = None) -> Iterator[Mutant]:
    """So many mutants that differ from their text, of each kind equally many."""
    draw = Random(seed)
    known = of or texts()
    kinds = list(CHANGES)
    made = 0
    while made < count:
        kind, text = kinds[made % len(kinds)], draw.choice(known)
        changed = CHANGES[kind](text.text, draw)
        if changed is None or changed[0] == text.text:
            continue
        made += 1
        yield Mutant(kind, text, *changed)


# What is said of them --------------------------------------------------------------------------------------------------


def _answer(source: Source) -> Diagnostics:
    found = check_source(source)
    render(found)
    return found


@dataclass
class Tally:
    """Of each kind how many were tried and refused, and of how many the first error is where the change is.

    Apart from these are those of which nothing is said but that an `expect` fails that counts the network: they are right by
    themselves, and it is said where it has to be.
    """

    tried: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    counted: Counter[str] = field(default_factory=Counter[str])
    placed: Counter[str] = field(default_factory=Counter[str])
    failures: list[str] = field(default_factory=list[str])
    missed: dict[str, list[tuple[Mutant, str]]] = field(default_factory=lambda: defaultdict(list))
    slowest: float = 0.0

    def add(self, mutant: Mutant) -> None:
        self.tried[mutant.kind] += 1
        source = Source(mutant.of.name, mutant.text, mutant.of.path)
        try:
            found, seconds = timed(lambda: _answer(source), SECONDS)
        except Exception:
            self.failures.append(f"{mutant.kind} in {mutant.of.name}:\n{traceback.format_exc()}\n{mutant.text}")
            return
        self.slowest = max(self.slowest, seconds)
        if seconds > SECONDS:
            self.failures.append(f"{mutant.kind} in {mutant.of.name}: {seconds:.1f} s\n{mutant.text}")
        if found.errors:
            first = found.errors[0]
            if all(error.code == "DL0401" for error in found.errors) and first.span.line not in mutant.lines:
                self.counted[mutant.kind] += 1
                return
            self.refused[mutant.kind] += 1
            if first.span.source.name == mutant.of.name and first.span.line in mutant.lines:
                self.placed[mutant.kind] += 1
            else:
                said = f"{first.code} line {first.span.line}, not {sorted(mutant.lines)}: {first.message}"
                self.missed[mutant.kind].append((mutant, said))

    def share(self, kind: str | None = None) -> float:
        placed, refused = (
            (self.placed.total(), self.refused.total()) if kind is None else (self.placed[kind], self.refused[kind])
        )
        return placed / refused if refused else 1.0

    def table(self) -> str:
        rows = [f"{'mutants':28}{'tried':>9}{'refused':>9}{'on the line':>13}{'only counted otherwise':>24}"]
        for kind in sorted(self.tried):
            numbers = f"{self.tried[kind]:>9,}{self.refused[kind]:>9,}{self.share(kind):>13.1%}"
            rows.append(f"{kind:28}{numbers}{self.counted[kind]:>24,}")
        numbers = f"{self.tried.total():>9,}{self.refused.total():>9,}{self.share():>13.1%}"
        rows.append(f"{'all':28}{numbers}{self.counted.total():>24,}")
        every = self.placed.total() / max(1, self.refused.total() + self.counted.total())
        rows.append(f"{every:.1%} where those count that only an `expect` refuses, none of them on the line")
        rows.append(f"{len(self.failures)} tracebacks or slow ones; the slowest took {self.slowest:.2f} s")
        return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missed", metavar="KIND", help="show those of a kind whose first error is elsewhere")
    given = parser.parse_args()
    tally = Tally()
    for mutant in mutants(given.count, given.seed):
        tally.add(mutant)
    print(tally.table())
    for failure in tally.failures[:5]:
        print(failure)
    for kind, missed in tally.missed.items():
        if given.missed is not None and given.missed in kind:
            for mutant, said in missed:
                print(f"--- {kind}: {mutant.of.name}: {said}")
                before, after = mutant.of.text.split("\n"), mutant.text.split("\n")
                at = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
                print(f"  - {before[at]}\n  + {after[at]}")
    raise SystemExit(bool(tally.failures))


if __name__ == "__main__":
    main()
