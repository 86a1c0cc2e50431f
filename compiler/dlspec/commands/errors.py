"""What is wrong with a call."""

from __future__ import annotations

from dlspec.diagnostics import DlspecError


class CallError(Exception):
    """A call that cannot be carried out, whatever the spec says: exit status 2."""

    def __init__(self, message: str, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class CallFindings(DlspecError):
    """Findings that come of what the call gave, not of the spec: exit status 2."""
