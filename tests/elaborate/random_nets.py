"""Random networks of blocks that use each other, most of them right: of small parts, so that many instances are the same."""

from __future__ import annotations

from random import Random

ACTIVATIONS = ["ReLU", "Tanh", "LeakyReLU(0.1)", "LeakyReLU(0.2)", "{ ReLU -> Conv(4, 1) }", "Plain"]


class Nets:
    """Every part takes and gives [N, 4, H, W]. ``names`` are the tensors in sight, ``layers`` the layers."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.one = self.random.choice

    def net(self) -> str:
        count = self.random.randint(1, 3)
        blocks = ["block Plain { BatchNorm -> ReLU }"]
        for number in range(count):
            known = [f"B{other}" for other in range(number)]
            body = self.body(known, ["x", "y"], ["act"], 2)
            blocks.append(
                f"block B{number}(y: tensor, n = {number}, act: layer = {self.one(ACTIVATIONS)}) {{\n{body}\n}}"
            )
        body = self.body([f"B{number}" for number in range(count)], ["x"], [], 3)
        outputs = self.one(["out", "out", "out, more: training"])
        last = f"out = image -> {{\n{body}\n}}\nmore = out -> {self.step([], ['out'], [], 1)}" if "more" in outputs else (
            f"image -> {{\n{body}\n}}"
        )  # fmt: skip
        return "\n".join(blocks) + f"\nnetwork Net(image: float[N, 4, H, W]) -> {outputs} {{\n{last}\n}}\n"

    def body(self, blocks: list[str], names: list[str], layers: list[str], depth: int) -> str:
        """Statements and a chain that ends them."""
        names, layers, lines = list(names), list(layers), list[str]()
        if self.random.random() < 0.6:  # what turns may bind again
            lines.append("t = x")
            names += ["t", "t"]
        for _ in range(self.random.choice((0, 0, 1, 2))):
            kind = self.one(["=", "=", "layer", "shared", "param", "default", "expect", "for"])
            name = f"{self.one('fgh')}{depth}"
            match kind:
                case "=":
                    lines.append(f"{name} = {self.one(names)} -> {self.step(blocks, names, layers, depth - 1)}")
                    names.append(name)
                case "layer":
                    name = f"l{len(layers)}{depth}"  # never one in itself
                    lines.append(f"{name} = {self.one(['', '', 'Plain -> '])}{self.step(blocks, names, layers, 0)}")
                    layers.append(name)
                case "shared":
                    lines.append(f"shared s{name} = {self.one([*blocks, 'Conv(4, 1)', 'Plain'])}")
                    layers.append(f"s{name}")
                case "param":
                    lines.append(f"param p{name}: float[4, 1, 1]")
                    names.append(f"(x * p{name})")
                case "default":
                    lines.append("default Conv(bias=false)")
                case "expect":
                    lines.append(
                        self.one(["expect x.channels == 4", "expect x.height >= 8", "expect x.width % 2 == 0"])
                    )
                case _:
                    lines.append(
                        f"{name} = x\nfor i in range(3) {{ {name} = {name} -> {self.step(blocks, names, layers, 0)} }}"
                    )
                    names.append(name)
        lines.append(self.chain(blocks, names, layers, depth))
        return "\n".join(lines)

    def chain(self, blocks: list[str], names: list[str], layers: list[str], depth: int) -> str:
        steps = [self.step(blocks, names, layers, depth - 1) for _ in range(self.random.randint(1, 3))]
        return " -> ".join([self.one(["x", *names]), *steps])

    def step(self, blocks: list[str], names: list[str], layers: list[str], depth: int) -> str:
        step = self._step(blocks, names, layers, depth)
        match self.random.randint(0, 11):
            case 0:
                return f"a{self.random.randint(0, 9)}: {step}"
            case 1:
                return f'"a{self.random.randint(0, 2)}.{self.one(["b", "c", "0"])}": {step}'
            case 2:
                return f"{step} as {self.one('ttu')}" if self.random.random() < 0.5 else step
            case _:
                return step

    def _step(self, blocks: list[str], names: list[str], layers: list[str], depth: int) -> str:
        def inner() -> str:
            return self.chain(blocks, names, layers, depth - 1)

        match self.random.randint(0, 4 if depth <= 0 else 11):
            case 0:
                other = "if x.channels == 4 { Conv(6, 1) } else { Conv(4, 1) }"
                return self.one(["Conv(4, 1)", "Conv(4, 3, padding=1)", "Conv2d(4, 1)", other, other])
            case 1:
                return self.one(["ReLU", "Plain", "Identity", "[N, 4, H, W]", *layers, *layers])
            case 2:
                name = self.one(names) if names else "1"
                return f"{{ x {self.one('+*-')} {self.one([f'mean({name})', name, '2.5']) if names else '1'} }}"
            case 3 | 4:
                return self.call(blocks, names, layers)
            case 5:
                return f"Add {{ {inner()} | {self.one(['Identity', inner()])} }}"
            case 6:
                return f"{{\n{self.body(blocks, names, layers, depth - 1)}\n}}"
            case 7:
                first = f"if x.channels == 6 {{ Conv(4, 1) as {self.one('tu')} }} else {{ {inner()} }}"
                return f"Conv(6, 1) -> repeat {self.random.randint(2, 5)} {{ {first} }}"
            case 8 | 9:
                return f"repeat {self.random.randint(1, 5)} {{ {self.step(blocks, ['x', *names], layers, depth - 1)} }}"
            case 10:
                body = self.step(blocks, names, layers, depth - 1)
                return f'for i in [1, 2, 1] {{ if i == 1 {{ {body} }} else {{ ReLU }} -> "l{self.one(["{i}", "{i}", "0"])}": ReLU }}'
            case _:
                return f"if x.channels == {self.one('44463')} {{ {inner()} }} else {{ {inner()} }}"

    def call(self, blocks: list[str], names: list[str], layers: list[str]) -> str:
        if not blocks:
            return "Plain"
        more = [f"act={self.one([*ACTIVATIONS, *layers])}", f"n={self.one('12')}", ""]
        given = ", ".join(part for part in (self.one(names), self.one(more), "") if part)
        return f"{self.one(blocks)}({given})"
