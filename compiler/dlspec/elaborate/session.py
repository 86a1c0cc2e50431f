"""What the elaborations of a file have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlspec.elaborate.known import Known

if TYPE_CHECKING:
    from dlspec.elaborate.expressions import Measure
    from dlspec.elaborate.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Session:
    """How networks are measured, what is ``known`` of operators, and who records what expressions were."""

    measure: Measure | None = None
    known: Known = field(default_factory=Known)
    recorder: Recorder | None = None
