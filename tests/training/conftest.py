from __future__ import annotations

from pathlib import Path

import pytest
import trains
from trains import Call

from dlspec.cli import main


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command in a folder with the specs, and gives its status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("LENET", "MLP", "GAN"):
        Path(f"{name.lower()}.dlspec").write_text(getattr(trains, name))

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return status, *capsys.readouterr()

    return run
