"""Says at the end of a run how many values the tests compared: a comparison of nothing looks like a success. Every graph
is verified."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable

import pytest

os.environ["DLSPEC_VERIFY"] = "1"  # every graph that is elaborated or made by a pass is checked

_COMPARED = "values compared: "
_MEASURED = "measured"


@pytest.fixture
def compared(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Keeps how many values a test compared, and with what."""

    def compared(what: str, values: int) -> None:
        assert values > 0
        record_property(_COMPARED + what, values)

    return compared


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Keeps a line about what was measured for the end of the run."""

    def measured(line: str) -> None:
        record_property(_MEASURED, line)

    return measured


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, values in report.user_properties:
            if name == _MEASURED:
                terminalreporter.write_line(values)
            elif name.startswith(_COMPARED):
                totals[name] += values
    for name, values in totals.items():
        terminalreporter.write_line(f"{values:,} {name}")
