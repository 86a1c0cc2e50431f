"""Optimizers and the schedules of their rates, by the signatures of `torch.optim` and `torch.optim.lr_scheduler`."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

from dlspec.ir.fields import Fielded, Ints, Pair, Recipes
from dlspec.ir.op import OpError


class Optimizer(Fielded):
    """Base of the optimizers: classes of ``torch.optim`` with the same name, arguments and defaults."""

    searches: ClassVar[bool] = False
    """Whether a step evaluates its objective as often as it likes."""
    decays: ClassVar[bool] = True
    """Whether it has a weight decay."""

    fuses: ClassVar[bool] = False
    """Whether PyTorch has a step in one kernel for GPUs."""

    def check(self) -> None:
        for field in self.fields:
            value: Any = getattr(self, field.name)
            if type(value) is float and value < 0:
                raise OpError(f"`{field.name}` is not negative, and {value:g} is", code="DL0208")
        for beta in getattr(self, "betas", ()):
            if not 0 <= beta < 1:
                raise OpError(f"`betas` are at least 0 and less than 1, and {beta:g} is not", code="DL0208")


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if asked for."""

    fuses = True

    lr: float = 1e-3
    momentum: float = 0.0
    dampening: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    def check(self) -> None:
        super().check()
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise OpError("`nesterov` needs a momentum, and no dampening", code="DL0208")


