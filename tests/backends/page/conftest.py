from __future__ import annotations

from collections.abc import Iterator

import browser
import pytest


@pytest.fixture(scope="session")
def chromium() -> Iterator[browser.Browser]:
    """A browser for all tests of a run. Skips where there is none."""
    started = browser.start()
    yield started
    started.driver.quit()
