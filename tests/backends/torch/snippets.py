"""Small specs, one for each way in which structure can come about."""

SNIPPETS: dict[str, str] = {
    "names_take_lists_in_lists_apart": """
widths, [count, (first, second)] = [[3, 4], [2, [0.5, 2.0]]]
[narrow, wide], most = [widths, max(widths)]
block Both(width, k) {
    a = x -> fa: Linear(width)
    b = x -> fb: Linear(width)
    [[a, b], a * k]
}
block Swap { [p, q], r = x; [[q, p], r] }
block Middle(width) {
    [p, q], r = x -> Both(width, first)
    for i in range(count) { [p, q], r = [[p + q, q - r], p * r] }
    s, t = x -> Both(width, second) -> Swap -> {
        (c, [d]), e = [[x[0][0], [x[0][1]]], x[1]]
        [c - d, e]
    }
    out = if width > 2 { [y, (h, c)] = [p, [q, r]]; y + h * c } else { p }
    out + s + t
}
network Net(x: float[N, T = 4, 8]) -> out, ys, h {
    out = x -> Middle(narrow) -> Add {
        { [a, b], c = x -> Both(most, 1.0); a + b - c }
      | { [a, b], _ = x -> Both(wide, 1.5); a * b }
    }
    ys = scan token in x along 1 with h = zeros([x.batch, wide]) {
        [a, b], c = token -> cell: Both(wide, 0.5)
        h = tanh(a + h * b - c)
        h
    }
}
""",
    "chain": """
network Net(x: float[N, 3, H = 8, W = 8]) -> y { x -> Conv(4, 3) -> ReLU -> Flatten(2) }
""",
    "a_block_gives_two_tensors_of_which_one_is_used_last": """
block Residual(width, dilation) {
    z = x -> filter: Conv(width, 2, dilation=dilation) -> Tanh
    [(z -> out: Conv(width, 1)) + x[:, :, dilation:], z -> skip: Conv(5, 1)]
}
network Net(x: float[N, 4, T = 40]) -> y where T >= 20 {
    f, a = x -> first: Residual(4, 1)
    f, b = f -> second: Residual(4, 2)
    f, c = f -> third: Residual(4, 4)
    y = a[:, :, 6:] + b[:, :, 4:] + c
}
""",
    "a_sum_of_what_turns_give": """
block Residual(width, dilation) {
    z = x -> conv: Conv(width, 3, padding=dilation, dilation=dilation) -> Tanh
    [z + x, z -> skip: Conv(5, 1)]
}
network Net(x: float[N, 4, T = 12], depth = 4) -> y, z {
    f = x
    skips = []
    for d in range(depth) {
        f, s = f -> "layers.{d}": Residual(4, 2 ** d)
        skips = skips + [s]
    }
    y = skips -> Add -> ReLU
    z = [f, x] -> Add
}
""",
    "nothing_is_computed": """
network Net(x: float[N, 3]) -> y { x }
""",
    "comprehensions_over_tensors": """
network Net(x: float[N, 8, 4], w = 3) -> y, z, v, u, s {
    parts = x -> Split(4)
    y = [p * i -> Linear(w) for i, p in enumerate(parts) if i != 1] -> Concat
    z = stack([sum(p) * i for i, p in enumerate(parts) if i > 1])
    v = stack([sum(p) for p in parts if p.channels > 1])
    u = stack([sum(p) * k for p, k in zip(parts, [3, 5, 7, 9])])
    more = [tanh(p) for p in parts]
    s = sum(stack([sum(a * b) for a, b in zip(parts, more)])) + sum([p * i for i, p in enumerate(more)] -> Concat)
}
""",
    "a_block_that_nothing_uses": """
block Half(width) { fc: Linear(width) -> Tanh }
block Twice(width) { first: Half(width) -> second: Half(width) }
network Net(x: float[N, 8]) -> y {
    unused = x -> dead: Twice(4)
    also = unused -> Half(3)
    x -> Half(5)
}
""",
    "nothing_uses_what_is_computed_of_training": """
block Half(width) { fc: Linear(width) -> Tanh }
network Net(x: float[N, 4], other: float[N, 3]) -> y, same, penalty: training {
    drawn = uniform([x.batch, 1])
    mixed = drawn * x
    left, right = mixed -> Split(2)
    dead = right -> dead: Half(3) -> also: Half(2)
    mixed = drawn * x
    unread = other -> Half(2)
    y = x -> Half(5)
    same = x
    penalty = mean(mixed)
}
""",
    "chosen_by_tensors": """
block Attend(width) {
    scores = matmul(x, transpose(x, 1, 2))
    scores = masked_fill(scores, triu(ones(scores.shape, "bool"), 1), finfo(scores.dtype).min)
    matmul(softmax(scores, -1), x) -> Linear(width)
}
block Experts(count, chosen) {
    values, indices = topk(softmax(x -> gate: Linear(count, bias=false), -1), k=chosen)
    param weight: float[count, x.features] = normal(0, 1)
    sum(unsqueeze(values, -1) * weight[indices], -2) * x
}
network Net(tokens: int[N, T = 5], at: int[1], picks: int[N, K = 3]) -> out, first, here, spread, pairs, rest where T >= 2 {
    param table: float[2, 6] = normal(0, 1)
    h = table[tokens] -> attend: Attend(6) -> experts: Experts(4, 2)
    out = h
    first = h[..., 0]
    here = narrow(h, 1, at, 1)
    spread = scatter_add(zeros([h.batch, 4]), 1, picks, cast(picks, "float"))
    pairs = h[:, picks[0], picks[0]]
    rest = sort(h[..., 1:3], dim=1, descending=true)[0]
}
""",
    "numbers_in_where": """
network Net(x: float[N, 4], d: float64[N, K]) -> y, i, b, size, mixed, always, wide {
    y = where(x > 0, 1.0, -1.0)
    i = where(x > 0, 1, -1)
    b = where(x > 0, true, false)
    size = where(x > 0, K, 3)
    mixed = where(x > 0, 1, 2.5)
    always = where(true, x, 2)
    wide = where(d > 0, 1, d)
}
""",
    "a_layer_is_compared": """
block Gate(gate: layer, width) {
    if gate == Sigmoid { Linear(width) -> gate } else { Linear(width + 2) -> gate -> Linear(width) }
}
network Net(x: float[N, 4]) -> y {
    x -> Gate(Sigmoid, 3) -> Gate(Tanh, 3) -> for act in [ReLU, Tanh, ReLU] { if act == ReLU { act } else { Linear(4) } }
}
""",
    "only_the_size_of_what_flows_in": """
block Start(width) {
    param w: float[1, width] = normal(0, 1)
    expand(w, [x.batch, width]) / x.batch
}
network Net(x: float[N, 3], y: float[N, 2]) -> out {
    y -> { x + 1 } -> Linear(4) as h
    (x -> start: Start(4) -> fc: Linear(2)) + (h -> again: Start(2))
}
""",
    "sizes_of_an_item_of_a_list": """
network Net(x: float[N, 3, H = 8, W = 8]) -> y {
    levels = [x, x -> MaxPool(2)]
    tops = [level -> Conv(4, 1) -> Resize(size=levels[0]) for level in levels]
    tops -> Add
}
""",
    "shared_layer": """
network Net(x: float[N, 8]) -> y {
    shared f = Linear(8)
    x -> f -> ReLU -> f
}
""",
    "shared_block": """
block Half(width) { fc: Linear(width) -> Tanh }
network Net(a: float[N, 4], b: float[N, 4]) -> left, right {
    shared f = Half(6)
    left = a -> f
    right = (b -> f) * 2
}
""",
    "shared_across_levels": """
block Wrap(inside: layer) { pre: Linear(8) -> inside }
network Net(x: float[N, 8]) -> y {
    shared f = Linear(8)
    x -> f -> head: { Linear(8) -> f } -> Wrap(f)
}
""",
    "levels_entered_again": """
block Up(width) { conv: Conv(width, 1) -> ReLU }
network Net(x: float[N, 3, H = 4, W = 4]) -> y {
    shared f = {
        h = x -> "enc.0": Up(4) -> "dec.0": Conv(4, 1) -> "up.0": Upsample(scale_factor=2)
        h = h -> "enc.1": Up(4) -> "dec.1": Conv(4, 3, padding=1) -> "up.1": Upsample(scale_factor=2)
        h -> "a.b.c": Up(5) -> "a.b.d": Conv(3, 1)
    }
    x -> f -> f
}
""",
    "counted_items_of_several_lists": """
block Steps(widths: list, kernels: list) {
    x -> for i, [width, kernel] in enumerate(zip(widths, kernels)) {
        "step{i}": { Conv(width, kernel, padding=kernel // 2) -> if i > 0 { BatchNorm } -> ReLU }
    }
}
network Net(x: float[N, 3, 8, 8]) -> y { x -> Steps([4, 5], [1, 3]) -> Steps([4, 4, 6], [3, 1, 5]) }
""",
    "recurrent": """
block Encoder(width) { Linear(width) -> GRU(width, batch_first=true) }
network Net(x: float[N, T = 5, 4], h: float[2, N, 6], c: float[2, N, 6]) -> y, h_n, z {
    y, h_n, c_n = [x, h, c] -> LSTM(6, num_layers=2, batch_first=true)
    a = x -> encoder: Encoder(4) -> repeat 2 { Encoder(4) }
    b, s = a -> last: { RNN(4, nonlinearity="relu", bias=false, batch_first=true) }
    _, p, _ = b -> LSTM(4, batch_first=true, bidirectional=true, proj_size=2)
    shared f = GRU(4, batch_first=true)
    z = concat(a[:, -1], s[0], p[1], (b -> f -> f)[:, 0], dim=1) -> Linear(3)
}
""",
    "recurrent_without_batch": """
network Net(x: float[T, 4]) -> y { x -> LSTM(8, bidirectional=true) -> GRU(3) }
""",
    "tied_function": """
network Net(ids: int[N, T = 3]) -> y {
    shared embed = Embedding(5, 4)
    ids -> embed -> body: { Linear(8) -> ReLU -> Linear(4) } -> { linear(x, embed.weight) }
}
""",
    "tied_layer": """
block Model(vocabulary, width) { x -> wte: Embedding(vocabulary, width) -> h: repeat 2 { LayerNorm -> Linear(width) } }
network Net(ids: int[N, T = 3], vocabulary = 5, width = 4) -> y {
    shared transformer = Model(vocabulary, width)
    ids -> transformer -> cls: {
        param bias: float[vocabulary]
        x -> Linear(width) -> decoder: Linear(vocabulary, weight=transformer.wte.weight, bias=bias)
    }
}
""",
    "tied_in_blocks": """
block Tie(n) {
    shared e = Linear(n, bias=false)
    y = x -> e -> ReLU
    y + linear(x, e.weight) -> head: Linear(n, bias=false, weight=e.weight)
}
block Uses(w: tensor) { linear(x, w) -> ReLU }
block Asks(f: layer) { (x -> f) + linear(x, f.weight) }
network Net(x: float[N, 4]) -> y {
    shared f = { Linear(4) -> c: Linear(4) }
    shared g = Linear(4)
    h = x -> repeat 2 { Tie(4) } -> Tie(4) -> f -> Uses(f.c.weight) -> g -> Asks(g)
    h -> for i in range(2) { "a{i}": { Linear(4, weight=f.c.weight) -> ReLU } } -> inner: { x * mean(g.weight) -> Tanh }
}
""",
    "tied_convolutions": """
block Pyramid(features) {
    shared head = Conv(4, 3, padding=1)
    y = x -> head
    for i in range(2) {
        y = y -> MaxPool(2) -> "level{i}": {
            BatchNorm -> Conv(4, 3, padding=1, weight=head.weight, bias=head.bias) -> BatchNorm
        }
    }
    y
}
network Net(x: float[N, 4, H = 8, W = 8]) -> y { x -> Pyramid(4) }
""",
    "shared_braces": """
network Net(x: float[N, 2, H = 6, W = 6]) -> y {
    shared f = { Conv(2, 3, padding=1) -> BatchNorm -> ReLU }
    a = x -> f
    b = x -> MaxPool(2) -> f -> Upsample(scale_factor=2)
    a + b
}
""",
    "params": """
block Scale(init = 0.5) {
    param gamma: float[x.channels, 1, 1] = init
    buffer offset: float[1] = [0.25]
    x * gamma + offset
}
network Net(x: float[N, 3, H = 4, W = 4]) -> y {
    param bias: float[3, 1, 1] = normal(0, 0.02)
    x + bias -> Scale -> Conv(5, 1) -> Scale(init=2.0)
}
""",
    "reserved_labels": """
block Odd {
    type: Linear(4) -> forward: Linear(4) -> train: Linear(4) -> keys: Linear(4) -> class: Linear(4) -> _modules: Linear(4)
    -> state_dict: Linear(4) -> __init__: Linear(4) -> T_destination: Linear(4) -> lambda: ReLU
}
network Net(self: float[N, 4]) -> y { self -> half: Odd -> to: { Linear(3) -> children: Linear(2) } }
""",
    "reserved_params": """
block Odd {
    param weight: float[4] = 1.0
    param type: float[4] = 2.0
    buffer half: float[4] = 3.0
    x * weight + type - half
}
network Net(x: float[N, 4]) -> y { x -> Odd }
""",
    "reserved_names": """
block torch(lambda, self = 2, F: tensor) { Linear(lambda) -> { x * self + F } }
block Tensor(i) { Linear(i) -> torch(i, F=x) }
network F(def: float[N, 4], nn: float[N, 4]) -> y { def + nn -> Tensor(4) -> Tensor(4) }
""",
    "numbers_and_labels": """
block Mixed(width) { BatchNorm -> ReLU -> conv: Conv(width, 1) -> Conv(width, 3, padding=1) -> x }
network Net(x: float[N, 4, H = 5, W = 5]) -> y { x -> Conv(4, 1) -> { x + (x -> Conv(4, 1)) } -> Conv(3, 1) }
""",
    "optional": """
block Unit(width, norm = false, skip = false) {
    y = x -> conv: Conv(width, 3, padding=1) -> if norm { bn: BatchNorm -> ReLU }
    if skip { x + y } else { y }
}
network Net(x: float[N, 3, H = 6, W = 6]) -> y {
    x -> a: Unit(4) -> b: Unit(4, skip=true) -> c: Unit(8, norm=true) -> d: Unit(8, norm=true, skip=true)
}
""",
    "choice": """
block Unit(width, kind) { if kind == "conv" { Conv(width, 3, padding=1) } else { Linear(width) -> Tanh } }
network Net(x: float[N, 3, H = 6, 8]) -> y { x -> Unit(5, "conv") -> Unit(9, "linear") -> Unit(2, "conv") }
""",
    "loops": """
block Stack(depth, width) { repeat depth { Linear(width) -> ReLU } }
block Grow(depth, growth) { for i in range(depth) { "layer{i + 1}": Dense(growth) } }
block Dense(growth) { Concat { Identity | fc: Linear(growth) -> ReLU } }
network Net(x: float[N, 4]) -> y { x -> Stack(2, 8) -> Stack(5, 8) -> Grow(3, 2) -> Grow(6, 3) -> Stack(1, 4) }
""",
    "branches": """
block Two(width) { Concat { a: Conv(width, 1) | b: Conv(width, 3, padding=1) -> ReLU | Identity } }
network Net(x: float[N, 3, H = 6, W = 6]) -> y { x -> Two(4) -> Two(6) -> Mul { Identity | Sigmoid } }
""",
    "residual_of_layers": """
block Residual(body: layer, shortcut: layer = Identity) { Add { body | shortcut } }
network Net(x: float[N, 4]) -> y {
    x -> Residual { Linear(4) -> ReLU } -> Residual { Linear(6) | Linear(6) } -> Residual({ Linear(6) -> Tanh -> Linear(6) })
}
""",
    "several_results": """
block Halves { a, b = x -> Split(2)
    [a -> fc: Linear(3), b] }
network Net(x: float[N, 4, 6]) -> left, right {
    left, right = x -> Halves
}
""",
    "skips": """
block Up(width, skip: tensor) {
    y = x -> up: ConvTranspose(width, 2, stride=2) -> PadTo(skip)
    [skip, y] -> Concat -> conv: Conv(width, 3, padding=1)
}
network Net(x: float[N, 2, H = 9, W = 11]) -> y {
    x -> Conv(4, 1) as one -> MaxPool(2) -> Conv(8, 1) as two -> MaxPool(2) -> Up(8, two) -> Up(4, one)
}
""",
    "list_of_taps": """
network Net(x: float[N, 2, H = 16, W = 16]) -> y {
    taps = []
    x -> down: for width in [4, 8, 12] { level = x -> Conv(width, 3, padding=1)
        taps = [level] + taps
        level -> MaxPool(2) }
    -> up: for skip in taps { [x -> Upsample(scale_factor=2), skip] -> Concat -> Conv(4, 1) }
}
""",
    "training_only": """
block Head(classes) { GlobalAvgPool -> Flatten -> Dropout(0.3) -> fc: Linear(classes) }
network Net(x: float[N, 3, H = 8, W = 8], target: float[N, 4]) -> logits, aux: training, loss: training {
    y = x -> stem: Conv(6, 3) as middle -> ReLU -> Conv(8, 3) -> BatchNorm -> StochasticDepth(0.2)
    aux = middle -> aux_head: Head(4)
    logits = y -> head: Head(4)
    loss = mean((logits - target) ** 2)
}
""",
    "nested_network": """
network Inner(x: float[M, 4], width = 3) -> a, b { h = x -> fc: Linear(width)
    a = h -> Tanh
    b = h -> Sigmoid }
network Net(x: float[N, 4]) -> y { p, q = x -> Inner(5)
    p * q -> Linear(2) }
""",
    "attention": """
block Attention(heads) {
    width = x.features
    q, k, v = x -> qkv: Linear(3 * width) -> Split(3, dim=-1)
    q = transpose(reshape(q, [x.batch, -1, heads, width // heads]), 1, 2)
    k = transpose(reshape(k, [x.batch, -1, heads, width // heads]), 1, 2)
    v = transpose(reshape(v, [x.batch, -1, heads, width // heads]), 1, 2)
    weights = softmax(matmul(q, transpose(k, -2, -1)) * (width // heads) ** -0.5, dim=-1)
    reshape(transpose(matmul(weights, v), 1, 2), [x.batch, -1, width]) -> proj: Linear(width)
}
network Net(x: float[N, T = 6, 8]) -> y { x -> Attention(2) -> LayerNorm -> Attention(4) -> Mean(dim=1) }
""",
    "sizes": """
network Net(x: float[N, 2, H = 6, W = 10]) -> y {
    a = x -> Conv(3, 1) -> Reshape([x.shape[0], 3, -1]) -> { x / x.shape[2] }
    b = zeros([x.shape[0], 3, x.shape[2] * x.shape[3]]) + arange(x.shape[2] * x.shape[3], dtype="float")
    a + b
}
""",
    "constants": """
network Net(x: float[N, 3]) -> y, z {
    y = where(x > 0.5, x, 1.0) + maximum(x, 0.25) * tensor([1.0, 2.0, 3.0]) - 2 ** x + (1 - x) / 4
    z = clamp(concat(x, zeros([1, 3]), dim=0), min=-1)
}
""",
    "embedding": """
network Net(ids: int[N, T = 5], kinds: int[N, T]) -> y, best {
    y = (ids -> words: Embedding(11, 6)) + (kinds -> Embedding(2, 6, weight_init=normal(0, 0.02))) -> LayerNorm
    best = argmax(y, dim=-1)
}
""",
    "initialisers": """
block Sine(width, omega = 3.0, first = false) {
    bound = if first { 1 / x.features } else { sqrt(6 / x.features) / omega }
    sin(omega * (x -> Linear(width, weight_init=uniform(-bound, bound), bias_init=0.0)))
}
network Net(x: float[N, 2]) -> y {
    x -> Sine(8, first=true) -> repeat 3 { Sine(8) }
    -> out: { Linear(4, weight_init=xavier_uniform(0.5)) -> ReLU -> Linear(1, weight_init=trunc_normal(0, 0.1)) }
}
""",
    "dimensions": """
block Unit(width) { Conv(width, 3, padding=1) -> BatchNorm -> ReLU }
network Net(a: float[N, 2, L = 7], b: float[N, 2, D = 4, H = 5, W = 6]) -> y {
    (a -> one: Unit(3) -> GlobalMaxPool -> Flatten) + (b -> two: Unit(3) -> Unit(3) -> GlobalAvgPool -> Flatten)
}
""",
    "padding": """
network Net(x: float[N, 2, H = 7, W = 9]) -> y {
    x -> Conv(3, 3, stride=2, padding=[[0, 1], [1, 1]]) -> Conv(3, 3, padding=[[0, 1], [0, 1]], padding_mode="reflect")
    -> Conv(4, [1, 3], padding="same")
}
""",
    "recursive": """
block Tree(width, depth) {
    conv: Conv(width, 1) -> if depth > 0 {
        Add { left: Tree(width, depth - 1) | right: Tree(width, depth - 1) }
    }
}
network Net(x: float[N, 3, H = 4, W = 4]) -> y { x -> tree: Tree(5, 3) }
""",
    "lists_in_lists": """
block Cell(steps) {
    for i, [kernel, (width, stride)] in enumerate(steps) {
        "conv{i}": Conv(width, kernel, stride=stride, padding=kernel // 2)
    }
}
block Tower(pairs) {
    widths = [w + v for [w, (v, _)] in pairs]
    for [w, [v, _]] in pairs { h = x -> Conv(w, 1) -> Tanh; h + (h -> Conv(w, 1)) }
    -> Conv(sum(widths), 1) -> Conv(max([a * b for a in [1, 2] for b in widths if b > a]), 1)
}
network Net(x: float[N, 4, H = 8], steps = [[3, [8, 1]], [3, [16, 2]], [5, [8, 1]]]) -> y {
    x -> Cell(steps) -> Tower([[3, [1, 2]], [4, [2, 2]], [5, [3, 1]]]) -> Tower([[3, [1, 1]], [2, [2, 2]], [5, [3, 1]]])
    -> Conv(2, 1)
}
""",
    "loops_over_what_loops_are_at": """
block Fire(w) { squeeze: Conv(w, 1) -> ReLU -> out: Conv(2 * w, 1) }
block Chain(stages) {
    for i, stage in enumerate(stages) { "stage{i}": { for j, w in enumerate(stage) { "fire{j}": Fire(w) } } }
}
block Skips(stages) {
    for i, stage in enumerate(stages) {
        "stage{i}": { h = x -> for j, w in enumerate(stage) { "fire{j}": Fire(w) }; [h, x] -> Concat }
    }
}
network Net(x: float[N, 3, H = 4, W = 4], stages = [[2, 3], [3, 2, 2], [4]]) -> y {
    x -> Conv(4, 1) -> for stage in stages { MaxPool(1) -> for w in stage { Fire(w) } }
    -> Chain([[1, 2], [2, 3, 4]]) -> Chain([[2, 2], [3, 3, 1]]) -> Skips([[1, 2], [2, 3, 4], [2, 1]])
}
""",
    "a_tensor_apart": """
block Attention(heads) {
    qkv = x -> Linear(3 * x.features) -> Rearrange("b t (three h d) -> three b h t d", three=3, h=heads)
    q, k, v = qkv
    matmul(softmax(matmul(q, transpose(k, -2, -1)), -1), v) -> Rearrange("b h t d -> b t (h d)")
}
network Net(x: float[N, T = 5, 8]) -> y {
    x -> Attention(2) -> Attention(4) -> for p in x -> Split(2, dim=2) { x + mean(p) }
}
""",
    "lists_of_positions_and_fractions": """
network Net(x: float[N, 4, T = 6], k = 2, places = [1, 3], step = 0.25) -> y, z, w, v, g {
    y = x[[0, 0]] + arange(0, x.length, 0.5)[:x.length]
    z = x[:, [0, k]]
    for i in range(2) { z = z + x[:, [i, i + 1]] }
    w = x[:, places] * arange(step, 1, 0.4)[:, none]
    v = x[:, [[0, 1], [2, 3]], [0, -1]]
    g = grad(sum(z ** 2) + sum(v ** 3) + sum(take_along_dim(x, argsort(x[0, 0])) ** 2), x)
}
""",
    "attention_in_its_forms": """
block Decoder(heads, kv_heads, cos: tensor, sin: tensor, drop = 0.1) {
    q, k, v = [x -> "{name}": Linear(h * 4) -> Rearrange("b t (h d) -> b h t d", h=h)
               for name, h in [["q", heads], ["k", kv_heads], ["v", kv_heads]]]
    y = scaled_dot_product_attention(rotary(q, cos, sin), rotary(k, cos, sin), v, none, drop, true, enable_gqa=true)
    y -> Rearrange("b h t d -> b t (h d)") -> o: Linear(x.features)
}
network Net(x: float[N, T = 5, 8], memory: float[N, S = 3, 6], out: bool[N, T], later: bool[T, T]) -> y, w, z {
    kept = arange(x.shape[1]) == 0
    pad = out and not kept
    later = later and not kept
    cos, sin = rotary_table(arange(x.shape[1]), dim=2, theta=100.0)
    h = x -> Decoder(4, 2, cos, sin) -> Decoder(2, 1, cos, sin, drop=0.0)
    h = h -> itself: MultiheadAttention(2, batch_first=true, is_causal=true)
    h = h -> MultiheadAttention(2, batch_first=true, attn_mask=later)
    h = h -> MultiheadAttention(4, batch_first=true, key_padding_mask=pad, weight_init=normal(0, 0.1))
    y, w = [h, memory] -> MultiheadAttention(2, batch_first=true, need_weights=true, average_attn_weights=false)
    z = y -> MultiheadAttention(2, add_bias_kv=true, is_causal=true, dropout=0.2) -> RMSNorm
}
""",
    "padding_and_shifts_of_open_sizes": """
block Shifted(shift) {
    rows, columns = [ceil(x.height / 4), ceil(x.width / 4)]
    h = pad(x, [[0, 4 * rows - x.height], [4 * columns - x.width, 0]], value=0.5)
    roll(h, [-shift * min(1, rows - 1), shift], [2, -1])
}
network Net(image: float[N, 3, H, W]) -> y, slope {
    h = image -> Conv(4, 1) -> Shifted(2)
    y = roll(h, h.height // 2, 2)
    slope = grad(sum(h ** 3), image)
}
""",
    "hidden_text": '''
# A "quoted" doc \\ with """ and \\n
block Doc { Linear(2) }
# """ + __import__("os").system("true") + """
network Net(x: float[N, 2]) -> y { einsum("ab->a", x -> Doc) }
''',
}
"""By what they show. Networks named ``Net`` are the ones meant."""
