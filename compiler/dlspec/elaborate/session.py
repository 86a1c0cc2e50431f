"""What the elaborations of a file have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dlspec.elaborate.known import Known

if TYPE_CHECKING:
    from dlspec.elaborate.expressions import Measure
    from dlspec.elaborate.instances import Common
    from dlspec.elaborate.recorder import Recorder


@dataclass(frozen=True, slots=True)
class Session:
    """How networks are measured, what is ``known`` of operators, who records what expressions were, and the
    instances that networks have in ``common``, where nobody else is given the graphs."""

    measure: Measure | None = None
    known: Known = field(default_factory=Known)
    recorder: Recorder | None = None
    common: Common | None = None
