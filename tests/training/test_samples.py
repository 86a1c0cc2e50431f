"""What a run draws of itself: grids of what are images, one curve for a number, and a hint about statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn
from trains import LENET, Call, training

from dlspec.training.pictures import names_of, numbers_of
from dlspec.training.samples import Samples
from dlspec.training.settling import unsettled

BODY = """\
network Draw(z: float[N, 4]) -> image {{ z -> Linear(16) -> Sigmoid -> Reshape([N, 1, 4, 4]) }}
train T {{
    data x: float[N, 1, 4, 4]
    data flat: float[N, 4 * 4]
    shared f = Draw
    z = normal([x.batch, 4])
    made = z -> f
    named = {expression}
    minimize mse(made, x) + mean(flat) + mean(named) over f using SGD(lr=1e-2)
}}
"""


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("made * 2", True),
        ("made + normal([x.batch, 1, 4, 4])", True),
        ("0.5 * normal([x.batch, 1, 4, 4])", False),
        ("exp(normal([x.batch, 1, 4, 4]) * uniform([x.batch, 1, 1, 1]))", False),
        ("mean(made, (2, 3), keepdim=true)", False),
        ("grad(mean(made ** 2), made)", False),
        ("abs(-3.0 * grad(mean(made ** 2), made))", False),
        ("made - 0.1 * grad(mean(made ** 2), made)", True),
        ("reshape(made, [x.batch, 16])", True),
        ("reshape(made, [x.batch, 8, 2])", False),
        ("z", False),
    ],
)
def test_which_tensors_are_samples(expression: str, shown: bool) -> None:
    made = training(BODY.format(expression=expression), "T")
    (flat,) = [data.pixels for data in made.data if data.pixels]
    assert flat == (1, 4, 4)
    assert ("named" in Samples(made, {16: flat}, Path())._names) is shown  # type: ignore[reportPrivateUsage]


def test_vectors_of_the_digits_are_images_of_every_epoch(call: Call) -> None:
    Path("t.dlspec").write_text("""\
network Same(x: float[N, 64]) -> y { x -> Linear(8) -> Linear(64) }
train Fit {
    data x: float[N, 64]
    shared f = Same
    y = x -> f
    minimize mse(y, x) over f using SGD(lr=1e-2)
}
""")
    assert call("train", "t.dlspec", "--data", "digits", "--epochs", "2", "--batch-size", "800", "--out", "run")[0] == 0
    written = sorted(Path("run/samples/y").iterdir())
    assert [path.name for path in written] == ["00000002.png", "00000004.png"]
    with Image.open(written[0]) as image:
        assert image.size[0] == image.size[1] > 8 * 8
        assert len(set(image.tobytes())) > 5


def test_an_objective_that_the_body_names_is_one_number() -> None:
    made = training(LENET, "Classify")
    assert names_of(made) == {"classify": "loss"}
    record = {"objectives": {"classify": 2.0}, "named": {"loss": 1.0, "accuracy": 0.5}}
    assert numbers_of(record, names_of(made)) == {"loss": 2.0, "accuracy": 0.5}
    twice = LENET.replace("minimize loss", "minimize loss over classify using SGD\n    minimize loss")
    assert names_of(training(twice, "Classify")) == {}


@pytest.mark.parametrize(
    ("held_out", "steps", "said"), [(9.0, 3, True), (np.nan, 3, True), (1.2, 3, False), (9.0, 500, False)]
)
def test_statistics_that_have_not_settled_are_told(held_out: float, steps: int, said: bool) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].num_batches_tracked.fill_(steps)  # type: ignore[reportCallIssue]
    hint = unsettled(model, {"f": 1.0}, {"f": float(held_out)})
    assert bool(hint) is said
    assert not said or "the running statistics of `1` have seen 3 batches and are 73% what they began as" in hint
    model.eval()
    assert not unsettled(model, {"f": 1.0}, {"f": float(held_out)})  # frozen ones are never settled
