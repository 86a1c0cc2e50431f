"""What people write who know other libraries, and what it is called here."""

from __future__ import annotations

from dlspec.ops import LAYERS

_CALLED = {
    "Dense": "Linear", "FullyConnected": "Linear", "FC": "Linear", "MaxPooling": "MaxPool", "AveragePooling": "AvgPool",
    "GlobalAveragePooling": "GlobalAvgPool", "GlobalMaxPooling": "GlobalMaxPool", "BatchNormalization": "BatchNorm",
    "LayerNormalization": "LayerNorm", "GroupNormalization": "GroupNorm", "ConvTransposed": "ConvTranspose",
    "Deconv": "ConvTranspose", "Deconvolution": "ConvTranspose", "UpSampling": "Upsample", "ZeroPadding": "Pad",
    "Concatenate": "Concat", "Concatenation": "Concat", "Cat": "Concat", "Average": "Mean", "Multiply": "Mul",
    "Swish": "SiLU", "SpatialDropout": "Dropout2d", "Convolution": "Conv",
}  # fmt: skip
_LOSSES = {
    "CrossEntropyLoss": "cross_entropy", "MSELoss": "mse", "L1Loss": "l1", "SmoothL1Loss": "smooth_l1", "HuberLoss": "huber",
    "NLLLoss": "nll", "BCELoss": "binary_cross_entropy", "BCEWithLogitsLoss": "binary_cross_entropy_with_logits",
    "KLDivLoss": "kl_div", "TripletMarginLoss": "triplet_margin", "CosineEmbeddingLoss": "cosine_embedding",
}  # fmt: skip
_ATTENTION = (
    "attention is `MultiheadAttention(num_heads)`, or `scaled_dot_product_attention(q, k, v)` between your own layers"
)
BY_VALUES = {
    "nonzero": "a mask has its size: x != 0; of a known number of positions: topk(where(x != 0, 1.0, 0.0), k)",
    "argwhere": "a mask has its size: x != 0; of a known number of positions: topk(where(x != 0, 1.0, 0.0), k)",
    "masked_select": "keep the shape: where(mask, x, 0.0) or masked_fill(x, mask, value)",
    "unique": "sorted it has its size: sort(x); of known classes: sum(one_hot(x, classes), 0)",
    "unique_consecutive": "keep the shape: where the next one differs is x[1:] != x[:-1]",
    "bincount": "of a known number of classes it is sum(one_hot(x, classes), 0)",
    "histc": "of known boundaries it is sum(one_hot(bucketize(x, boundaries), count), 0)",
    "repeat_interleave": "of a known number it is an axis more: flatten(expand(unsqueeze(x, 1), [n, times]), 0, 1)",
    "nms": "of a known number of boxes it is written with topk, comparisons and where",
}
"""Functions of torch whose results have sizes that only values tell, and what is written instead."""

_PREFIX = "names stand without a prefix: `Conv2d(64, 7)`, `relu(x)`"
_WRITTEN = {
    **dict.fromkeys(
        ("LSTMCell", "GRUCell", "RNNCell"),
        "a cell is a step of a layer: `LSTM`, `GRU` or `RNN` takes the sequence, and the states before it",
    ),
    "SimpleRNN": "it is called `RNN`",
    "Bidirectional": "it is an argument: `LSTM(64, bidirectional=true)`",
    **dict.fromkeys(
        (
            "MultiHeadAttention",
            "Attention",
            "SelfAttention",
            "TransformerEncoderLayer",
            "Transformer",
        ),
        _ATTENTION,
    ),
    **dict.fromkeys(("nn", "F", "torch", "tf", "keras", "layers", "np", "jnp"), _PREFIX),
    "self": "a body has no `self`: layers stand where they are used, and `shared` declares one for several uses",
    "Sequential": "layers follow each other in a chain: `Conv(8, 3) -> ReLU`",
    **dict.fromkeys(("ModuleList", "ModuleDict"), "layers stand in lists: `[Conv(w, 3) for w in widths]`"),
    "DepthwiseConv2D": "write `Conv(x.channels, 3, groups=x.channels)`",
    "SeparableConv2D": "write `Conv(x.channels, 3, groups=x.channels) -> Conv(64, 1)`",
    "Activation": "an activation stands by itself: `ReLU`",
    "Lambda": "an anonymous layer is written in braces: `{ x * 2 }`",
    "Input": "inputs stand in the signature: `network Net(image: float[N, 3, 32, 32]) -> out`",
    "Residual": "a residual is written `Add { Identity | Conv(x.channels, 3, padding=1) }`",
    "view": "it is called `reshape`",
    "cat": "it is called `concat`",
    "index_add": "it is written `scatter_add`, with an index of the shape of what is added",
    "index_fill": "it is written `scatter(x, dim, index, value)`, with an index of the shape of what is filled",
    "index_put": "it is written `scatter`, with an index of the shape of what is written",
    "one_hot_encode": "it is called `one_hot`",
    "print": "nothing is printed while compiling: `expect` states what must hold",
    "Parameter": "a weight is declared by `param`",
    **{name: f"losses are functions: `{function}(input, target)`" for name, function in _LOSSES.items()},
}


def foreign(name: str) -> str:
    """What to write for a well-known name that dlspec does not have; empty for another."""
    if name in _WRITTEN:
        return _WRITTEN[name]
    bare = name[:-2] if name[-2:].lower() in ("1d", "2d", "3d") else name
    if name in ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"):
        bare = "ConvTransposed"
    known = _CALLED.get(bare) or (bare if bare in LAYERS and bare != name else "")
    return f"it is called `{known}`" if known else ""
