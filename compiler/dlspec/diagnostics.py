"""What the compiler has to say about a spec: errors and warnings with positions and hints."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum

from dlspec.source import Span

_LONGEST = 300
"""So many characters of a text are read; of a longer one the middle is left out."""


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"

    __hash__ = object.__hash__  # Enum's own hashes the name, which every finding would pay for


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that matters, underlined with its own text."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    ``code`` is a key of ``dlspec.codes.CODES``; ``label`` stands beside the underlined ``span``; ``notes`` are other places
    (where a shape came from); ``trace`` is the chain of block instances that led here, outermost first.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    notes: tuple[Note, ...] = ()
    hint: str = ""
    trace: tuple[Note, ...] = ()
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        if len(self.message) <= _LONGEST and len(self.label) <= _LONGEST and len(self.hint) <= _LONGEST:
            return
        for part in ("message", "label", "hint"):
            text: str = getattr(self, part)
            if len(text) > _LONGEST:
                object.__setattr__(self, part, f"{text[: _LONGEST - 100]} ... {text[-90:]}")

    @property
    def silenced(self) -> bool:
        """Whether it is a warning that a comment in its first or last line asks to leave out."""
        if self.severity is Severity.ERROR:
            return False
        ignored = self.span.source.ignored
        last = self.span.source.position(max(self.span.start, self.span.end - 1))[0]
        return any(self.code in ignored.get(line, ()) for line in (self.span.line, last))


@dataclass(frozen=True, slots=True)
class More(Diagnostic):
    """The ``count`` of findings that are not shown, where the first of them is."""

    count: int = 0


class DlspecError(Exception):
    """A spec that cannot be compiled. ``diagnostics`` holds every finding, errors and warnings, in the order of the text."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(f"{d.span}: {d.severity.value}[{d.code}]: {d.message}" for d in self.diagnostics))


class Hinted(Exception):
    """Something that is wrong, before its position is known: a message, what to do instead and the code of a diagnostic,
    each of the two empty where there is none."""

    def __init__(self, message: str, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code


class Diagnostics:
    """Collects findings, each place and text once however often a block is instantiated, and at most ``most`` errors and as
    many warnings: what there is more is one finding that counts them. Warnings that a comment silences are left out:
    `# dlspec: ignore[DL0709]` in the line, or alone above it."""

    def __init__(self, diagnostics: Iterable[Diagnostic] = (), most: int | None = None) -> None:
        self._found: dict[tuple[str, str, int, int, str], Diagnostic] = {}
        self._most = most
        self._counts = dict.fromkeys(Severity, 0)
        self._more: dict[Severity, tuple[Diagnostic, int]] = {}
        self.extend(diagnostics)

    def add(self, diagnostic: Diagnostic) -> None:
        if diagnostic.silenced:
            return
        span, severity = diagnostic.span, diagnostic.severity
        if isinstance(diagnostic, More):
            self._add_more(diagnostic, diagnostic.count)
            return
        key = (diagnostic.code, span.source.name, span.start, span.end, diagnostic.message)
        if key in self._found:
            return
        if self._most is not None and self._counts[severity] >= self._most:
            self._add_more(diagnostic, 1)
            return
        self._counts[severity] += 1
        self._found[key] = diagnostic

    def _add_more(self, diagnostic: Diagnostic, count: int) -> None:
        first, before = self._more.get(diagnostic.severity, (diagnostic, 0))
        self._more[diagnostic.severity] = first, before + count

    @property
    def full(self) -> bool:
        """Whether one error more would only be counted."""
        return self._most is not None and self._counts[Severity.ERROR] >= self._most

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self.add(diagnostic)

    def __iter__(self) -> Iterator[Diagnostic]:
        yield from self._found.values()
        for severity, (first, count) in self._more.items():
            kind = f"are {count:,} {severity.value}s" if count > 1 else f"is one {severity.value}"
            hint = "--max-findings shows more"
            yield More("DL0412", f"there {kind} more", first.span, hint=hint, severity=severity, count=count)

    def __len__(self) -> int:
        return len(self._found) + len(self._more)

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self if d.severity is Severity.ERROR]

    def check(self) -> None:
        """Raises `DlspecError` with everything found if there is an error among it."""
        if self.errors:
            raise DlspecError(self)


_MANY = 1000
"""Of more candidates, those are compared with a word that begin as it does and are as long."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A hint that names the nearest candidates, or an empty text."""
    names = list(dict.fromkeys(candidates))
    if len(names) > _MANY:  # comparing takes some microseconds each
        first = word[:1].lower()
        names = [name for name in names if name[:1].lower() == first and abs(len(name) - len(word)) <= 2][:_MANY]
    by_folded = {name.lower(): name for name in reversed(names)}
    longer = sorted((name for name in by_folded if len(word) > 3 and name.startswith(word.lower())), key=len)
    # In a short word one letter is much: LSTM is not `lt`.
    cutoff = 0.75 if len(word) in (3, 4) else 0.6
    near = get_close_matches(word.lower(), by_folded, n=2, cutoff=cutoff)
    close = list(dict.fromkeys([*longer, *near]))[:2]
    return f"did you mean {' or '.join(f'`{by_folded[c]}`' for c in close)}?" if close else ""


def first_line(error: Exception) -> str:
    """What an error of a library says, in a line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "it is larger than the memory"
    lines = re.sub("\x1b\\[[0-9;]*m", "", str(error)).splitlines()
    text = next((line.strip() for line in lines if line.strip()), "")
    return text[:200] if text else type(error).__name__
