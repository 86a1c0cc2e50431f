"""What the classes of generated source say: the author's own expressions, each parameter that a call gives, one layer for
one layer. Each spec is one in which a class that is guessed from numbers went wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from dlspec.backends.torch import source
from dlspec.backends.verify import verify
from dlspec.ir.types import DType
from dlspec.passes.retype import with_dtype
from dlspec.pipeline import elaborate, open_source
from dlspec.source import Source

# A spec, what its source must say, and what it must not.
CASES: dict[str, tuple[str, list[str], list[str]]] = {
    "expression_of_the_author": (
        "block Widen(a, b) { Conv(a, 3, padding=1) -> Conv(b + 2, 1) }\n"
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Widen(4, 6) -> Widen(8, 14) }",
        ["def __init__(self, in_channels: int, a: int, b: int)", "nn.Conv2d(a, b + 2, 1)"],
        ["2 * a"],
    ),
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
    "parameters_of_one_value": (
        'block Same(width, kernel) { Conv(width, kernel, padding="same") -> ReLU }\n'
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Same(3, 3) -> Same(5, 5) }",
        ["nn.Conv2d(in_channels, width, kernel,", "Same(3, 3, 3)", "Same(3, 5, 5)"],
        ["width, width"],
    ),
    "parameter_that_no_call_gives": (
        "block Unit(width, kernel = 3, groups = 1) { Conv(width, kernel, padding=kernel // 2, groups=groups) }\n"
        "network Net(x: float[N, 4, 16, 16]) -> y { x -> Unit(8) -> Unit(8, groups=2) }",
        ["def __init__(self, in_channels: int, width: int, groups: int = 1)", "width, 3, padding=1, groups=groups"],
        ["kernel"],
    ),
    "condition_that_always_holds": (
        "block Unit(width, gate: layer = none) {\n"
        "    inner = if gate == none { 2 * width } else { width }\n    Conv(inner, 3) -> Conv(width + inner, 1)\n}\n"
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Unit(4) -> Unit(6) }",
        ["inner = 2 * width\n", "nn.Conv2d(inner, width + inner, 1)"],
        [" if "],
    ),
    "conditions_that_hold_together": (
        "block Unit(w, a: bool, b: bool) { Conv(w, 1) -> if a { Conv(w, 3) } -> { x * 2 } -> if b { Conv(w, 5) } }\n"
        "network Net(x: float[N, 3, 32, 32]) -> y {\n"
        "    x -> Unit(4, true, true) -> Unit(5, false, false) -> Unit(6, true, true)\n}",
        ["w: int, a: bool, b: bool)", "if self.a:", "if self.b:"],
        [],
    ),
    "fewer_turns_are_no_condition": (
        "block Unit(w, n = 3, flag: bool = true) {\n"
        "    if flag { for i in range(n) { Conv(w * (i + 1), 1) -> ReLU } } -> { x * (w / 8) }\n}\n"
        "network Net(x: float[N, 3, 8, 8]) -> y {\n"
        "    x -> Unit(6, 2) -> Unit(6) -> Unit(4, 4) -> Unit(4, 2, flag=false)\n}",
        ["flag: bool"],
        ["flag2"],
    ),
    "heads_that_are_split_and_joined": (
        "block Attention(heads) {\n"
        "    q, k, v = x -> qkv: Linear(3 * x.features) -> Chunk(3, dim=-1)\n"
        '    split = [rearrange(t, "b n (h d) -> b h n d", h=heads) for t in [q, k, v]]\n'
        "    scaled_dot_product_attention(split[0], split[1], split[2], is_causal=true)\n"
        '    -> Rearrange("b h n d -> b n (h d)") -> proj: Linear(x.features)\n}\n'
        "block Layer(heads) {\n"
        "    x -> Add { norm1: LayerNorm -> attn: Attention(heads) | Identity }\n"
        "    -> Add { norm2: RMSNorm -> fc1: Linear(4 * x.features) -> GELU -> fc2: Linear(x.features) | Identity }\n}\n"
        "network Net(x: float[N, T, 8]) -> y { x -> Layer(2) -> Layer(4) }",
        ["Attention(in_features, heads)", "nn.RMSNorm(in_features)", "nn.Linear(4 * in_features, in_features)"],
        ["Attention2", "Layer2"],
    ),
    "sizes_of_attention_and_recurrence": (
        "block Reads(width, layers = 1) {\n"
        "    y, h = x -> GRU(width, num_layers=layers, batch_first=true, bidirectional=true)\n"
        "    y, w = y -> attn: MultiheadAttention(2, batch_first=true, need_weights=true)\n"
        "    y -> proj: Linear(width)\n}\n"
        "network Net(x: float[N, T, 6]) -> y { x -> Reads(4) -> Reads(6, 2) }",
        ["nn.Linear(2 * width, width)", "nn.MultiheadAttention(2 * width, 2", "Reads(4, 6, layers=2)"],
        ["Reads2"],
    ),
    "condition_that_no_name_says": (
        "block B() { if x.rank <= 2 { Reshape([-1]) } -> Slice(0, 1, 2) }\n"
        "network Net(x: float[5, 2, 4], z: float[2, 3]) -> a, b { a = z -> B -> ReLU\n b = x -> B -> Tanh }",
        ["x.reshape(-1)"],
        ["if self."],
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
    "levels_of_the_path_alone": (
        "network Net(x: float[N, 3, 16, 16]) -> y {\n"
        "    x -> up: { inner: { conv: Conv(4, 3) -> norm: BatchNorm } } -> out: { last: Conv(1, 1) -> ReLU }\n}",
        ["OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4))", '("last", nn.Conv2d(4, 1, 1)), ("1", '],
        ['("conv"'],
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
    "constant_of_each_rank": (
        "block Scale {\n    shape = [x.channels] + [1] * (x.rank - 2)\n    param gamma: float[x.channels] = normal(0, 1)\n"
        "    x * reshape(gamma, shape)\n}\n"
        "network Net(x: float[N, 3, 4, 5], v: float[N, 3, 2, 4, 5]) -> y, z {\n"
        "    y = x -> scale: Scale\n    z = v -> deep: Scale\n}",
        ["shape = (in_channels,) + (1, 1)\n", "shape = (in_channels,) + (1, 1, 1)\n"],
        [],
    ),
    "name_of_what_is_used_several_times": (
        "block Unit(width) { Conv(width, 3, padding=1) -> BatchNorm -> Tanh }\n"
        "network Net(x: float[N, 3, 16, 16]) -> y {\n"
        '    nodes = [x -> "node{i}": Unit(4) for i in range(2)]\n'
        "    one = [nodes[0], nodes[1]] -> Concat -> one: Unit(2)\n"
        "    [nodes[1], one, nodes[0]] -> Concat -> last: Unit(1)\n}",
        ["node0 = self.node0(x)", "node1 = self.node1(x)", "torch.cat([node1, one, node0], dim=1)", "return self.last("],
        [" last = self.last("],
    ),
    "layer_parameter_named_as_a_function": (
        "block Unit(width, norm: layer = InstanceNorm) { Conv(width, 3) -> norm -> ReLU }\n"
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Unit(8) -> Unit(9) }",
        ["class Unit(nn.Sequential)", "nn.InstanceNorm2d(width)"],
        ["F.instance_norm"],
    ),
    "sizes_of_a_tensor_that_are_open": (
        "block Half(width) { PadTo([2 * ceil(size / 2) + 1 for size in x.spatial]) -> Conv(width, 3, stride=2) -> ReLU }\n"
        "network Net(x: float[N, 3, H = 32, W = 32]) -> y { x -> Half(8) -> Half(8) -> Half(8) }",
        ["class Half(", "[2 * math.ceil(size / 2) + 1 for size in x.shape[2:]]"],
        [],
    ),
    "weight_beside_an_open_size": (
        "block Table {\n    param table: float[4] = 0\n    (x -> Unflatten(1, [x.shape[1] // 5, 5])) + table\n}\n"
        "network Net(x: float[N, H, 4], H = 10) -> y { x -> Table }".replace(", H = 10", ""),
        ["x.unflatten(1, (x.shape[1] // 5, 5)) + self.table"],
        [],
    ),
    "tensor_that_is_still_needed": (
        "network Net(a: float[N, F = 5], b: float[N, 6]) -> first, second {\n"
        "    first = b -> { x * 0.5 + 1 }\n    second = a -> repeat 2 { GELU -> LayerNorm(elementwise_affine=false) }\n}",
        ["first = x + 1", "return first, F.layer_norm(x, x.shape[-1:])"],
        [],
    ),
    "shared_layer_of_two_ranks": (
        "network Net(i: float[N, 2, 10, 8]) -> p, q {\n    shared s = AvgPool(2)\n    p = i -> s\n    q = i[:, 0] -> s\n}",
        ["F.avg_pool2d(i, 2)", "F.avg_pool1d(x, 2)"],
        ["self.s"],
    ),
    "shared_block_of_two_ranks": (
        "block Pool { AvgPool(2) -> { x * 2 } }\n"
        "network Net(i: float[N, 2, 10, 8]) -> p, q {\n    shared s = Pool\n    p = i -> s\n    q = i[:, 0] -> s\n}",
        ["avg_pool2d", "avg_pool1d"],
        [],
    ),
    "constant_in_a_buffer": (
        "block Bias {\n    param table: float[2, 2] = normal()\n    matmul(table, tensor([[1.0, 2.0], [3.0, 4.0]]))\n}\n"
        "network Net(x: float[N, 2, 2]) -> y { x + (x -> bias: Bias) }",
        ['self.register_buffer(', "persistent=False", "self.table @ self.constant"],
        ["device="],
    ),
    "large_table_is_one_line": (
        "network Net(x: float[N, 49]) -> y {\n"
        "    matmul(x, tensor([[a * b / 7 for b in range(49)] for a in range(49)])) -> Linear(3)\n}",
        ["[[a * b / 7 for b in range(49)] for a in range(49)]", "persistent=False"],
        [],
    ),
    "the_networks_own_float": (
        'network Net(t: int[N]) -> y { unsqueeze(cast(t, "float"), 1) -> fc: Linear(3) }',
        ["self.parameters()).dtype"],
        ["torch.float32"],
    ),
    "condition_that_differs": (
        "block Down(width, stride = 1) {\n"
        "    Add {\n        conv: Conv(width, 3, stride=stride, padding=1)\n"
        "      | if stride != 1 or x.channels != width { skip: Conv(width, 1, stride=stride) }\n    }\n"
        "}\nnetwork Net(x: float[N, 3, 16, 16]) -> y { x -> Down(4) -> Down(4) -> Down(8, stride=2) }",
        ["if stride != 1 or in_channels != width"],
        [],
    ),
    "loop_is_a_loop": (
        "block Stack(width, depth) { repeat depth { Conv(width, 3, padding=1) -> ReLU } }\n"
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Stack(4, 3) -> Stack(6, 5) }",
        ["for i in range(depth)", "in_channels if i == 0 else width"],
        [],
    ),
    "settings_of_a_network": (
        "network Net(x: float[N, 3, 16, 16], depth = 3, deep = true, classes = 10) -> y {\n"
        "    x -> repeat depth { Conv(4, 3, padding=1) -> ReLU } -> if deep { last: Conv(4, 1) }\n"
        "    -> GlobalAvgPool -> Flatten -> fc: Linear(classes)\n}",
        ["def __init__(self, depth: int = 3, classes: int = 10)", "nn.Linear(4, classes)"],
        ["deep"],
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
    "a_name_for_a_long_expression": (
        "block Gate {\n    part = x.channels // 4\n    near = max(8, (part + 4) // 8 * 8)\n"
        "    width = if near < 0.9 * part { near + 8 } else { near }\n"
        "    Mul { Identity | fc1: Conv(width, 1) -> ReLU -> fc2: Conv(x.channels, 1) }\n}\n"
        "network Net(x: float[N, 3, 4, 4]) -> y { x -> Conv(64, 1) -> Gate -> Conv(240, 1) -> Gate }",
        ["nn.Conv2d(width, in_channels, 1)"],
        ["class Gate2"],
    ),
    "a_size_that_is_said_again": (
        "block Normed(width) { Conv(width, 1) -> { permute(x, [0, 2, 3, 1]) } -> LayerNorm(width) -> Linear(2 * width) }\n"
        "network Net(x: float[N, 3, 4, 4]) -> p, q {\n    p = x -> Normed(4)\n    q = x -> Normed(6)\n}",
        ["nn.Linear(width, 2 * width)"],
        ["class Normed2"],
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
        ['f"{3 * n}"', 'f"{3 * n + 2 * i + 1}"', 'self[f"{3 * self.n + 2 * self.m + 1}"](y)'],
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
    "a_size_of_what_only_a_name_has": (
        "block Side(w, other: tensor) {\n    h = x -> Conv(w, 1)\n"
        "    c = h -> branch: { width = x.channels\n"
        "        other -> Conv(2 * width, 1) -> ReLU -> Conv(width, 1) }\n    [x, c] -> Concat -> Conv(w, 1)\n}\n"
        "block Given(w, other: tensor) {\n    h = x -> Conv(w, 1)\n"
        "    c = other -> branch: { width = x.channels\n"
        "        h -> Conv(2 * width, 1) -> ReLU -> Conv(width, 1) }\n    [x, c] -> Concat -> Conv(other.channels, 1)\n}\n"
        "network Net(x: float[N, 3, 8, 8]) -> y {\n    x -> Conv(4, 1) as t -> ReLU -> Side(4, t) -> Side(5, x)\n"
        "    -> Given(4, t) -> Given(5, x)\n}",
        ["2 * w, 1), nn.ReLU(inplace=True), nn.Conv2d(2 * w, w, 1)", "nn.Conv2d(w, 2 * other_channels, 1)"],
        ["class Side2", "class Given2"],
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
    "numbers_of_functions": (
        "block Noise(std, top, v, least) {\n    clamp(x, min=least) + normal([x.batch, x.channels], mean=0.0, std=std)\n"
        "    + uniform([x.batch, 1], 0, top) * full([1, 1], v)\n}\n"
        "network Net(x: float[N, 8]) -> y: training, z {\n    y = x -> Noise(0.5, 2, 1.5, 0.0) -> Noise(1.0, 1, 2.5, 0.5)\n"
        "    z = x\n}",
        ["self.std * torch.randn(", "self.top * torch.rand(", "torch.full((1, 1), self.v,", "clamp(min=self.least)"],
        ["class Noise2"],
    ),
    "a_size_that_a_reshape_leaves": (
        "block Normed(start = 0.1) {\n    param scale: float[x.channels // 4] = sqrt(2) * 0.5\n"
        "    parts = reshape(x, [x.batch, 2, 2, x.channels // 4, x.height, x.width])\n"
        "    sum(parts, 2, keepdim=true) -> Reshape([x.batch, -1, x.height, x.width]) -> BatchNorm\n}\n"
        "network Net(x: float[N, 8, H = 4, W = 4], w = 12) -> y { x -> Normed -> Conv(w, 1) -> Normed }",
        ["nn.BatchNorm2d(2 * (in_channels // 4))", "math.sqrt(2) * 0.5"],
        ["class Normed2"],
    ),
    "names_of_further_classes": (
        "block Unit(width, norm: layer = BatchNorm, act: layer = ReLU) { Conv(width, 1) -> norm -> act }\n"
        "block Wrapped(width, inside: layer) { inside(width) -> Conv(width, 1) }\nblock Other(width) { Conv(width, 3) }\n"
        "network Net(x: float[N, 3, 8, 8]) -> y {\n    x -> Unit(4) -> Unit(6, norm=InstanceNorm) -> Unit(5, act=GELU)\n"
        "    -> Wrapped(4, Unit) -> Wrapped(5, Other)\n}",
        ["class Unit(", "class InstanceNormUnit(", "class GELUUnit(", "class Wrapped(", "class OtherWrapped("],
        ["2("],
    ),
    "labels_of_texts_that_are_given": (
        'block Tree(w, depth, name) {\n    "{name}_conv": Conv(w, 1) -> if depth > 0 {\n'
        '        Add { Tree(w, depth - 1, "{name}l") | Tree(w, depth - 1, "{name}r") }\n    }\n}\n'
        'network Net(x: float[N, 3, 4, 4]) -> y { x -> Tree(4, 2, "t") }',
        ['Tree(w, w, depth - 1, f"{name}l")', 'Tree(3, 4, 2, "t")'],
        ["class Tree2"],
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
    "parts_of_sizes_that_are_written": (
        "block Unit(width) {\n    kept, half = x -> Split([width // 2, width // 2])\n"
        "    [kept, half -> conv: Conv(width // 2, 3, padding=1)] -> Concat\n}\n"
        "network Net(x: float[N, 4, 8, 8]) -> y { x -> Unit(4) -> Conv(8, 1) -> Unit(8) -> repeat 3 { Unit(8) } }",
        ["nn.Conv2d(width // 2, width // 2, 3", "Unit(8) for _ in range(3)"],
        ["class Unit2"],
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
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_source_says_what_the_author_wrote(name: str, compared: Callable[[str, int], None]) -> None:
    spec, says, not_says = CASES[name]
    program = open_source(Source(f"{name}.dlspec", spec))
    graph = elaborate(program, "Net")
    text = source(graph)
    for part in says:
        assert part in text, text
    for part in not_says:
        assert part not in text, text
    report = verify(graph)
    assert report.faults == []
    compared("values of sources compared with ONNX Runtime", report.compared)


def test_a_graph_of_a_graph_has_the_labels() -> None:
    """Labels that do not rise evenly are known of a graph that a pass made, too."""
    text = (
        "network Net(x: float[N, 8], depth = 2) -> y {\n    y = x\n"
        '    for i in range(depth) { side = 2 ** i\n        y = y + (y -> "fc{side}": Linear(8)) }\n    y\n}'
    )
    graph = elaborate(open_source(Source("labels.dlspec", text)), "Net")
    assert 'f"fc{2**i}"' in source(with_dtype(graph, DType.BFLOAT16))


def test_no_backend_parses_text() -> None:
    backends = Path(__file__).parents[3] / "compiler" / "dlspec" / "backends"
    for path in backends.rglob("*.py"):
        text = path.read_text()
        assert "syntax.parser" not in text, path
