"""Specs whose blocks have parameters, conditions and sizes, and what classes of generated source say of them."""

from __future__ import annotations

BLOCKS: dict[str, tuple[str, list[str], list[str]]] = {
    "expression_of_the_author": (
        "block Widen(a, b) { Conv(a, 3, padding=1) -> Conv(b + 2, 1) }\n"
        "network Net(x: float[N, 3, 16, 16]) -> y { x -> Widen(4, 6) -> Widen(8, 14) }",
        ["def __init__(self, in_channels: int, a: int, b: int)", "nn.Conv2d(a, b + 2, 1)"],
        ["2 * a"],
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
    "levels_of_the_path_alone": (
        "network Net(x: float[N, 3, 16, 16]) -> y {\n"
        "    x -> up: { inner: { conv: Conv(4, 3) -> norm: BatchNorm } } -> out: { last: Conv(1, 1) -> ReLU }\n}",
        ["OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4))", '("last", nn.Conv2d(4, 1, 1)), ("1", '],
        ['("conv"'],
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
    "settings_of_a_network": (
        "network Net(x: float[N, 3, 16, 16], depth = 3, deep = true, classes = 10) -> y {\n"
        "    x -> repeat depth { Conv(4, 3, padding=1) -> ReLU } -> if deep { last: Conv(4, 1) }\n"
        "    -> GlobalAvgPool -> Flatten -> fc: Linear(classes)\n}",
        ["def __init__(self, depth: int = 3, classes: int = 10)", "nn.Linear(4, classes)"],
        ["deep"],
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
    "parts_of_sizes_that_are_written": (
        "block Unit(width) {\n    kept, half = x -> Split([width // 2, width // 2])\n"
        "    [kept, half -> conv: Conv(width // 2, 3, padding=1)] -> Concat\n}\n"
        "network Net(x: float[N, 4, 8, 8]) -> y { x -> Unit(4) -> Conv(8, 1) -> Unit(8) -> repeat 3 { Unit(8) } }",
        ["nn.Conv2d(width // 2, width // 2, 3", "Unit(8) for _ in range(3)"],
        ["class Unit2"],
    ),
}  # fmt: skip
"""A spec, what its source must say, and what it must not."""
