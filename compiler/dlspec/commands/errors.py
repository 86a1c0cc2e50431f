"""What is wrong with a call."""

from __future__ import annotations

from dlspec.diagnostics import DlspecError, Hinted


class CallError(Hinted):
    """A call that cannot be carried out, whatever the spec says: exit status 2."""


class CallFindings(DlspecError):
    """Findings that come of what the call gave, not of the spec: exit status 2."""
