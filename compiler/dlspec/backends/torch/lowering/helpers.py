"""Functions that stand at the head of a generated module which needs them."""

HELPERS: dict[str, str] = {
    "follow": '''
def follow(average: nn.Module, source: nn.Module, decay: float) -> None:
    """Move the weights of a moving average towards those of its source, and copy its buffers."""
    with torch.no_grad():
        for mine, theirs in zip(average.parameters(), source.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
        for mine, theirs in zip(average.buffers(), source.buffers(), strict=True):
            mine.copy_(theirs)
''',
    "parameters_of": '''
def parameters_of(model: nn.Module, *paths: str) -> list[nn.Parameter]:
    """Return the parameters at some paths and below them, but for frozen ones."""
    prefixes = tuple(f"{path}." for path in paths)
    inside = [each for name, each in model.named_parameters() if f"{name}.".startswith(prefixes)]
    return [parameter for parameter in inside if parameter.requires_grad]
''',
    "param_groups": '''
def param_groups(
    model: nn.Module, parts: dict[str, dict[str, Any]], decay_vectors: bool = True
) -> list[dict[str, Any]]:
    """Group parameters by the longest of some paths that their names begin with, but for frozen ones.

    Each group has the settings of its path. Without decay_vectors, parameters of at most one axis
    (biases, norms) are in groups without weight decay.
    """
    groups = []
    for part, settings in parts.items():
        group = {"part": part, **settings}
        groups += [{"params": [], **group}, {"params": [], **group, "weight_decay": 0.0}]
    places = {part: 2 * place for place, part in enumerate(parts)}
    for name, parameter in model.named_parameters():
        own = [part for part in parts if f"{name}.".startswith(f"{part}.")]
        if own and parameter.requires_grad:
            spared = parameter.ndim < 2 and not decay_vectors
            groups[places[max(own, key=len)] + spared]["params"].append(parameter)
    return [group for group in groups if group["params"]]
''',
    "layers_of": '''
def layers_of(module: nn.Module, kind: Any) -> list[Any]:
    """Return the layers of a kind, or of several, in a module, in the order of its state dict."""
    return [layer for layer in module.modules() if isinstance(layer, kind)]
''',
    "by_shape": '''
def by_shape(tensors: list[Any]) -> list[list[Any]]:
    """Put tensors of one shape together, in the order of the first of each; of tuples the first tensor tells."""
    groups: dict[torch.Size, list[Any]] = {}
    for each in tensors:
        first = each if isinstance(each, Tensor) else each[0]
        groups.setdefault(first.shape, []).append(each)
    return list(groups.values())
''',
    "tracked": '''
def tracked(x: Tensor) -> Tensor:
    """Make a tensor one that gradients can be taken by."""
    return x if x.requires_grad else x.detach().requires_grad_()
''',
    "stochastic_depth": '''
def stochastic_depth(x: Tensor, p: float, mode: str = "row", training: bool = True) -> Tensor:
    """Zero whole samples ("row") or the whole batch with probability p while training."""
    if not training or p == 0:
        return x
    if p == 1:
        return x * 0
    size = [x.shape[0] if mode == "row" else 1] + [1] * (x.dim() - 1)
    return x * torch.empty(size, dtype=x.dtype, device=x.device).bernoulli_(1 - p).div_(1 - p)
''',
    "pad_to": '''
def pad_to(x: Tensor, size: tuple[int, ...], value: float = 0.0) -> Tensor:
    """Pad the spatial axes to a size, the smaller half in front."""
    missing = [want - have for want, have in zip(size, x.shape[2:], strict=True)]
    pads = [side for count in reversed(missing) for side in (count // 2, count - count // 2)]
    return F.pad(x, pads, value=value)
''',
    "pad_same": '''
def pad_same(
    x: Tensor,
    kernel_size: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    dilation: int | tuple[int, ...] = 1,
    mode: str = "constant",
    value: float = 0.0,
) -> Tensor:
    """Pad the spatial axes for a window at every stride elements begun, the smaller half in front."""
    axes = x.dim() - 2
    kernel, step, gap = ((n,) * axes if isinstance(n, int) else n for n in (kernel_size, stride, dilation))
    pads = []
    for axis in reversed(range(axes)):
        size = x.shape[axis + 2]
        windows = -(-size // step[axis])
        missing = max((windows - 1) * step[axis] + gap[axis] * (kernel[axis] - 1) + 1 - size, 0)
        pads += [missing // 2, missing - missing // 2]
    return F.pad(x, pads, mode=mode, value=value)
''',
    "avg_pool_same": '''
def avg_pool_same(x: Tensor, kernel_size: int | tuple[int, ...], stride: int | tuple[int, ...]) -> Tensor:
    """Mean under a window at every stride elements begun, of the elements that are not padding."""
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.dim() - 3]
    total, share = (
        pool(pad_same(part, kernel_size, stride), kernel_size, stride) for part in (x, torch.ones_like(x[:1, :1]))
    )
    return total / share
''',
    "LocallyConnected": '''
class LocallyConnected(nn.Module):
    """A convolution whose window has weights of its own at every place of an input of [channels, *sizes]."""

    def __init__(
        self,
        in_size: tuple[int, ...],
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int | tuple[int, int], ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        bias: bool = True,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        channels, *sizes = in_size
        axes = len(sizes)
        kernel, stride, dilation = ((n,) * axes if isinstance(n, int) else n for n in (kernel_size, stride, dilation))
        self.spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        self.stride, self.dilation = stride, dilation
        if padding == "same":
            rows = zip(sizes, self.spans, stride, strict=True)
            missing = [max((-(-size // step) - 1) * step + span - size, 0) for size, span, step in rows]
            pads = [(count // 2, count - count // 2) for count in missing]
        else:
            sides = (padding,) * axes if isinstance(padding, int) else padding
            pads = [(side, side) if isinstance(side, int) else side for side in sides]
        self.pads = [side for pair in reversed(pads) for side in pair]
        places = [
            (size + sum(pair) - span) // step + 1
            for size, pair, span, step in zip(sizes, pads, self.spans, stride, strict=True)
        ]
        bound = (channels * math.prod(kernel)) ** -0.5
        weight = torch.empty(out_channels, channels, *places, *kernel, dtype=dtype)
        self.weight = nn.Parameter(weight.uniform_(-bound, bound))
        self.register_parameter("bias", None)
        if bias:
            self.bias = nn.Parameter(torch.empty(out_channels, *places, dtype=dtype).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        patches, axes = F.pad(x, self.pads), len(self.spans)
        for axis, (span, step) in enumerate(zip(self.spans, self.stride, strict=True), 2):
            patches = patches.unfold(axis, span, step)
        patches = patches[(..., *(slice(None, None, gap) for gap in self.dilation))]
        out = torch.einsum("nc...k,oc...k->no...", patches.flatten(axes + 2), self.weight.flatten(axes + 2))
        return out if self.bias is None else out + self.bias
''',
    "rotary_table": '''
def rotary_table(
    positions: Tensor,
    dim: int | None = None,
    theta: float = 10000.0,
    frequencies: float | tuple[float, ...] | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Cosines and sines of positions times frequencies: [...] becomes twice [..., pairs]."""
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    if frequencies is None:
        frequencies = [theta ** (-2 * pair / dim) for pair in range(dim // 2)]
    column = torch.tensor(frequencies, dtype=wide, device=positions.device).reshape(-1)
    angles = positions[..., None].to(wide) * column
    return angles.cos().to(dtype), angles.sin().to(dtype)
''',
    "rotary": '''
def rotary(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool = False) -> Tensor:
    """Turn pairs of the first features by angles: one half against the other, or neighbours. The others stay."""
    width = 2 * cos.shape[-1]
    turned = x if width == x.shape[-1] else x[..., :width]
    first, second = (turned[..., ::2], turned[..., 1::2]) if interleaved else turned.chunk(2, -1)
    pair = (first * cos - second * sin, second * cos + first * sin)
    turned = torch.stack(pair, -1).flatten(-2) if interleaved else torch.cat(pair, -1)
    return turned if width == x.shape[-1] else torch.cat([turned, x[..., width:]], -1)
''',
    "routed_linear": '''
def routed_linear(x: Tensor, weight: Tensor, index: Tensor) -> Tensor:
    """Map each row by the matrix of its expert: the experts [experts, out, in] take their rows by turns.

    Where there are fewer rows than experts, or nothing says whose they are, each row takes its matrix.
    """
    if index.numel() < weight.shape[0] or index.is_meta:
        return (weight[index] @ x[..., None])[..., 0]
    rows = torch.broadcast_shapes(x.shape[:-1], index.shape)
    x, index = x.expand(*rows, -1), index.expand(rows)
    out = x.new_zeros(*rows, weight.shape[1])
    for expert in range(weight.shape[0]):
        own = index == expert
        out[own] = F.linear(x[own], weight[expert])
    return out
''',
    "center_crop": '''
def center_crop(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """Cut the spatial axes to a size, from the middle."""
    for axis, want in enumerate(size, 2):
        x = x.narrow(axis, (x.shape[axis] - want) // 2, want)
    return x
''',
}
