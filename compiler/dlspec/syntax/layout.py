"""Raw tokens to the tokens of the grammar: which newlines separate, which words are keywords, which
braces open a body.

All three depend on the brackets around a token and the token before it, never on the parser's state, so they are
decided here in one pass and the grammar stays LALR(1) without contortions. The formatter asks the same questions.
"""

from __future__ import annotations

from collections.abc import Iterator

from dlspec.diagnostics import Diagnostic, Note
from dlspec.source import Source, Span
from dlspec.syntax.lexer import UNREADABLE, Token, words
from dlspec.syntax.limits import NESTING, too_deep
from dlspec.syntax.unreadable import unreadable

RESERVED = frozenset({"and", "as", "else", "false", "for", "if", "in", "none", "not", "or", "repeat", "true"})
UPDATES = frozenset({"minimize", "maximize"})
NEXT_PART = {"minimize": "over", "maximize": "over", "over": "using", "using": "times"}
DECLARATIONS = frozenset({"from", "block", "part", "network", "train"})
HEADERS = frozenset({"block", "part", "network", "train", "repeat", "for", "if", "else"})
BEFORE_NAME = frozenset({"block", "part", "network", "train", "shared", "param", "buffer", "default", "data", "from"})
BEFORE_EXPRESSION = UPDATES | {"expect"}
IN_SCAN = frozenset({"along", "backwards", "with"})
NO_TARGET = frozenset({"import", "over", "using", "times", "where"})
"""What may stand behind a name that is called `scan`."""
STARTS_EXPRESSION = frozenset({"NAME", "INT", "FLOAT", "STRING", "(", "[", "-"})

