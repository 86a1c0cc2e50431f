from __future__ import annotations

from pathlib import Path

import pytest
from calls import TINY, Call

from dlspec.cli import main


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command in a folder with `tiny.dlspec`, and gives its status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.dlspec").write_text(TINY)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return status, *capsys.readouterr()

    return run
