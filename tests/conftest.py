"""Says at the end of a run how many values the tests compared: a comparison of nothing looks like a success."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

_COMPARED = "values compared: "


@pytest.fixture
def compared(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Keeps how many values a test compared, and with what."""

    def compared(what: str, values: int) -> None:
        assert values > 0
        record_property(_COMPARED + what, values)

    return compared


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, values in report.user_properties:
            if name.startswith(_COMPARED):
                totals[name] += values
    for name, values in totals.items():
        terminalreporter.write_line(f"{values:,} {name}")
