"""Specs with loops, comprehensions and the lists that they make, and what classes of generated source say of them."""

from __future__ import annotations

LOOPS: dict[str, tuple[str, list[str], list[str]]] = {
    "comprehension_that_makes_layers": (
        'block Heads(n, w) { concat([x -> "heads.{i}": Linear(w * (i + 1)) for i in range(n)], dim=-1) }\n'
        "network Net(x: float[N, 8]) -> y { x -> Heads(3, 4) -> ReLU -> Heads(2, 5) }",
        [
            "nn.ModuleList([nn.Linear(in_features, w * (i + 1)) for i in range(n)])",
            "return torch.cat([self.heads[i](x) for i in range(self.n)], dim=-1)",
        ],
        ["Heads2"],
    ),
    "comprehension_in_the_middle_of_a_list": (
        'block Pyramid(rates) {\n    near = x -> "convs.0": Conv(4, 1)\n'
        '    far = [x -> "convs.{i + 1}": Conv(4, 3, padding=r, dilation=r) for i, r in enumerate(rates)]\n'
        "    [near] + far + [x] -> Concat\n}\n"
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Pyramid([1, 2, 3]) }",
        ["for r in rates", "padding=r, dilation=r", "self.convs[i + 1](x)"],
        ["rates[0]"],
    ),
    "list_that_a_loop_of_a_dotted_label_makes": (
        "network Net(x: float[N, 8]) -> y {\n    h = x\n    hs = []\n    for i in range(6) {\n"
        '        h = h -> "fc.{i}": Linear(4) -> ReLU\n        hs = hs + [h]\n    }\n    y = concat(hs)\n}',
        ["nn.ModuleList([nn.Linear(8 if i == 0 else 4, 4) for i in range(6)])", "hs.append(h)"],
        [],
    ),
    "sizes_that_only_turns_of_two_loops_tell": (
        "from std.swin import Swin\nnetwork Net = Swin(12, [2], [2], drop=0.1, classes=5)",
        ["class Net(nn.Module)"],
        [],
    ),
    "list_by_a_name_that_is_joined_and_compared": (
        "block B(n) {\n    sizes = [2 ** i for i in range(n)]\n    twice = range(n)\n"
        "    parts = x -> Split(sizes + [x.features - sum(sizes)], dim=1)\n"
        "    more = x -> Split((twice + [1])[1:] + [x.features - sum(twice) - 1], dim=1)\n"
        "    [parts[1], more[-1]] -> Concat -> if sizes == [1, 2] { ReLU } else { Tanh }\n}\n"
        "network Net(x: float[N, 9]) -> a, b { a = x -> B(2)\n b = x -> B(3) }",
        ["tuple("],
        [],
    ),
    "comparison_of_the_turn": (
        "block Level(width, pool) { if pool { MaxPool(2) } -> Conv(width, 3, padding=1) }\n"
        "network Net(x: float[N, 3, H = 16, W = 16]) -> y {\n    h = x\n    kept = []\n"
        "    for i, width in enumerate([4, 8, 6]) {\n        h = h -> Level(width, pool=i > 0)\n"
        "        kept = kept + [h]\n    }\n"
        "    [kept[0], kept[2] -> Resize(kept[0])] -> Concat\n}",
        ["Level(3, 4, False)", "Level(4, 8, True)", "Level(8, 6, True)"],
        ["> 0"],
    ),
    "loop_is_a_loop": (
        "block Stack(width, depth) { repeat depth { Conv(width, 3, padding=1) -> ReLU } }\n"
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Stack(4, 3) -> Stack(6, 5) }",
        ["for i in range(depth)", "in_channels if i == 0 else width"],
        [],
    ),
    "loop_that_adds_to_what_flowed_in": (
        "block V(n) {\n    h = x\n"
        '    for i in range(n) { h = h + (x -> "a{i}": Conv(4, 1) -> Tanh) }\n    h\n}\n'
        "network Net(x: float[N, 4, L = 16]) -> y { x -> V(1) -> V(3) }",
        ["return x + torch.tanh(self.a0(x))", 'h = h + torch.tanh(getattr(self, f"a{i}")(x))'],
        [],
    ),
    "loop_of_a_forward": (
        "network Net(x: float[N, 8], depth = 4) -> y {\n"
        "    h = x\n"
        '    for i in range(depth) { h = h + (h -> "norm{i}": LayerNorm(8) -> "fc{i}": Linear(8) -> GELU) }\n'
        "    y = h -> head: Linear(2)\n}",
        ["def __init__(self, depth: int = 4)", 'self.add_module(f"fc{i}", nn.Linear(8, 8))', "for i in range(self.depth):"],
        ["fc1"],
    ),
    "state_and_a_list_in_a_loop": (
        "network Net(x: float[N, 6, 8]) -> y {\n"
        "    h = zeros([x.batch, 8])\n    c = h\n    out = []\n"
        "    for t in range(x.shape[1]) {\n"
        "        c = c + x[:, t]\n        h = tanh(h + c)\n        out = out + [h]\n    }\n"
        "    out -> Stack(1)\n}",
        ["c = h", "for t in range(x.shape[1]):", "hs.append(h)", "torch.stack(hs, dim=1)"],
        ["x[:, 1]"],
    ),
    "positions_in_a_loop": (
        "block Steps(n) {\n    y = x\n    for i in range(n) { y = y + (y -> Linear(4) -> ReLU) }\n    y\n}\n"
        "network Net(x: float[N, 4]) -> y { x -> Steps(3) -> Steps(5) }",
        ["for i in range(self.n):", 'self[f"{2 * i}"](x)', "Steps(4, 5)"],
        ["class Steps2"],
    ),
    "names_in_a_loop": (
        "network Net(i: float[N, 6, 8], t: float[N, 8]) -> y {\n"
        "    h = i[:, 0]\n"
        "    for k in range(i.shape[1] - 1) { a = tanh(h) * t\n        h = h * a + i[:, k + 1] }\n    y = h + t\n}",
        ["for k in range(i.shape[1] - 1):"],
        [],
    ),
    "positions_behind_a_loop": (
        "network Net(x: float[N, 4], depth = 5) -> y {\n"
        "    y = x\n    repeat depth { y = y + (y -> Linear(4) -> ReLU) }\n    y = y -> Linear(2)\n}",
        ["def __init__(self, depth: int = 5)", 'self.add_module(f"{2 * depth}"', 'self[f"{2 * self.depth}"](x)'],
        [],
    ),
    "labels_with_a_parameter": (
        'block Unit(width, index, n) { for i in range(n) { "block{index}-{i}": Conv(width, 1) -> ReLU } }\n'
        'block Named(width, name) { y = x -> "{name}_fc": Conv(width, 1)\n    y + (y -> "{name}{width}": Conv(width, 1)) }\n'
        "network Net(x: float[N, 3, 8, 8]) -> y {\n"
        '    x -> Unit(4, 0, 2) -> Unit(6, 1, 3) -> Named(4, "left") -> Named(5, "right")\n}',
        [
            '(f"block{index}-{i}", nn.Conv2d(in_channels if i == 0 else width, width, 1))', 'f"{2 * i + 1}"',
            'self.add_module(f"{name}_fc"', 'getattr(self, f"{self.name}{self.width}")(y)',
        ],
        ["class Unit2", "class Named2"],
    ),
    "positions_behind_loops": (
        "block Unit(w, n, m) {\n    repeat n { Add { Conv(x.channels, 3, padding=1) | Identity } } -> Conv(w, 1)\n"
        "    -> repeat m { x + (x -> Conv(w, 1) -> ReLU) } -> Conv(w, 1)\n}\n"
        "network Net(x: float[N, 3, 8, 8]) -> y { x -> Unit(4, 3, 2) -> Unit(6, 4, 5) -> Unit(3, 5, 3) }",
        ['f"{3 * n}"', 'f"{3 * n + 2 * i + 1}"', 'self[f"{3 * self.n + 2 * self.m + 1}"](x)'],
        ["class Unit2"],
    ),
    "labels_that_are_not_even": (
        "network Net(x: float[N, 8], depth = 3) -> y {\n"
        '    y = x\n    for i in range(depth) { y = y + (y -> "fc{2 ** i}": Linear(8)) }\n    y\n}',
        ["for i in range(depth):", 'self.add_module(f"fc{2**i}", nn.Linear(8, 8))'],
        ["fc4"],
    ),
    "loop_that_begins_at_one": (
        "network Net(x: float[N, 8]) -> y {\n"
        '    h = x -> fc0: Linear(8)\n    for i in range(1, 7) { h = h + (h -> "fc{i}": Linear(8) -> GELU) }\n    h\n}',
        ["for i in range(1, 7):", 'self.add_module(f"fc{i}", nn.Linear(8, 8))', 'getattr(self, f"fc{i}")(h)'],
        [],
    ),
    "widths_of_a_loop_that_begins_at_three": (
        'block Rise(end) { for i in range(3, end) { "fc{i}": Linear(8 * i) } -> last: Linear(4) }\n'
        "network Net(x: float[N, 5]) -> y { x -> Rise(9) -> Rise(8) }",
        ["in_features if i == 3 else 8 * (i - 1), 8 * i", "nn.Linear(8 * (end - 1), 4)"],
        ["class Rise2"],
    ),
    "loop_with_a_variable_called_as_the_number_of_a_turn": (
        "block Rise(begin, end) {\n    h = x\n"
        '    for i in range(begin, end) { h = h + (h -> "fc{i - begin}": Linear(8) -> ReLU) }\n    h\n}\n'
        "network Net(x: float[N, 8]) -> y { x -> Rise(2, 9) -> Rise(3, 9) }",
        ["for i in range(begin, end)", 'f"fc{i - begin}"', "range(self.begin, self.end)"],
        ["class Rise2"],
    ),
    "identity_before_what_is_added": (
        "block Unit(width, stride = 1) {\n    Add {\n"
        "        if stride != 1 or x.channels != width { skip: Conv(width, 1, stride=stride) }\n"
        "      | conv: Conv(width, 3, stride=stride, padding=1)\n    }\n}\n"
        "block Stage(width, depth) { Unit(width, 2) -> repeat depth - 1 { Unit(width) } }\n"
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Stage(4, 2) -> Stage(6, 4) -> Stage(8, 6) }",
        ["*[Unit(width, width) for _ in range(depth - 1)]"],
        ["class Stage2", "class UnitStage"],
    ),
    "first_turn_that_widens": (
        "block Unit(width, stride) {\n    Add {\n"
        "        if stride != 1 or x.channels != width { skip: Conv(width, 1, stride=stride) }\n"
        "      | conv: Conv(width, 3, stride=stride, padding=1)\n    }\n}\n"
        'block Stage(width, depth) { for i in range(depth) { "unit{i}": Unit(width, if i == 0 { 2 } else { 1 }) } }\n'
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Stage(4, 2) -> Stage(6, 4) -> Stage(8, 6) }",
        ["Unit(in_channels if i == 0 else width, width, 2 if i == 0 else 1)", "for i in range(depth)"],
        ["class Stage2", "class UnitStage"],
    ),
    "a_loop_that_some_run_and_some_do_not": (
        "block Stack(width, n) { Conv(width, 1) -> repeat n { Conv(2 * width, 1) -> ReLU } -> Conv(5, 1) }\n"
        "block Listed(widths) { for w in widths { Conv(w, 1) -> ReLU } -> Conv(5, 1) }\n"
        "network Net(x: float[N, 3, 8, 8]) -> y {\n"
        "    x -> Stack(4, 0) -> Stack(6, 3) -> Stack(6, 1) -> Listed([]) -> Listed([4, 6])\n}",
        ["2 * width if n > 0 else width", "widths[-1] if widths else in_channels", "Stack(3, 4, 0)", "Listed(5, ())"],
        ["class Stack2", "class Listed2"],
    ),
    "a_loop_that_runs_once_everywhere": (
        "block Unit(w) { Conv(w, 1) -> ReLU }\nblock Stack(w, n) { repeat n { Unit(w) } }\n"
        "block Rise(w, n) { for i in range(n) { Conv(w * (i + 1), 1) -> Tanh } }\n"
        "network Net(x: float[N, 3, 8, 8]) -> y { x -> Stack(4, 1) -> Rise(6, 1) -> Stack(5, 1) }",
        ["Unit(in_channels if i == 0 else w, w) for i in range(n)", "in_channels if i == 0 else w * i, w * (i + 1)"],
        [],
    ),
    "a_loop_that_runs_once_and_decides": (
        "block Unit(w) { Add { if x.channels != w { skip: Conv(w, 1) } | conv: Conv(w, 3, padding=1) } }\n"
        "block Stack(w, n) { repeat n { Unit(w) } }\n"
        "network Net(x: float[N, 3, 8, 8]) -> y { x -> Stack(4, 1) -> Stack(6, 1) }",
        ["def __init__(self, in_channels: int, w: int)", "Stack(3, 4)", "super().__init__(Unit(in_channels, w))"],
        ["range"],
    ),
    "a_loop_that_makes_no_layer": (
        "block Unit(widths, n) {\n    ws = widths\n    repeat n { ws = ws + [1] }\n    Conv(sum(ws), 1)\n}\n"
        "network Net(x: float[N, 3, 8, 8]) -> y { x -> Unit([1, 2], 2) -> Unit([3], 2) }",
        ["sum(widths + (1,) + (1,))"],
        ["in ()", "range"],
    ),
    "a_list_that_grows": (
        "block Unit(widths) {\n    ws = widths\n    repeat 9 { ws = ws + ws }\n    Conv(sum(ws), 1)\n}\n"
        "network Net(x: float[N, 3, 8, 8], w = 2) -> y {\n    ws = [w, 3]\n    repeat 4 { ws = ws + ws }\n"
        "    x -> Unit([1, 2]) -> Conv(4, 1) -> Unit([1, 1, 1]) -> for c in ws { Conv(c, 1) }\n}",
        ["nn.Conv2d(in_channels, 1536, 1)", "def __init__(self) -> None:\n        super().__init__("],
        ["widths + widths"],
    ),
    "lists_of_as_many_as_a_parameter_says": (
        "block Taps(width, n) {\n    fs = []\n    for i in range(n) { fs = fs + [x -> Conv(width * (i + 1), 1)] }\n"
        "    fs -> Concat -> Conv(width, 1)\n}\n"
        "block Dense(width, n) {\n    fs = [x]\n"
        "    for i in range(n) { f = fs -> Concat -> Conv(width, 1)\n        fs = fs + [f] }\n"
        "    fs -> Concat -> Conv(3, 1)\n}\n"
        "network Net(x: float[N, 3, 8, 8]) -> y { x -> Taps(4, 2) -> Taps(6, 4) -> Dense(3, 3) -> Dense(4, 2) }",
        ["sum(width * (i + 1) for i in range(n))", "in_channels + i * width, width", "in_channels + n * width, 3"],
        ["class Taps2", "class Dense2"],
    ),
    "some_of_a_list_that_turns_give": (
        "block Some(width, n) {\n    fs = []\n    for i in range(n) { fs = fs + [x -> Conv(width, 1)] }\n"
        "    [fs[0], fs[1], fs[n - 1]] -> Concat -> Conv(width, 1)\n}\n"
        "network Net(x: float[N, 3, 8, 8]) -> y { x -> Some(4, 5) -> Some(2, 5) }",
        ["nn.Conv2d(3 * width, width, 1)"],
        [],
    ),
    "a_skip_that_is_an_identity_by_its_sizes": (
        "block Unit(w, s = 1) {\n    Add { if s != 1 or x.channels != w { down: Conv(w, 1, stride=s) }\n"
        "        | conv1: Conv(w, 3, stride=s, padding=1) -> ReLU }\n}\n"
        "block Stage(w, n, index) {\n"
        '    for i in range(n) { "unit{i + 1}": Unit(w, if i == 0 and index > 0 { 2 } else { 1 }) }\n}\n'
        "network Net(x: float[N, 4, 16, 16]) -> y { x -> Stage(4, 2, 0) -> Stage(8, 1, 1) -> Stage(6, 3, 2) }",
        ["Unit(in_channels if i == 0 else w, w, s=2 if i == 0 and index > 0 else 1)"],
        ["class Stage2"],
    ),
    "list_that_is_written_out": (
        "network Net(x: float[N, 8]) -> y {\n    y = x\n    widths = [8, 4, 6]\n"
        '    for i in range(3) { y = y -> "fc{2 ** i}": Linear(widths[i] + sum(widths[:i])) }\n'
        '    for i in range(3) { y = y -> "out{2 ** i}": Linear(widths[i] * len(widths)) }\n    y\n}',
        ["self.fc2 = nn.Linear("],
        ["(8, 4, 6)["],
    ),
    "list_of_a_loop_around": (
        "block Fire(width) { Conv(width, 1) -> ReLU -> Conv(2 * width, 3, padding=1) }\n"
        "network Net(x: float[N, 3, 16, 16]) -> y {\n    x -> features: {\n"
        "        for stage in [[4, 4, 8], [8, 12, 12, 16]] { MaxPool(2) -> for width in stage { Fire(width) } }\n    }\n}",
        ["Fire(3, 4)", "Fire(8, 4)", "Fire(24, 16)"],
        ["[i - 1]"],
    ),
    "choice_of_the_same": (
        "network Net(x: float[N, 8, 9, 9]) -> y {\n    x -> for k in range(2) {\n"
        '        "s{k}": for i in range(5) { Conv(8, 3, stride=if i == 0 { [1, 2][k] } else { 1 }, padding=1) }\n    }\n}',
        ["stride=2 if i == 0 else 1"],
        ["1 if i == 0 else 1"],
    ),
    "several_conditions_of_a_loop_that_is_written_out": (
        "network Net(x: float[N, 8]) -> y {\n    y = x\n"
        '    for i in range(3) { y = y -> "fc{2 ** i}": Linear(if i > 0 and i < 2 or i == 2 { 8 } else { 4 }) }\n    y\n}',
        ["self.fc1 = nn.Linear(8, 4)", "self.fc2 = nn.Linear(4, 8)", "self.fc4 = nn.Linear(8, 8)"],
        [" if ", " and ", " or "],
    ),
    "ones_of_a_size": (
        "network Net(x: float[N, 8, 4, 4], widths = [4, 6]) -> y {\n"
        "    x -> for width in widths { Conv(width, 1) } -> GlobalAvgPool -> Flatten -> Linear(3)\n}",
        ["nn.Linear(widths[-1], 3)"],
        ["* 1"],
    ),
    "conditions_of_a_loop_that_is_written_out": (
        "network Net(x: float[N, 8]) -> y {\n"
        '    y = x\n    for i in range(3) { y = y -> "fc{2 ** i}": Linear(if i == 1 { 8 } else { 4 }) }\n    y\n}',
        ["self.fc2 = nn.Linear(4, 8)", "self.fc4 = nn.Linear(8, 4)"],
        [" if ", "=="],
    ),
    "loops_in_loops_of_a_chain": (
        "network Net(x: float[N, 3, L = 16], stacks = 3, depth = 4, width = 8) -> y {\n    x -> for s in range(stacks) {\n"
        "        for d in range(depth) { Conv(width, 3, dilation=2 ** d, padding=2 ** d) -> ReLU }\n    }\n}",
        [
            "for s in range(stacks)\n                for d in range(depth)\n",
            "nn.Conv1d(\n                        3 if s == 0 and d == 0 else width, width, 3, padding=2**d, dilation=2**d",
        ],
        ["dilation=2,"],
    ),
    "loops_in_loops_of_stages": (
        "network Net(image: float[N, 3, 32, 32], depths = [3, 4, 6], width = 8) -> y {\n    h = image\n"
        "    for i, depth in enumerate(depths) {\n"
        '        h = h -> "down{i}": Conv(width * 2 ** i, 2, stride=2)\n'
        '        for d in range(depth) { h = h + (h -> "stage{i}_{d}": Conv(width * 2 ** i, 1)) }\n    }\n'
        "    y = h -> GlobalAvgPool -> Flatten -> head: Linear(10)\n}",
        [
            "            for d in range(depth):\n                self.add_module(f\"stage{i}_{d}\", nn.Conv2d(",
            'h = getattr(self, f"down{i}")(h)\n            for d in range(depth):\n',
            "self.head = nn.Linear(width * 2 ** (len(depths) - 1), 10)",
        ],
        ["h2", "stage0_1"],
    ),
    "list_of_what_loops_in_loops_give": (
        "network Net(x: float[N, 8, L = 16], stacks = 3, depth = 5) -> y {\n    h = x\n    skips = []\n"
        "    for s in range(stacks) {\n        for d in range(depth) {\n"
        '            r = h -> "conv{s}_{d}": Conv(8, 3, padding=1) -> Tanh\n'
        "            skips = skips + [r]\n            h = h + r\n        }\n    }\n    y = h + (skips -> Add)\n}",
        ["        rs = []\n        for s in range(self.stacks):\n            for d in range(self.depth):\n", "sum(rs)"],
        ["conv0_1"],
    ),
    "list_in_each_turn": (
        "network Net(x: float[N, 8, L = 16], stacks = 3) -> y {\n    h = x\n    for s in range(stacks) {\n"
        '        parts = [h -> "a{s}_{i}": Conv(8, 1) -> Tanh for i in range(4)]\n'
        "        h = (parts -> Add) + h\n    }\n    y = h\n}",
        ['results = [torch.tanh(getattr(self, f"a{s}_{i}")(h)) for i in range(4)]'],
        [],
    ),
    "what_a_turn_begins_with_behind_a_loop_in_it": (
        "network Net(x: float[N, 4, L = 16]) -> y {\n    h = x\n    for s in range(3) {\n        r = h\n"
        "        for i in range(5) { h = h -> Conv(4, 3, padding=1) -> ReLU }\n        h = h + r\n    }\n    y = h\n}",
        ["h2 = h\n            for i in range(5):", "h = h2 + h"],
        [],
    ),
    "loops_of_lengths_that_differ": (
        "network Net(x: float[N, 8, 32, 32], depths = [3, 4, 6]) -> y {\n    y = x\n    for depth in depths {\n"
        "        y = y -> MaxPool(2)\n        for d in range(depth) { y = y + (y -> Conv(8, 3, padding=1)) }\n    }\n}",
        ["for d in range(6):", 'self[f"{d + 10}"](y)'],
        ['self["3"]'],
    ),
    "loops_in_loops_of_one_turn": (
        "block Unit(m = 1, n = 3) { repeat n { for i in range(m) { Conv(m * 4, 3, padding=1) -> ReLU } }"
        " -> Add { Conv(x.channels, 1) | Identity } }\n"
        "network Net(x: float[N, 3, 8, 8]) -> y { x -> Unit(m=1, n=1) -> Unit(m=2, n=1) -> Unit(m=1, n=3) }",
        ["nn.Conv2d(in_channels if j == 0 and i == 0 else m * 4, m * 4, 3, padding=1)"],
        ["class Unit2"],
    ),
    "size_of_what_the_last_turn_names": (
        "network Net(x: float[N, 3, 8, 8], widths = [4, 8, 6, 5, 3]) -> y {\n    h = x\n"
        '    for i, width in enumerate(widths) { h = h -> "conv{i}": Conv(width, 1) }\n'
        "    y = h -> GlobalAvgPool -> Flatten -> head: Linear(10)\n}",
        ["self.head = nn.Linear(widths[-1], 10)"],
        [],
    ),
    "layers_beside_numbers_that_name_blocks": (
        "network Base(x: float[N, 3, 16, 16]) -> y { x -> Conv(4, 3) -> ReLU -> repeat 4 { Conv(4, 3) } }\n"
        "block Unit(k) { Linear(k) -> Linear(4) }\n"
        "network Net(x: float[N, 3, 16, 16], v: float[N, 4]) -> y {\n    shared f = Base\n    a = x -> f\n    h = v\n"
        "    for k, conv in zip([1, 2, 3, 4, 5], layers(f, Conv)) {\n"
        '        h = h + (v * mean(conv.weight) -> "u{k}": Unit(k))\n    }\n    y = h + mean(a)\n}',
        ["for k in (1, 2, 3, 4, 5):\n            self.add_module", "for k, conv in zip((1, 2, 3, 4, 5), layers_of("],
        [],
    ),
    "sum_that_begins_as_a_number": (
        "network Net(x: float[N, 8, L = 16], n = 6, m = 3) -> y, z {\n    h = x\n    total = 0\n    for s in range(m) {\n"
        "        product = 0.5\n        for i in range(n) {\n"
        '            h = h -> "a{s}_{i}": Conv(8, 1) -> Tanh\n            total = total + mean(h, 2)\n'
        "            product = product * h\n        }\n        h = h + product\n    }\n    y = total / n\n    z = h\n}",
        [
            "total = 0\n        h = x\n        for s in range(self.m):\n            product = 0.5\n            for i in",
            "total = total + h.mean(dim=2)", "product = product * h", "h = h + product", "total / self.n",
        ],
        ["a0_0"],
    ),
    "loop_in_what_a_loop_makes": (
        "network Net(x: float[N, 4, L = 16], n = 3, w = 4, d = 5) -> y {\n    h = x\n"
        '    for i in range(n) { h = h -> "a{i}": { repeat d { Conv(w * (i + 1), 1) -> ReLU } } }\n    y = h\n}',
        ["for j in range(d)", "(4 if i == 0 else w * i) if j == 0 else w * (i + 1), w * (i + 1), 1"],
        [],
    ),
    "number_and_list_in_each_turn": (
        "network Net(x: float[N, 8, L = 16], n = 6, m = 3) -> y {\n    h = x\n    fs = []\n    for s in range(m) {\n"
        "        total = 0.5\n"
        '        for i in range(n) {\n            h = h -> "a{s}_{i}": Conv(8, 1)\n'
        "            total = total * h\n        }\n        h = h + total\n        fs = fs + [h]\n    }\n"
        "    y = fs -> Concat\n}",
        ["total = 0.5\n            for i in range(self.n):", "hs.append(h)", "torch.cat(hs, dim=1)"],
        [],
    ),
    "long_choice_in_a_choice": (
        "network Net(x: float[N, 4, L = 16], count = 3, channels = 4, depth = 5) -> y {\n"
        "    h = [x, x -> first: Conv(channels, 1)] -> Concat\n    for i in range(count) {\n"
        '        h = h -> "a{i}": { repeat depth { Conv(channels * (i + 1), 3, padding=1, bias=false) -> ReLU } }\n    }\n'
        "    y = h\n}",
        ["(channels + 4 if i == 0 else channels * i)\n"],
        [],
    ),
}  # fmt: skip
"""A spec, what its source must say, and what it must not."""