CLOSERS = {"(": ")", "[": "]", "{": "}"}
ENDS_OPERAND = frozenset({"NAME", "INT", "FLOAT", "STRING", "true", "false", "none", ")", "]", "}"})
OPERATORS = frozenset({"+", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in"})
CONTINUES = OPERATORS | {"->", "as", "else", "|", "}", ")", "]"}
"""With one of these a line goes on with the statement above it."""
OPENS_STATEMENT = frozenset({"NEWLINE", "BODY", "{", "|"})


def is_name(token: Token) -> bool:
    return token.kind == "NAME" and token.text not in RESERVED


class SyntaxFault(Exception):
    """A syntax error, on its way to the place where parsing can go on."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic


class Level:
    """What is open: the brackets around a token, the outermost of which is the file."""

    __slots__ = ("header", "opener", "scanning", "statement")

    def __init__(self, opener: Token | None) -> None:
        self.opener = opener
        self.statement = ""
        """The word that opened the statement, or the last of its parts, where other words depend on it."""
        self.header = False
        """A header has begun, and the `{` of its body is still to come."""
        self.scanning = False
        """It is that of a `scan`."""


class Layout:
    """The tokens of the grammar between two raw tokens, the last of which counts as the end. `index` is where it stands."""

    def __init__(self, source: Source, raw: list[Token], first: int = 0, last: int = -1) -> None:
        self.source = source
        self.raw = raw
        self.index = self.first = first
        self.last = last % len(raw)
        self.previous: Token | None = None
        """The token before the one given last."""
        self.levels = [Level(None)]
        self.opened: Token | None = None
        """The last opening bracket given."""

    def __iter__(self) -> Iterator[Token]:
        raw, levels, all_words = self.raw, self.levels, words()
        level = levels[-1]
        previous = self.previous
        newline: Token | None = None
        index, last = self.index, self.last
        while True:
            token = raw[index]
            if index == last:
                token = Token("END", token.start, token.end, token.text)
            self.index = index
            index += 1
            kind = token.kind
            if kind == "COMMENT":
                continue
            if kind == "NEWLINE":
                newline = newline or token
                continue
            if kind == ";" and (level.opener is None or level.opener.kind == "{"):
                newline = token
                continue

            if newline is not None:
                if previous is not None and self._separates(level, previous, newline, token):
                    previous = Token("NEWLINE", newline.start, newline.end, newline.text)
                    level.statement = ""
                    level.header = level.scanning = False
                    self.previous = previous
                    yield previous
                newline = None

            if kind == "NAME":
                if token.text in all_words:
                    kind = self._word(level, previous, token, raw[index])
                    if kind != "NAME":
                        token = Token(kind, token.start, token.end, token.text)
            elif kind in CLOSERS:
                if kind == "{" and level.header:
                    token = Token("BODY", token.start, token.end, "{")
                    level.header = level.scanning = False
                elif kind != "{" and (previous is None or previous.kind in OPENS_STATEMENT) and self._takes_apart():
                    token = Token("PATTERN", token.start, token.end, kind)
                if len(levels) > NESTING:
                    raise SyntaxFault(too_deep(Span(self.source, token.start, token.end)))
                level = Level(Token(kind, token.start, token.end, kind))
                levels.append(level)
                self.opened = token
            elif kind in (")", "]", "}"):
                level = self._close(token)
            elif kind == "END":
                if level.opener is not None:
                    raise SyntaxFault(self._unclosed(token))
                self.previous = previous
                yield token
                return
            elif kind in UNREADABLE:
                raise SyntaxFault(unreadable(self.source, token))

            self.previous = previous
            yield token
            previous = token

    def _separates(self, level: Level, previous: Token, newline: Token, token: Token) -> bool:
        """Whether a newline (or `;`) between two tokens separates two statements."""
        if level.opener is not None and level.opener.kind != "{":
            return False
        if previous.kind in ("{", "BODY", "|") or token.kind in ("}", "|", "END"):
            return False
        if newline.kind == ";":
            return True
        if previous.kind not in ENDS_OPERAND or level.header:
            return False
        kind = token.text if token.text in RESERVED else token.kind
        if NEXT_PART.get(level.statement) == token.text:
            return self.raw[self.index + 1].kind not in STARTS_EXPRESSION
        return kind not in CONTINUES

    def _word(self, level: Level, previous: Token | None, token: Token, following: Token) -> str:
        """The kind of a word of the grammar at this place: the word itself, or NAME."""
        word = token.text
        if previous is not None and previous.kind == ".":
            return "NAME"
        if word in RESERVED:
            bracketed = level.opener is not None and level.opener.kind != "{"
            if bracketed and self._after_blanks(self.index + 1).kind == "=":
                return "NAME"
            after_operand = previous is not None and previous.kind in ENDS_OPERAND
            comprehends = bracketed and after_operand and word in ("for", "if")
            if word in HEADERS and not comprehends:
                if level.header and word != "else" and previous is not None and previous.kind != "else":
                    raise SyntaxFault(self._header_within(previous, token))
                level.header = True
            return word
        if word == "scan" and self._scans(level, previous, following):
            if level.header and previous is not None:
                raise SyntaxFault(self._header_within(previous, token))
            level.header = level.scanning = True
            return word
        if previous is None or previous.kind in OPENS_STATEMENT:
            return self._opening_word(level, word, following)
        if previous.kind not in ENDS_OPERAND and previous.kind != "backwards":
            return "NAME"
        if level.scanning and word in IN_SCAN:
            return word
        if NEXT_PART.get(level.statement) == word:
            level.statement = word
            return word
        if word == "where":
            return word if level.header and level.statement == "network" else "NAME"
        if word == "import":
            return word if level.statement == "from" else "NAME"
        return "NAME"

    def _opening_word(self, level: Level, word: str, following: Token) -> str:
        if word in BEFORE_NAME:
            governs = is_name(following) or (word == "from" and following.kind in (".", "...") and level.opener is None)
            governs = governs or (word == "data" and self._lists_data())
        else:
            governs = word in BEFORE_EXPRESSION and following.kind in STARTS_EXPRESSION
            governs = governs and following.text not in ("as", "and", "or", "in")
        if not governs:
            return "NAME"
        level.statement = word
        level.header = word in HEADERS and not self._is_variant(word)
        return word

    def _lists_data(self) -> bool:
        """Whether `data` begins `data (image: ...`, as it does in a train."""
        if not any(level.statement == "train" for level in self.levels[:-1]):
            return False
        tokens: list[Token] = []
        index = self.index + 1
        while len(tokens) < 3 and index < len(self.raw):
            if self.raw[index].kind not in ("NEWLINE", "COMMENT"):
                tokens.append(self.raw[index])
            index += 1
        return [token.kind for token in tokens] == ["(", "NAME", ":"]

    def _takes_apart(self) -> bool:
        """Whether the bracket with which a statement begins is one of names before a `=`: `[a, b], c = ...`."""
        depth, before = 0, ""
        for index in range(self.index, self.last):
            kind = self.raw[index].kind
            if kind in ("{", "}") or (not depth and kind in ("=", "->", "|", ";")):
                return kind == "="
            if kind == "NEWLINE" and not depth and before != ",":
                return False
            depth += (kind in ("(", "[")) - (kind in (")", "]"))
            before = before if kind in ("NEWLINE", "COMMENT") else kind
        return False

    def _scans(self, level: Level, previous: Token | None, following: Token) -> bool:
        """Whether `scan` begins one: a name follows, which nothing else allows but the words of other statements."""
        if not is_name(following) or following.text in NO_TARGET or level.scanning:
            return False
        if previous is None:
            return False
        listed = previous.kind == "," and (level.opener is None or level.opener.kind == "{")
        return previous.kind not in ENDS_OPERAND | BEFORE_NAME | {"as", "over"} and not listed

    def _is_variant(self, word: str) -> bool:
        """Whether `network` begins `network Name = ...`, which has no body."""
        return word == "network" and self._after_blanks(self.index + 2).kind == "="

    def _header_within(self, previous: Token, token: Token) -> Diagnostic:
        span = Span(self.source, token.start, token.end)
        if "\n" in self.source.text[previous.end : token.start]:
            at, note = Span(self.source, previous.start, previous.end), Note(span, f"`{token.text}` stands here")
            return Diagnostic("DL0103", f"expected `{{`, but found `{token.text}`", at, "after this", (note,))
        hint = "write it in parentheses, or give it a name before"
        message = f"the body of an `{token.text}` would be taken for the one that is to come"
        return Diagnostic("DL0103", message, span, hint=hint)

    def _after_blanks(self, index: int) -> Token:
        while self.raw[index].kind in ("NEWLINE", "COMMENT"):
            index += 1
        return self.raw[index]

    def in_header(self, brace: Token) -> bool:
        """Whether in the braces that ``brace`` opens a header stands whose body is still to come."""
        return any(
            level.opener is not None and level.opener.start == brace.start and level.header for level in self.levels
        )

    def resume(self, index: int, brace: Token) -> None:
        """Goes on at a raw token, behind a statement in the braces that ``brace`` opens."""
        while len(self.levels) > 1 and self.levels[-1].opener.start > brace.start:  # type: ignore[union-attr]
            self.levels.pop()
        opener = self.levels[-1].opener
        if opener is None or opener.start != brace.start:  # its closing brace was the last token
            self.levels.append(Level(brace))
        level = self.levels[-1]
        level.statement, level.header, level.scanning = "", False, False
        before = self.raw[index - 1]
        self.index, self.previous = index, Token("NAME", before.start, before.end, before.text)

    # Brackets --------------------------------------------------------------------------------------------------------

    def _close(self, token: Token) -> Level:
        opener = self.levels[-1].opener
        if opener is None or (opener.kind == "{" and token.kind != "}"):
            span = Span(self.source, token.start, token.end)
            raise SyntaxFault(Diagnostic("DL0104", f"this `{token.kind}` closes nothing", span))
        if CLOSERS[opener.kind] != token.kind:
            raise SyntaxFault(self._unclosed(token))
        self.levels.pop()
        return self.levels[-1]

    def _unclosed(self, token: Token) -> Diagnostic:
        """What stands open when `token` is met, which is another closing bracket, a declaration or the end."""
        opener = self.levels[-1].opener
        assert opener is not None
        if opener.kind == "{":
            return self._missing_brace(self._doubtful_brace() or opener)
        span = Span(self.source, opener.start, opener.end)
        note = Note(Span(self.source, token.start, token.end), f"`{CLOSERS[opener.kind]}` is missing before this")
        return Diagnostic("DL0104", f"this `{opener.kind}` is never closed", span, notes=(note,) if token.text else ())

    def _missing_brace(self, opener: Token) -> Diagnostic:
        """Where a `}` is missing: before the first line behind its `{` that is indented no further than the line of that,
        else at the end of the text."""
        here = Span(self.source, opener.start, opener.end)
        if self.source.line(here.line)[here.column :].partition("#")[0].strip():  # what it opens begins on its line
            return Diagnostic("DL0104", "this `{` is never closed", here)
        note = Note(here, "this `{` is never closed")
        indent, last = self._indent(opener), opener
        for token in self.raw[self.first : self.last + 1]:
            if token.start <= opener.start or token.kind in ("NEWLINE", "COMMENT") or not token.text:
                continue
            if "\n" in self.source.text[last.end : token.start] and self._indent(token) <= indent:
                span = Span(self.source, token.start, token.end)
                return Diagnostic("DL0104", "a `}` is missing before this", span, notes=(note,))
            last = token
        return Diagnostic(
            "DL0104", "a `}` is missing after this", Span(self.source, last.start, last.end), notes=(note,)
        )

    def _indent(self, token: Token) -> int:
        line = self.source.line(self.source.position(token.start)[0])
        return len(line) - len(line.lstrip())

    def _doubtful_brace(self) -> Token | None:
        """The first brace, since the outermost that is open, that is closed on a line which is not indented like its own.

        Somebody who forgets a `}` still indents as if it were there, so this is the one that took another's.
        """
        outermost = self.levels[1].opener
        assert outermost is not None
        open_braces: list[tuple[Token, int]] = []
        indent, line = 0, self.raw[self.first].start if self.first else 0
        for token in self.raw[self.first : self.index]:
            if token.kind == "NEWLINE":
                line = token.end
            elif line >= 0:
                indent = token.start - line
            if token.kind == "{" and token.start >= outermost.start:
                open_braces.append((token, indent))
            elif token.kind == "}" and open_braces:
                opener, expected = open_braces.pop()
                if line >= 0 and indent != expected:
                    return opener
            if token.kind != "NEWLINE":
                line = -1
        return None
