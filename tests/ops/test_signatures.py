"""Names, order and defaults of arguments are those of torch.nn."""

from __future__ import annotations

from inspect import Parameter, signature

import pytest
from torch import nn
from torch.nn import functional

from dlspec.ir.fields import MISSING
from dlspec.ir.op import Op
from dlspec.ops import (
    LAYERS,
    activation,
    attention,
    conv,
    dropout,
    embedding,
    linear,
    loss,
    norm,
    pooling,
    softmax,
)

FAMILIES = (conv, linear, norm, activation, softmax, pooling, dropout, embedding, attention)
COUNTERPARTS = [op for family in FAMILIES for op in family.OPERATORS if op.torch]

# What only says how a runtime works.
RUNTIME = {"inplace", "device", "dtype", "return_indices", "args", "kwargs", "_weight", "_freeze"}
LEFT_OUT = {
    "ConvTranspose": {"padding_mode"},  # torch accepts zeros alone
    "Hardtanh": {"min_value", "max_value"},  # deprecated
    "MultiheadAttention": {"kdim", "vdim"},  # sizes of inputs, as embed_dim is
    "Embedding": {"max_norm", "norm_type", "scale_grad_by_freq", "sparse"},
}
OWN_DEFAULTS = {("LayerNorm", "normalized_shape"), ("RMSNorm", "normalized_shape"), ("PReLU", "init")}
OWN_FIELDS = {"weight_init", "bias_init", "need_weights", "average_attn_weights", "is_causal"}
"""The last three are torch's with each call, of which it is true that a layer gives its weights."""


@pytest.mark.parametrize("op", COUNTERPARTS, ids=lambda op: op.__name__)
def test_arguments_are_torchs(op: type[Op]) -> None:
    assert op.torch
    module = getattr(nn, op.torch.format(n=2))
    parameters = signature(module).parameters
    assert all(list(parameters)[position] == name for name, position in op.left_out)
    left_out = dict(op.left_out).keys() | RUNTIME | LEFT_OUT.get(op.__name__, set())
    theirs = [p for p in parameters.values() if p.name not in left_out]
    ours = [field for field in op.fields if field.name not in OWN_FIELDS]
    assert [field.name for field in ours] == [p.name for p in theirs]
    for field, parameter in zip(ours, theirs, strict=True):
        default = MISSING if parameter.default is Parameter.empty else parameter.default
        if (op.__name__, field.name) not in OWN_DEFAULTS:
            assert field.default == default, field.name


def test_a_name_that_pins_the_rank_is_the_module_of_that_rank() -> None:
    pinned = {name: (op, axes) for op in COUNTERPARTS for name, axes in op.pinned}
    assert {"Conv1d", "MaxPool3d", "BatchNorm2d", "Dropout2d", "AdaptiveAvgPool2d"} <= pinned.keys()
    for name, (op, axes) in pinned.items():
        assert op.torch
        assert op.torch.format(n=axes) == name
        assert hasattr(nn, name)
        assert LAYERS[name] == (op, axes)


# Deprecated for `reduction`, or newer than the arguments that torch.nn's own modules have.
LOSSES_LEFT_OUT = {"size_average", "reduce"}
UNWEIGHTED = {"mse", "l1", "huber"}


@pytest.mark.parametrize("op", loss.OPERATORS, ids=lambda op: op.__name__)
def test_losses_are_torchs(op: type[Op]) -> None:
    name = next(name for name in (op.function, *op.aliases) if name and hasattr(functional, name))
    left_out = LOSSES_LEFT_OUT | ({"weight"} if op.function in UNWEIGHTED else set())
    theirs = [p for p in signature(getattr(functional, name)).parameters.values() if p.name not in left_out]
    tensors = [slot.removesuffix("?") for slot in op.tensors]
    ours = {field.name: field.default for field in op.fields}
    assert {p.name for p in theirs} == {*tensors, *ours}
    assert [p.name for p in theirs if p.name in tensors] == tensors
    assert [p.name for p in theirs if p.name in ours] == list(ours)
    assert all(ours[p.name] == p.default for p in theirs if p.name in ours)
    assert op.__name__ in dir(nn)
