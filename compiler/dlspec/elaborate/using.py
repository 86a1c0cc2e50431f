"""What an optimizer is called with, and what is other for parts of what it updates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from dlspec.elaborate.calls import Given, bind_named, field_value
from dlspec.elaborate.values import Failure, kind_of
from dlspec.ir.fields import Fielded
from dlspec.ir.node import Value
from dlspec.ir.op import OpError
from dlspec.objectives import optimizers
from dlspec.objectives.optimizers import Limits, Optimizer, Schedule, Sparing
from dlspec.objectives.training import STEP, Decay, Group
from dlspec.ops.constant import Param
from dlspec.source import Span
from dlspec.syntax import ast

_Fielded = TypeVar("_Fielded", bound=Fielded)

_LIMITS = [field.name for field in Limits.fields]


class Using(NamedTuple):
    """`Adam(lr=1e-3, schedule=StepLR(100), clip_grad_norm=1)`: an optimizer with what it is called with beside."""

    optimizer: Optimizer
    schedule: Schedule | None
    limits: Limits
    rate: Value | None = None
    decay: Decay = "all"


def using_of(name: ast.Name, given: list[Given], span: Span) -> Using:
    """The optimizer of a call, with its schedule and limits. Raises `Failure`."""
    optimizer = optimizers.OPTIMIZERS[name.name]
    more: dict[str, Any] = {
        "schedule": None,
        **dict.fromkeys(_LIMITS),
        **(defaults(Sparing) if optimizer.decays else {}),
    }
    bound = bind_named(f"`{name.name}`", given, defaults(optimizer) | more, span)
    rate = _rate(bound, given, span)
    if rate is not None:
        bound["lr"] = defaults(optimizer)["lr"]
        if bound["schedule"] is not None:
            raise Failure("DL0208", "`lr` is computed from the steps already, and `schedule` changes it too", span)
    limits = fielded(Limits, name.name, bound, given, span)
    for key in _LIMITS:
        if getattr(limits, key) is not None and getattr(limits, key) <= 0:
            raise Failure("DL0208", f"`{key}` is positive, not {getattr(limits, key):g}", span)
    schedule = bound["schedule"]
    if schedule is not None and not isinstance(schedule, Schedule):
        raise Failure("DL0706", f"{kind_of(schedule)} is not a schedule", span, hint="give it by name: `schedule=`")
    momentum = {"momentum", "betas"} & {field.name for field in optimizer.fields}
    cycling = [part for part in (schedule.parts if schedule else ()) if getattr(part, "cycle_momentum", False)]
    if cycling and not momentum:
        message = f"`{type(cycling[0]).__name__}` changes the momentum too, and `{name.name}` has none"
        raise Failure("DL0208", message, span, hint="set cycle_momentum=false")
    decay: Decay = fielded(Sparing, name.name, bound, given, span).decay if optimizer.decays else "all"
    return Using(fielded(optimizer, name.name, bound, given, span), schedule, limits, rate, decay)


def group_with(path: str, using: Using, given: list[Given], span: Span) -> Group:
    """What an update changes at a path, by the arguments that are given there and else by those of all. Raises
    `Failure`."""
    if not given:
        return Group(path, using.optimizer, (), using.rate, span)
    optimizer, kind = using.optimizer, type(using.optimizer)
    if optimizer.searches:
        message = f"`{kind.__name__}` takes all weights in one row, by the same arguments"
        raise Failure("DL0208", message, span, hint="give them after `using`, or take another optimizer")
    own = {argument.name.name if argument.name else "" for argument, _ in given}
    setting = [part for part in (using.schedule.parts if using.schedule else ()) if own & set(part.sets)]
    if setting:
        name = next(key for key in setting[0].sets if key in own)
        sets = f"`{type(setting[0]).__name__}` sets `{name}` for all, whatever it is for `{path}`"
        hint = "CosineAnnealingLR, StepLR and others, also after LinearLR in a SequentialLR, scale each rate"
        raise Failure("DL0208", sets, span, hint=hint)
    for argument, _ in given:
        if argument.name is None:
            hint = f"`{path}({next(iter(optimizer.arguments))}={argument.span.text})`"
            raise Failure("DL0306", f"what holds for `{path}` alone is given by name", argument.span, hint=hint)
    bound = bind_named(f"`{kind.__name__}` for `{path}`", given, optimizer.arguments, span)
    rate = _rate(bound, given, span) or (None if "lr" in own else using.rate)
    if "lr" in own and isinstance(bound["lr"], Value):
        bound["lr"] = optimizer.arguments["lr"]
        if using.schedule is not None:
            message = "`lr` is computed from the steps already, and the `schedule` of the update changes it too"
            raise Failure("DL0208", message, span)
    return Group(
        path, fielded(kind, kind.__name__, bound, given, span), tuple(key for key in bound if key in own), rate, span
    )


def check_decay(groups: list[Group], using: Using, span: Span) -> None:
    """Raises `Failure` where it is said what decays, and nothing does."""
    if using.decay != "all" and not any(getattr(group.optimizer, "weight_decay", 0) for group in groups):
        message = f'`decay="{using.decay}"` says what decays, and `weight_decay` is 0'
        raise Failure("DL0208", message, span, hint="give `weight_decay` too, or take `decay` out")


def _rate(bound: Mapping[str, Any], given: list[Given], span: Span) -> Value | None:
    """The rate where it is computed. Raises `Failure` for one that is no function of the steps alone."""
    rate = bound.get("lr")
    if not isinstance(rate, Value):
        return None
    span = _place_of("lr", given, span)
    hint = "write lr=ramp(0.0, 1e-3, steps=500), or a computation with such numbers"
    if rate.type.rank or not rate.type.dtype.is_float:
        raise Failure("DL0305", f"`lr` is one number, not {kind_of(rate)}", span, hint=hint)
    waiting, seen = [rate], set[Value]()
    while waiting:
        value = waiting.pop()
        node = value.producer
        if node is None and value.name != STEP:
            raise Failure("DL0305", f"`lr` is computed from the steps alone, not from `{value.name}`", span, hint=hint)
        if node is not None and (node.weights or node.op.random or isinstance(node.op, Param)):
            what = type(node.op).function or type(node.op).__name__
            raise Failure("DL0305", f"`lr` is computed from the steps alone, not by `{what}`", span, hint=hint)
        new = [] if node is None else [each for each in node.inputs if each not in seen]
        seen.update(new)
        waiting += new
    if all(value.name != STEP for value in (rate, *seen)):
        raise Failure("DL0305", "`lr` is a tensor that does not change with the steps", span, hint=hint)
    return rate


def defaults(cls: type[Fielded]) -> dict[str, Any]:
    """What a class is called with where nothing is given."""
    return {field.name: field.default for field in cls.fields}


def fielded(cls: type[_Fielded], name: str, bound: Mapping[str, Any], given: list[Given], span: Span) -> _Fielded:
    """An instance with the values of its fields among ``bound``. Raises `Failure` for one of a wrong kind."""
    values = {f.name: field_value(f, bound[f.name], _place_of(f.name, given, span), f"`{name}`") for f in cls.fields}
    try:
        return cls(**values)
    except OpError as error:
        raise Failure(error.code, error.message, span, hint=error.hint) from None


def _place_of(name: str, given: list[Given], span: Span) -> Span:
    """Where an argument stands, that of the call if it has no name there."""
    return next((argument.span for argument, _ in given if argument.name and argument.name.name == name), span)
