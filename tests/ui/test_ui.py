"""Each spec here is wrong; the file beside it holds what `dlspec check` says of it, source and diagnostics side by side.

`UPDATE_SNAPSHOTS=1 pytest tests/ui` writes them anew: read the difference before you commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlspec.pipeline import check_source
from dlspec.render import render
from dlspec.source import Source

HERE = Path(__file__).parent
SPECS = sorted(HERE.glob("*.dlspec"))


def rendered(path: Path) -> str:
    source = Source(path.name, path.read_text(), path)
    return "\n".join(line.rstrip() for line in render(check_source(source)).splitlines()) + "\n"


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_diagnostics(path: Path) -> None:
    snapshot = path.with_suffix(".txt")
    found = rendered(path)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(found)
    assert snapshot.exists(), f"no snapshot: {snapshot.name}"
    assert found == snapshot.read_text()
    assert "error[DL" in found


def test_every_snapshot_has_its_spec() -> None:
    assert {path.stem for path in HERE.glob("*.txt")} == {path.stem for path in SPECS}
