"""Tensors that are made. What is drawn is compared by shape and type here, by its distribution in test_random.py."""

from __future__ import annotations

import torch
from harness import Case, Input, Refusal

from dlspec.ir.dims import symbol
from dlspec.ops import random as ops

CASES: list[Case] = [
    Case(ops.Normal((2, 3)), (), lambda: lambda: torch.randn(2, 3)),
    Case(ops.Normal((4,), 1, 2, "float64"), (), lambda: lambda: torch.randn(4, dtype=torch.float64)),
    Case(ops.Normal((), dtype="float16"), (), lambda: lambda: torch.randn((), dtype=torch.float16)),
    Case(ops.Uniform((2, 3)), (), lambda: lambda: torch.rand(2, 3)),
    Case(ops.Uniform((5,), -1, 2, "float16"), (), lambda: lambda: torch.rand(5, dtype=torch.float16)),
    Case(ops.Bernoulli(), (Input((2, 3, 5), low=0, high=1),), lambda: torch.bernoulli, macs=False),
    Case(ops.Bernoulli(), (Input((2, 3), "float64", 0, 1),), lambda: torch.bernoulli, macs=False),
    Case(ops.Full((2, 3), 0.5), (), lambda: lambda: torch.full((2, 3), 0.5)),
    Case(ops.Full((), 7, "int"), (), lambda: lambda: torch.full((), 7)),
    Case(ops.Full((2,), 1, "bool"), (), lambda: lambda: torch.full((2,), True)),
    Case(ops.Zeros((2, 3)), (), lambda: lambda: torch.zeros(2, 3)),
    Case(ops.Zeros((4,), "int"), (), lambda: lambda: torch.zeros(4, dtype=torch.int64)),
    Case(ops.Ones((2, 3)), (), lambda: lambda: torch.ones(2, 3)),
    Case(ops.Ones((4,), "bool"), (), lambda: lambda: torch.ones(4, dtype=torch.bool)),
    Case(ops.Arange(5), (), lambda: lambda: torch.arange(5)),
    Case(ops.Arange(3, "float"), (), lambda: lambda: torch.arange(3, dtype=torch.float32)),
    Case(ops.Arange(7, "int", 2, 3), (), lambda: lambda: torch.arange(2, 7, 3)),
    Case(ops.Arange(-2, "float64", 3, -2), (), lambda: lambda: torch.arange(3, -2, -2, dtype=torch.float64)),
    Case(ops.Arange(1.0, step=0.25), (), lambda: lambda: torch.arange(0, 1, 0.25)),
    Case(ops.Arange(-1, start=1.5, step=-0.3), (), lambda: lambda: torch.arange(1.5, -1, -0.3)),
    Case(ops.Arange(2, "float64", 0.5, 0.1), (), lambda: lambda: torch.arange(0.5, 2, 0.1, dtype=torch.float64)),
    Case(ops.Arange(4.5, "float16"), (), lambda: lambda: torch.arange(4.5, dtype=torch.float16)),
    Case(ops.Multinomial(2), (Input((3, 5), low=0.1, high=1),), lambda: lambda x: torch.multinomial(x, 2), macs=False),
    Case(
        ops.Multinomial(7, replacement=True),
        (Input((4,), "float64", 0, 1),),
        lambda: lambda x: torch.multinomial(x, 7, True),
        macs=False,
    ),
    Case(ops.Linspace(0, 1, 5), (), lambda: lambda: torch.linspace(0, 1, 5)),
    Case(ops.Linspace(2, -3, 4, "float64"), (), lambda: lambda: torch.linspace(2, -3, 4, dtype=torch.float64)),
    Case(ops.Linspace(2, 3, 1), (), lambda: lambda: torch.linspace(2, 3, 1)),
    Case(ops.Eye(3), (), lambda: lambda: torch.eye(3)),
    Case(ops.Eye(2, 4, "int"), (), lambda: lambda: torch.eye(2, 4, dtype=torch.int64)),
    Case(ops.Eye(3, 2, "bool"), (), lambda: lambda: torch.eye(3, 2, dtype=torch.bool)),
]

REFUSED: list[Refusal] = [
    (lambda: ops.Normal((2, 3), dtype="int"), (), "draws floating-point numbers, not int64"),
    (lambda: ops.Normal((2, 3), std=-1), (), "negative `std`: -1"),
    (lambda: ops.Normal((2, -1)), (), "cannot make a tensor of shape [2, -1]"),
    (lambda: ops.Uniform((2,), 3, 1), (), "`low` 3 above its `high` 1"),
    (ops.Bernoulli, (Input((2,), "int64"),), "takes floating-point numbers"),
    (lambda: ops.Full((2,), 0.5, "int"), (), "cannot fill int64 with 0.5"),
    (lambda: ops.Full((2,), 2, "bool"), (), "cannot fill bool with 2"),
    (lambda: ops.Zeros((0,)), (), "cannot make a tensor of shape [0]"),
    (lambda: ops.Arange(0), (), "cannot make a tensor of shape [0]"),
    (lambda: ops.Arange(3, "bool"), (), "makes numbers, not bool"),
    (lambda: ops.Arange(3, "int", 1, 0), (), "a step of 0"),
    (lambda: ops.Arange(3, "int", 3), (), "cannot make a tensor of shape [0]"),
    (lambda: ops.Arange(3, "int", 0.5), (), "makes no int64 of fractions"),
    (lambda: ops.Arange(0.5, start=1.5), (), "cannot make a tensor of shape [-1]"),
    (lambda: ops.Arange(3, step=symbol("N")), (), "the step of `arange` is a number, not N"),
    (lambda: ops.Arange(symbol("N"), step=0.1), (), "is not one for all sizes"),
    (lambda: ops.Multinomial(0), ((3,),), "draws 1 sample or more, not 0"),
    (lambda: ops.Multinomial(4), ((2, 3),), "draws 4 different ones of 3"),
    (lambda: ops.Multinomial(1), ((2, 3, 4),), "takes a vector or a matrix of weights"),
    (lambda: ops.Linspace(0, 1, 3, "int"), (), "draws floating-point numbers, not int64"),
    (lambda: ops.Eye(0), (), "cannot make a tensor of shape [0, 0]"),
]
