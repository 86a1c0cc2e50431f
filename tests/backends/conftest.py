"""The tables of operators and of shipped networks belong to the tests beside these."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
for folder in ("ops", "specs"):
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))
