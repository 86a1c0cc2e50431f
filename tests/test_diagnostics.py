"""Comments that silence warnings."""

from __future__ import annotations

import pytest
from tests.elaborate.specs import codes_in

UNUSED = "    unused = x -> ReLU"
SILENCED = {
    "nothing": (UNUSED, ["DL0702"]),
    "in its line": (f"{UNUSED}  # dlspec: ignore[DL0702]", []),
    "with others": (f"{UNUSED}  # dlspec: ignore[DL0201, DL0702]", []),
    "with a reason behind it": (f"{UNUSED}  # dlspec: ignore[DL0702] kept for the picture", []),
    "above it": (f"    # dlspec: ignore[DL0702]\n{UNUSED}", []),
    "above it and another comment": (f"    # dlspec: ignore[DL0702]\n    # why\n{UNUSED}", []),
    "another code": (f"{UNUSED}  # dlspec: ignore[DL0703]", ["DL0702"]),
    "without a code": (f"{UNUSED}  # dlspec: ignore", ["DL0702"]),
    "below it": (f"{UNUSED}\n    # dlspec: ignore[DL0702]", ["DL0702"]),
    "a line too far above": (f"    h = x  # dlspec: ignore[DL0702]\n{UNUSED}", ["DL0702"]),
    "in the last line of it": ("    unused = x -> MaxPool(\n        2\n    )  # dlspec: ignore[DL0702]", []),
    "an error is not silenced": ("    h = x -> ReLu  # dlspec: ignore[DL0301]", ["DL0301"]),
}


@pytest.mark.parametrize(("lines", "codes"), SILENCED.values(), ids=SILENCED)
def test_a_comment_silences_the_warnings_of_its_line(lines: str, codes: list[str]) -> None:
    assert codes_in(f"network Net(x: float[N, 3, 8, 8]) -> y {{\n{lines}\n    x -> Conv(4, 1)\n}}\n") == codes
