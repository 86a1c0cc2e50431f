"""Random valid programs hold what is promised of them, in every way of writing them, and so do those that once did not.

`PROGRAM_RUNS=1000 PROGRAM_SEED=7 pytest tests/fuzz/test_programs.py` for more; `make fuzz` makes failures small, too.
"""

from __future__ import annotations

import os

import pytest
from promises import fault, graph_of
from reduce import reduced
from valid_programs import cases, program

from fuzz import KEPT, Programs

RUNS = int(os.environ.get("PROGRAM_RUNS", "100"))
SEED = int(os.environ.get("PROGRAM_SEED", "0"))


@pytest.mark.parametrize("seed", range(SEED, SEED + RUNS))
def test_programs_hold_what_is_promised(seed: int) -> None:
    programs = Programs()
    programs.add(seed, minimise=False)
    assert not programs.failures, "\n".join(map(str, programs.failures[0]))


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.dlspec")), ids=lambda path: path.stem)
def test_programs_that_once_did_not(path: os.PathLike[str]) -> None:
    with open(path, encoding="utf-8") as file:
        assert fault(file.read()) is None


def test_every_operator_is_drawn() -> None:
    drawn = {operator for seed in range(2 * len(cases())) for operator in program(seed).operators}
    assert [operator.__name__ for operator in cases() if operator not in drawn] == []


def test_programs_are_made_smaller() -> None:
    """While some Conv has a kernel of 3: nothing else is left."""
    text = (
        "block B(n) { Conv(n, 1) -> Conv(n, 3, padding=1) }\n"
        "network Net(image: float[N, 3, 8, 8], other: float[N, 2]) -> a, b {\n"
        "    a = image -> repeat 2 { B(4) -> ReLU }\n    b = [other, other * 2] -> Concat\n}\n"
    )

    def still(shorter: str) -> bool:
        try:
            nodes = graph_of(shorter).nodes
        except Exception:
            return False
        return any(type(node.op).__name__ == "Conv" and node.op.kernel_size == 3 for node in nodes)

    found = reduced(text, still)
    assert still(found)
    assert len(found) < 150, found
