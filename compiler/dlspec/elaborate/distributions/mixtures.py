"""Mixtures of distributions."""

from __future__ import annotations

from dlspec.elaborate.distributions.families import Categorical, Family, Quantity, Shape, apply, filled
from dlspec.elaborate.values import Failure
from dlspec.ir.node import Value
from dlspec.ir.types import TensorType, format_shape
from dlspec.ops.algebra import Algebra, Term


class Mixture(Family):
    """One of several components, chosen by a categorical distribution.

    The components are a list of distributions of one shape, or one distribution whose last batch axis counts them
    (``torch.distributions.MixtureSameFamily``). The weights have no other axes, or the batch axes of the components.
    """

    sized = True

    def __init__(self, a: Algebra, weights: Categorical, components: Family | list[Family]) -> None:
        self.weights = weights
        self.components = components
        first = components[0] if isinstance(components, list) else components
        batch = first.batch
        self.event = first.event
        count = len(components) if isinstance(components, list) else batch[-1] if batch else 1
        if isinstance(components, list):
            other = next((c for c in components if c.type != first.type or c.event != first.event), None)
            if other is not None:
                raise Failure(
                    "DL0201", f"the components of {self.title} are of one shape, not {first} and {other}", a.span,
                    hint="give them the same axes, as in `Normal(zeros([N]), 1.0)`",
                )  # fmt: skip
            self.type = first.type
        elif not batch:
            raise Failure(
                "DL0202", f"{self.title} takes components with a batch axis that counts them, not {first}", a.span
            )
        else:
            event = first.type.shape[len(batch) :]
            self.type = first.type.with_shape(*batch[:-1], *event)
        if not self.type.dtype.is_float:
            raise Failure("DL0207", f"{self.title} takes components of floating-point numbers, not {first}", a.span)
        if weights.classes != count or not isinstance(count, int):
            raise Failure(
                "DL0201" if isinstance(count, int) else "DL0205",
                f"{self.title} has {weights.classes} weights for {count} components", a.span,
            )  # fmt: skip
        if weights.batch not in ((), self.batch):
            both = f"{format_shape(weights.batch)} for components of {format_shape(self.batch)}"
            raise Failure("DL0201", f"{self.title} has weights of {both}", a.span)
        self.count = count

    def __str__(self) -> str:
        return f"Mixture of {self.count}, {self.type}"

    @property
    def values(self) -> list[Value]:
        parts = self.components if isinstance(self.components, list) else [self.components]
        return [value for part in parts for value in part.values]

    @property
    def _axis(self) -> int:
        """Where the components are counted, from the end."""
        return -1 - self.event

    def _each(self, a: Algebra, parts: list[Quantity] | Quantity, shape: Shape = ()) -> Term:
        """A quantity of every component side by side, with ``shape`` in front."""
        type_ = self.type.with_shape(*shape, *self.type.shape)
        if isinstance(parts, list):
            full = [filled(a, part, type_) for part in parts]
            terms = [p if isinstance(p, Term) else a.call("Const", value=p, dtype=type_.dtype.label) for p in full]
            return a.call("stack", *terms, dim=self._axis)
        batched = [*type_.shape]
        batched.insert(len(batched) - self.event, self.count)
        made = filled(a, parts, TensorType(type_.dtype, tuple(batched)))
        assert isinstance(made, Term)
        return made

    def _chosen(self, share: Term, values: Term) -> Term:
        """The values weighted by the share of each component, summed."""
        for _ in range(self.event):
            share = share.call("unsqueeze", dim=-1)
        return (share * values).call("sum", dim=self._axis)

    def sample(self, a: Algebra, shape: Shape) -> Term:
        """Gradients pass to the parameters of the component that is drawn, not to the weights."""
        prefix = shape if self.weights.batch else (*shape, *self.batch)
        index = self.weights.sample(a, prefix)
        drawn: list[Quantity] | Quantity
        if isinstance(self.components, list):
            drawn = [component.sample(a, shape) for component in self.components]
        else:
            drawn = self.components.sample(a, shape)
        share = index.call("one_hot", num_classes=self.count).call("cast", dtype=self.type.dtype)
        return self._chosen(share, self._each(a, drawn, shape))

    def log_prob(self, a: Algebra, x: Term) -> Quantity:
        logs = self.weights.log_probs(a)
        if isinstance(self.components, list):
            parts = [component.log_prob(a, x) for component in self.components]
            terms = [part for part in parts if isinstance(part, Term)]
            joint = a.call("stack", *terms, dim=-1)
        else:
            part = self.components.log_prob(a, x.call("unsqueeze", dim=self._axis))
            assert isinstance(part, Term)
            joint = part
        return (joint + logs).call("logsumexp", dim=-1)

    def mean(self, a: Algebra) -> Quantity:
        return self._chosen(self.weights.probs(a), self._means(a))

    def std(self, a: Algebra) -> Quantity:
        """Of the variances of the components and of their means."""
        probs, means = self.weights.probs(a), self._means(a)
        if isinstance(self.components, list):
            stds = self._each(a, [component.std(a) for component in self.components])
        else:
            stds = self._each(a, self.components.std(a))
        centre = self._chosen(probs, means).call("unsqueeze", dim=self._axis)
        spread = stds.call("square") + (means - centre).call("square")
        return apply("sqrt", self._chosen(probs, spread))

    def _means(self, a: Algebra) -> Term:
        if isinstance(self.components, list):
            return self._each(a, [component.mean(a) for component in self.components])
        return self._each(a, self.components.mean(a))