class Adam(Optimizer):
    """Adaptive moments (Kingma and Ba 2014, https://arxiv.org/abs/1412.6980)."""

    fuses = True

    lr: float = 1e-3
    betas: Pair = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101)."""

    fuses = True

    lr: float = 1e-3
    betas: Pair = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 1e-2
    amsgrad: bool = False


class Adamax(Optimizer):
    """Adam by the infinity norm (Kingma and Ba 2014)."""

    lr: float = 2e-3
    betas: Pair = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0


class NAdam(Optimizer):
    """Adam with Nesterov momentum (Dozat 2016)."""

    lr: float = 2e-3
    betas: Pair = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum_decay: float = 4e-3


class RAdam(Optimizer):
    """Rectified Adam (Liu et al. 2019, https://arxiv.org/abs/1908.03265)."""

    lr: float = 1e-3
    betas: Pair = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0


class RMSprop(Optimizer):
    """Gradients divided by a running root mean square (Hinton 2012)."""

    lr: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False


class Adagrad(Optimizer):
    """Gradients divided by the root of their summed squares (Duchi et al. 2011)."""

    lr: float = 1e-2
    lr_decay: float = 0.0
    weight_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10


class Adadelta(Optimizer):
    """Adagrad over a window (Zeiler 2012, https://arxiv.org/abs/1212.5701)."""

    lr: float = 1.0
    rho: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0.0


class ASGD(Optimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky 1992)."""

    lr: float = 1e-2
    lambd: float = 1e-4
    alpha: float = 0.75
    t0: float = 1e6
    weight_decay: float = 0.0


class Rprop(Optimizer):
    """Steps by the signs of gradients (Riedmiller and Braun 1993). For whole batches: small ones change signs by chance."""

    decays = False
    lr: float = 1e-2
    etas: Pair = (0.5, 1.2)
    step_sizes: Pair = (1e-6, 50)

    def check(self) -> None:
        super().check()
        smaller, larger = self.etas
        if not 0 < smaller < 1 < larger:
            raise OpError(f"`etas` shrink and grow a step, and {smaller:g} and {larger:g} do not", code="DL0208")


class LBFGS(Optimizer):
    """Quasi-Newton steps by the last gradients (Liu and Nocedal 1989). For whole batches, and objectives that draw nothing:
    a step evaluates its objective up to `max_eval` times."""

    searches = True
    decays = False
    lr: float = 1.0
    max_iter: int = 20
    max_eval: int | None = None
    tolerance_grad: float = 1e-7
    tolerance_change: float = 1e-9
    history_size: int = 100
    line_search_fn: Literal["strong_wolfe"] | None = None

    def check(self) -> None:
        super().check()
        for name in ("max_iter", "max_eval", "history_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OpError(f"`{name}` is positive, and {value} is not", code="DL0208")


# Schedules of learning rates -----------------------------------------------------------------------------------------


class Schedule(Fielded):
    """Base of the schedules: classes of ``torch.optim.lr_scheduler``. They advance with each update, not each epoch."""

    looks: ClassVar[bool] = False
    """Whether it changes the rate by what the objective is."""

    @property
    def inner(self) -> tuple[Schedule, ...]:
        """The schedules that it is made of."""
        return ()

    @property
    def sets(self) -> tuple[str, ...]:
        """The arguments of optimizers to which it gives values of its own, whatever they are."""
        return ()

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """Itself and all that are in it."""
        return self, *(part for schedule in self.inner for part in schedule.parts)


class StepLR(Schedule):
    """Multiplies by `gamma` every `step_size` updates."""

    step_size: int
    gamma: float = 0.1


class MultiStepLR(Schedule):
    """Multiplies by `gamma` at each of the `milestones`."""

    milestones: Ints
    gamma: float = 0.1


class ConstantLR(Schedule):
    """Multiplies by `factor` for the first `total_iters` updates."""

    factor: float = 1 / 3
    total_iters: int = 5


class LinearLR(Schedule):
    """Changes the factor from `start_factor` to `end_factor` over `total_iters` updates."""

    start_factor: float = 1 / 3
    end_factor: float = 1.0
    total_iters: int = 5


class ExponentialLR(Schedule):
    """Multiplies by `gamma` at every update."""

    gamma: float


class PolynomialLR(Schedule):
    """Decays to 0 over `total_iters` updates, as a polynomial."""

    total_iters: int = 5
    power: float = 1.0


class CosineAnnealingLR(Schedule):
    """Falls to `eta_min` along half a cosine of `T_max` updates (Loshchilov and Hutter 2016)."""

    T_max: int
    eta_min: float = 0.0


class CosineAnnealingWarmRestarts(Schedule):
    """Cosines one after another, the first of `T_0` updates, each `T_mult` times as long as the one before."""

    T_0: int
    T_mult: int = 1
    eta_min: float = 0.0


class OneCycleLR(Schedule):
    """Rises to `max_lr` and falls again within `total_steps` updates (Smith and Topin 2017)."""

    max_lr: float
    total_steps: int
    pct_start: float = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    cycle_momentum: bool = True
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    @property
    def sets(self) -> tuple[str, ...]:
        return ("lr", "momentum", "betas") if self.cycle_momentum else ("lr",)


class CyclicLR(Schedule):
    """Rises from `base_lr` to `max_lr` within `step_size_up` updates and falls again, over and over (Smith 2015)."""

    base_lr: float
    max_lr: float
    step_size_up: int = 2000
    step_size_down: int | None = None
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0
    cycle_momentum: bool = True

    @property
    def sets(self) -> tuple[str, ...]:
        return ("lr", "momentum", "betas") if self.cycle_momentum else ("lr",)


class ReduceLROnPlateau(Schedule):
    """Multiplies by `factor` where the objective of the update was not better than its best for `patience` updates.

    What is better is said by `mode`: less where the update minimizes, and more where it maximizes, if it is not given.
    """

    looks = True
    mode: Literal["min", "max"] | None = None
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8

    def check(self) -> None:
        if not 0 <= self.factor < 1:
            raise OpError(f"`factor` is less than 1, and {self.factor:g} is not", code="DL0208")


class SequentialLR(Schedule):
    """One schedule after another: the next begins at each of the `milestones`, counted in updates."""

    schedulers: Recipes
    milestones: Ints

    @property
    def inner(self) -> tuple[Schedule, ...]:
        return cast("tuple[Schedule, ...]", self.schedulers)

    def check(self) -> None:
        if not self.schedulers:
            raise OpError("`schedulers` are one schedule or more", code="DL0208")
        for schedule in self.schedulers:
            if not isinstance(schedule, Schedule):
                raise OpError(f"`schedulers` are schedules, and {type(schedule).__name__} is none", code="DL0706")
            if schedule.looks:
                message = f"`{type(schedule).__name__}` goes by the objective, which no other schedule can hand it"
                raise OpError(message, code="DL0208", hint="let it be the only schedule")
        ends = self.milestones if isinstance(self.milestones, tuple) else (self.milestones,)
        if len(ends) != len(self.schedulers) - 1:
            count = len(self.schedulers)
            message = f"{count} schedules change over at {count - 1} milestones, not {len(ends)}"
            raise OpError(message, code="DL0208")
        if any(after <= before for before, after in zip((0, *ends), ends, strict=False)):
            raise OpError("`milestones` are positive and grow", code="DL0208")


class Limits(Fielded):
    """What keeps gradients and weights small: arguments that every optimizer takes too.

    Gradients are clipped before the step, by the norm of all of them together or each by its value; weights are
    clamped to ``[-clip_weights, clip_weights]`` after it.
    """

    clip_grad_norm: float | None = None
    clip_grad_value: float | None = None
    clip_weights: float | None = None


class Sparing(Fielded):
    """What decays, an argument of all optimizers with a weight decay: all parameters, or "weights", which are those of more
    than one axis. Biases, and what norms scale and shift by, have one."""

    decay: Literal["all", "weights"] = "all"


OPTIMIZERS: dict[str, type[Optimizer]] = {cls.__name__: cls for cls in Optimizer.__subclasses__()}
SCHEDULES: dict[str, type[Schedule]] = {cls.__name__: cls for cls in Schedule.__subclasses__()}
