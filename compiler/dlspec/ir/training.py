"""What a `train` is: a graph of objectives, and in which order what is updated by which optimizer.

Optimizers, their schedules and augmentations are described here by the signatures that `torch.optim`,
`torch.optim.lr_scheduler` and `torchvision.transforms` give them.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from dlspec.ir.fields import Fielded, Ints, Pair
from dlspec.ir.graph import Graph, Value
from dlspec.ir.op import OpError
from dlspec.source import Span

# Optimizers ----------------------------------------------------------------------------------------------------------


class Optimizer(Fielded):
    """Base of the optimizers: classes of ``torch.optim`` with the same name, arguments and defaults."""

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

    lr: float = 1e-3
    betas: Pair = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False


class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101)."""

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

    lr: float = 1e-2
    etas: Pair = (0.5, 1.2)
    step_sizes: Pair = (1e-6, 50)

    def check(self) -> None:
        super().check()
        smaller, larger = self.etas
        if not 0 < smaller < 1 < larger:
            raise OpError(f"`etas` shrink and grow a step, and {smaller:g} and {larger:g} do not", code="DL0208")


# Schedules of learning rates -----------------------------------------------------------------------------------------


class Schedule(Fielded):
    """Base of the schedules: classes of ``torch.optim.lr_scheduler``. They advance with each update, not each epoch."""


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


class CyclicLR(Schedule):
    """Rises from `base_lr` to `max_lr` within `step_size_up` updates and falls again, over and over (Smith 2015)."""

    base_lr: float
    max_lr: float
    step_size_up: int = 2000
    step_size_down: int | None = None
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: float = 1.0
    cycle_momentum: bool = True


class Limits(Fielded):
    """What keeps gradients and weights small: arguments that every optimizer takes too.

    Gradients are clipped before the step, by the norm of all of them together or each by its value; weights are
    clamped to ``[-clip_weights, clip_weights]`` after it.
    """

    clip_grad_norm: float | None = None
    clip_grad_value: float | None = None
    clip_weights: float | None = None


# Augmentations -------------------------------------------------------------------------------------------------------


class Augmentation(Fielded):
    """Base of the random changes of images while training. Each is drawn anew for each image of a batch."""


class RandomHorizontalFlip(Augmentation):
    """Mirrors left and right with probability `p`."""

    p: float = 0.5


class RandomVerticalFlip(Augmentation):
    """Mirrors top and bottom with probability `p`."""

    p: float = 0.5


class RandomCrop(Augmentation):
    """A part of `size` at a random place, after `padding` on all sides."""

    size: Ints
    padding: int = 0
    padding_mode: Literal["constant", "reflect", "replicate"] = "constant"


class RandomPad(Augmentation):
    """Shifts the image within up to `padding` pixels of zeros on each side; its size stays."""

    padding: int


class RandomRotation(Augmentation):
    """Turns by up to `degrees` either way."""

    degrees: float


class RandomAffine(Augmentation):
    """Turns by up to `degrees`, shifts by up to `translate` of the size, scales within `scale`, shears by up to
    `shear` degrees."""

    degrees: float = 0.0
    translate: Pair | None = None
    scale: Pair | None = None
    shear: float | None = None


class RandomPerspective(Augmentation):
    """Moves the corners by up to half of `distortion_scale` of the size, with probability `p`."""

    distortion_scale: float = 0.5
    p: float = 0.5


class RandomScale(Augmentation):
    """Zooms by a factor between the two of `scale`; the size stays."""

    scale: Pair


class RandomIntensity(Augmentation):
    """Adds up to `amount` to all pixels, or takes it away."""

    amount: float


class RandomContrast(Augmentation):
    """Multiplies the difference from the mean by a factor within ``[1 - amount, 1 + amount]``."""

    amount: float


class GaussianNoise(Augmentation):
    """Adds normal noise of standard deviation `std`, with probability `p`."""

    std: float
    p: float = 1.0


def _by_name(base: type[Fielded]) -> dict[str, type[Fielded]]:
    return {cls.__name__: cls for cls in base.__subclasses__()}


OPTIMIZERS = _by_name(Optimizer)
SCHEDULES = _by_name(Schedule)
AUGMENTATIONS = _by_name(Augmentation)

# A train -------------------------------------------------------------------------------------------------------------

Direction: TypeAlias = Literal["minimize", "maximize"]


class Data:
    """A tensor that each batch gives, and how it is changed at random before."""

    __slots__ = ("augmentations", "value")

    def __init__(self, value: Value, augmentations: tuple[Augmentation, ...]) -> None:
        self.value = value
        self.augmentations = augmentations


class Network:
    """A network, layer or weight that a `train` holds, by its path.

    ``trained`` is "frozen" for one that keeps its weights. One with a ``source`` is a moving average: after each update
    of the source its weights become ``decay`` times their own plus ``1 - decay`` times the source's.
    ``declaration`` is the name of the network or block, or what the layer is.
    """

    __slots__ = ("decay", "declaration", "frozen", "name", "source", "span")

    def __init__(
        self,
        name: str,
        declaration: str,
        span: Span,
        *,
        frozen: bool = False,
        source: str | None = None,
        decay: float = 0.0,
    ) -> None:
        self.name = name
        self.declaration = declaration
        self.span = span
        self.frozen = frozen
        self.source = source
        self.decay = decay


class Update:
    """`minimize EXPR over NETWORKS using OPTIMIZER(...) times K`.

    ``name`` says what is updated: the networks' names joined. ``objective`` is a scalar, ``expression`` where it is
    written.
    """

    __slots__ = (
        "direction", "expression", "limits", "name", "objective", "optimizer", "over", "schedule", "span", "times",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        direction: Direction,
        objective: Value,
        over: tuple[str, ...],
        optimizer: Optimizer,
        schedule: Schedule | None,
        limits: Limits,
        times: int,
        span: Span,
        expression: Span,
    ) -> None:
        self.name = name
        self.direction: Direction = direction
        self.objective = objective
        self.over = over
        self.optimizer = optimizer
        self.schedule = schedule
        self.limits = limits
        self.times = times
        self.span = span
        self.expression = expression


STEP = "step"
"""The input of a graph that counts the steps of training, where a schedule asks for it: a 0-d int64."""


class Training:
    """A `train`, elaborated.

    ``graph`` computes everything: its inputs are the data and, where a schedule asks for it, `STEP`; its outputs are the
    objectives by the names of their updates. Each update evaluates its objective anew, draws included, from a batch.
    ``named`` are the tensors that the body names: scalars among them are metrics, images can be looked at. ``doc`` is the
    comment above it.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.doc = ""
        self.data: list[Data] = []
        self.networks: dict[str, Network] = {}
        self.updates: list[Update] = []
        self.named: dict[str, Value] = {}

    @property
    def name(self) -> str:
        return self.graph.name

    def origin(self, path: str) -> str:
        """The path of the weight that one begins as: for a moving average that of its source, else its own."""
        name, dot, rest = path.partition(".")
        network = self.networks.get(name)
        return path if network is None or network.source is None else f"{network.source}{dot}{rest}"

    def weights(self, network: str) -> list[str]:
        """The paths of the weights of a network, buffers included; those of its source for an average."""
        own = self.networks[network].source or network
        return [path for path in self.graph.parameters if path == own or path.startswith(f"{own}.")]
