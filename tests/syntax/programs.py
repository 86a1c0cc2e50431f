"""Random programs: lists of tokens, and texts that scatter blanks, line ends and comments among them.

Made from a seed, a hundred times as fast as of Hypothesis' strategies; what is lost is shrinking within a program.
"""

from __future__ import annotations

from random import Random

Tokens = list[str]
SEPARATOR = "<;>"
HEADER = "<{>"
"""The `{` of a body, before which a line may end."""

NAMES = ["x", "Conv", "data", "over", "training", "where", "default", "H", "image", "shared", "_a1", "times"]
NUMBERS = ["0", "7", "10_000", "1e-6", "0.5", "2.5e+3"]
STRINGS = ['"sum"', '"layer{i + 1}"', '"a \\"b\\" {{}}"', '""', '"# no comment"']
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "and", "or"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">=", "in"]


def join(parts: list[Tokens], between: str) -> Tokens:
    return [token for number, part in enumerate(parts) for token in ([between] if number else []) + part]


class Programs:
    """Draws parts of programs. `depth` is how deep a part may nest."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.one = self.random.choice

    def some(self, part: str, depth: int, least: int, most: int) -> list[Tokens]:
        return [getattr(self, part)(depth) for _ in range(self.random.randint(least, most))]

    def program(self) -> Tokens:
        return join(self.some("declaration", 3, 0, 4), SEPARATOR)

    def test(self, depth: int) -> Tokens:
        """An expression tighter than a chain."""
        one, inner = self.one, self.test
        match self.random.randint(0, 3 if depth <= 0 else 13):
            case 0 | 1:
                return [one(NAMES)]
            case 2:
                return [one(NUMBERS)]
            case 3:
                return [one(STRINGS)]
            case 4:
                return ["(", *inner(depth - 1), one(OPERATORS), *inner(depth - 1), ")"]
            case 5:
                return ["(", *inner(depth - 1), one(COMPARISONS), *inner(depth - 1), ")"]
            case 6:
                return one([["-", one(NAMES)], ["(", "not", *inner(0), ")"]])
            case 7:
                return [one(NAMES), "(", *join(self.some("argument", depth - 1, 0, 3), ","), ")"]
            case 8:
                return [one(NAMES), "{", *self.branches(depth - 1), "}"]
            case 9:
                first: Tokens = one([[], [":", ","], ["0", ","], ["1", ":", "2", ","]])
                return [one(NAMES), "[", *first, *inner(depth - 1), "]"]
            case 10:
                return [one(NAMES), ".", one(NAMES)]
            case 11:
                items = self.some("expression", depth - 1, 0, 3)
                return ["[", *join(items, ","), *([","] if items and self.random.random() < 0.3 else []), "]"]
            case 12:
                first = [
                    "for",
                    one(NAMES),
                    *one([[], [",", "[", "a", ",", "(", "b", ",", "c", ")", "]"]]),
                    "in",
                    *inner(0),
                ]
                more = one([[], ["if", *inner(0)], ["if", "a", "for", "(", "d", ",", "e", ")", "in", "a", "->", "F"]])
                return ["[", *inner(depth - 1), *first, "if", *inner(depth - 1), *more, "]"]
            case _:
                return self.braces(depth - 1)

    def braces(self, depth: int) -> Tokens:
        body = [HEADER, *self.statements(depth), "}"]
        match self.random.randint(0, 4):
            case 0:
                return ["{", *self.branches(depth), "}"]
            case 4:
                targets = self.one([["a"], ["a", ",", "along"]])
                inputs: Tokens = self.one([[], ["in", *self.test(0)], ["in", "x", ",", *self.test(0)]])
                states: Tokens = self.one(
                    [[], ["with", "h", "=", "x"], ["with", "h", "=", "x", "->", "F", ",", "with", "=", "a"]]
                )
                backwards: Tokens = self.one([[], ["backwards"]])
                return ["scan", *targets, *inputs, "along", *self.test(0), *backwards, *states, *body]
            case 1:
                return ["repeat", *self.test(0), *body]
            case 2:
                targets: Tokens = self.one(
                    [[self.one(NAMES)], ["[", "d", ",", "e", "]"], ["(", "d", ",", "[", "e", "]", ")"]]
                )
                flows: Tokens = self.one([[], [], ["->", "F"]])
                return ["for", self.one(NAMES), ",", *targets, "in", *self.test(0), *flows, *body]
            case _:
                otherwise = self.one([[], [], ["else", *body], ["else", "if", *self.test(0), *body]])
                return ["if", *self.test(0), HEADER, *self.statements(depth), "}", *otherwise]

    def branches(self, depth: int) -> Tokens:
        return join([self.statements(depth, least=1) for _ in range(self.random.randint(1, 3))], "|")

    def argument(self, depth: int) -> Tokens:
        return [*self.one([[], [], ["bias", "="], ["in", "="], ["data", "="]]), *self.expression(depth)]

    def step(self, depth: int) -> Tokens:
        label: Tokens = self.one([[], [], [], ["conv1", ":"], ['"l{i}"', ":"], ["data", ":"]])
        tap: Tokens = self.one([[], [], [], ["as", "h"]])
        return [*label, *self.test(depth), *tap]

    def expression(self, depth: int) -> Tokens:
        return join(self.some("step", depth, 1, 4), "->")

    def statements(self, depth: int, least: int = 0) -> Tokens:
        return join(self.some("statement", depth, least, 3), SEPARATOR)

    def statement(self, depth: int) -> Tokens:
        value = self.expression(depth)
        return self.one(
            [
                value,
                value,
                ["a", "=", *value],
                ["a", ",", *self.one([["b"], ["[", "b", ",", "(", "c", ",", "d", ")", "]"]]), "=", *value],
                [*self.one([["[", "a", "]"], ["(", "a", ",", "[", "b", "]", ")", ",", "c"]]), "=", *value],
                ["shared", "f", "=", *value],
                ["param", "g", ":", "float", "[", "x", ".", "channels", ",", "H", "=", "3", "]", "=", *value],
                ["buffer", "g", ":", "int"],
                ["default", "Conv", "(", "eps", "=", *value, ")"],
                ["expect", "a", "==", "(", *value, ")", ",", '"why {x.channels}"'],
            ]
        )

    def declaration(self, depth: int) -> Tokens:
        parameter = ["p", *self.one([[], [":", "int"]]), "=", *self.test(1)]
        parameters: Tokens = self.one([[], ["(", ")"], ["(", "a", ",", *parameter, ")"], ["(", *parameter, ",", ")"]])
        body = [HEADER, *self.statements(depth), "}"]
        match self.random.randint(0, 5):
            case 0 | 1:
                return ["block", "B", *parameters, *body]
            case 2:
                if self.random.random() < 0.4:
                    return ["network", "N", "=", "M", *self.one([[], ["(", *self.argument(1), ")"]])]
                where = self.one([[], ["where", "H", "%", "2", "==", "0", ",", "W", ">", "3"]])
                return ["network", "N", *parameters, "->", "y", ",", "z", ":", "training", *where, *body]
            case 3:
                data = ["data", "image", ":", "float", "[", "N", ",", "H", "=", "3", "]"]
                data += self.one([[], ["->", "Flip"], ["->", "Crop", "(", "3", ")", "->", "Flip"]])
                objective = ["minimize", "y", "->", *self.expression(1)]
                update = [*objective, "over", "f", ",", "g", "using", "Adam", "(", ")", "times", "k"]
                return ["train", "T", HEADER, *join([data, update, self.statement(2)], SEPARATOR), "}"]
            case 4:
                return ["from", ".", "std", ".", "resnet", "import", "A", "as", "B", ",", "C"]
            case _:
                return ["expect", "y", "==", "(", *self.test(2), ")"]


BEGINS_LINE = {"->", "|", "}", ")", "]", "else", "as", "and", "or", "in", "+", "*", "/", "//", "%", "**"}
BEGINS_LINE |= {"==", "!=", "<", "<=", ">", ">=", HEADER}
GOVERNS = {
    "block",
    "network",
    "train",
    "shared",
    "param",
    "buffer",
    "default",
    "data",
    "from",
    "expect",
    "minimize",
    "scan",
}
BREAKS = ["\n", "\n\n", "\n\n\n", " # note\n", "\n# note\n", "\r\n\t# a\n\n  # b\n", " # a\n\n"]


def careless_text(tokens: Tokens, seed: int) -> str:
    """The tokens as a text somebody careless might have written."""
    random = Random(seed)
    careless = random.choice([0, 0, 0.1, 0.4])
    text = random.choice(["", "\n", "# top\n", "\n# top\n\n"])
    brackets: list[str] = []
    last = ""
    for token in tokens:
        if token == SEPARATOR:
            text += random.choice([*BREAKS, "\n", ";", " ; "])
            last = ""
            continue
        bracketed = bool(brackets) and brackets[-1] in ("(", "[")
        word_like = bool(last) and (last[-1].isalnum() or last[-1] in '_"') and (token[0].isalnum() or token[0] in '_"')
        free = bracketed or token in BEGINS_LINE or not (last[:1].isalnum() or last[:1] in ('"', "_", "}", ")", "]"))
        if last and free and last not in GOVERNS and token != "." and random.random() < careless:
            text += random.choice(BREAKS)
        elif last:
            text += " " if word_like else random.choice(["", " ", "  "])
        if token in (")", "]", "}"):
            brackets.pop()
        last = "{" if token == HEADER else token
        if last in ("(", "[", "{"):
            brackets.append(last)
        text += last
    return text + random.choice(["", "\n", "\n\n\n", "  # end"])
