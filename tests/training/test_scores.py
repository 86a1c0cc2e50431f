"""What a run says of classes and of itself at its end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix, precision_score, recall_score
from torch.nn import functional as F
from trains import Call, records, training

from dlspec.training.scores import Counter, Scores
from dlspec.training.summary import best_held_out, speed

BODY = """\
network Net(x: float[N, 4]) -> y {{ x -> Linear({classes}) }}
train Fit {{
    data x: float[N, 4]
    data label: {type}
    shared f = Net
    minimize {objective} over f using SGD(lr=0.1)
}}
"""


def counter(objective: str, classes: int = 3, type: str = "int[N]", names: tuple[str, ...] = ()) -> Counter:
    made = training(BODY.format(objective=objective, classes=classes, type=type), "Fit")
    columns = [SimpleNamespace(name=d.value.name, data=d, source=SimpleNamespace(classes=names)) for d in made.data]
    table: Any = SimpleNamespace(training=made, columns=columns)
    devices: Any = SimpleNamespace(device="cpu", processes=1, sharded=False, mean=lambda numbers: numbers)
    return Counter(table, devices)


def counted(of: Counter, logits: torch.Tensor, target: torch.Tensor) -> Scores:
    for part in range(0, len(logits), 50):
        with of.counting():
            F.cross_entropy(logits[part : part + 50], target[part : part + 50])
            F.cross_entropy(logits[part : part + 50], target[part : part + 50])  # another objective of the same batch
    scores = of.scores()
    assert scores is not None
    return scores


def test_numbers_are_those_of_scikit_learn() -> None:
    torch.manual_seed(0)
    logits, target = 2 * torch.randn(400, 3), torch.randint(0, 3, (400,))
    target[::9] = -100
    of = counter("cross_entropy(x -> f, label)", names=("cat", "dog", "bird"))
    scores = counted(of, logits, target)
    assert of.scores() is None
    known = target != -100
    told, true = logits.argmax(1)[known].numpy(), target[known].numpy()
    np.testing.assert_array_equal(scores.matrix, confusion_matrix(true, told))
    np.testing.assert_allclose(scores.precision, precision_score(true, told, average=None))
    np.testing.assert_allclose(scores.recall, recall_score(true, told, average=None))
    sure, error = logits.softmax(1).max(1).values[known].numpy(), 0.0
    for low in np.arange(15) / 15:
        inside = (sure >= low) & (sure < low + 1 / 15)
        if inside.any():
            error += inside.mean() * abs(sure[inside].mean() - (told == true)[inside].mean())
    assert scores.ece == pytest.approx(error, abs=1e-5)
    assert list(scores.record()["recall"]) == ["cat", "dog", "bird"]
    worst = int(np.argmin(scores.recall))
    assert f"least recall {scores.recall[worst]:.2f} of {('cat', 'dog', 'bird')[worst]}" in str(scores)


@pytest.mark.parametrize(
    ("objective", "type", "classes", "counts"),
    [
        ("cross_entropy(x -> f, label)", "int[N]", 3, True),
        ("nll_loss(log_softmax(x -> f, 1), label)", "int[N]", 3, True),
        ("cross_entropy(x -> f, label)", "int[N]", 201, False),
        ('mse(x -> f, cast(one_hot(label, 3), "float"))', "int[N]", 3, False),
        ("mse(x -> f, label)", "float[N, 3]", 3, False),
        ("cross_entropy(x -> f, arange(label.batch))", "int[N]", 3, False),
    ],
)
def test_what_is_counted(objective: str, type: str, classes: int, counts: bool) -> None:
    assert bool(counter(objective, classes, type)) is counts


def test_the_end_of_a_run(call: Call) -> None:
    fit = ("train", "mlp.dlspec", "--data", "digits", "--batch-size", "300", "--out", "run")
    status, out, err = call(*fit, "--epochs", "3")
    assert (status, err) == (0, "")
    said = out.splitlines()
    held = records("run")[-1]["held_out"]["classes"]
    right = round(180 * held["accuracy"])
    assert any(
        re.match(rf"label: {right} of 180 right, least recall 0\.\d\d of \d, least precision", line) for line in said
    )
    assert any(re.fullmatch(r"15 steps in [\d.]+ s, [\d,]+ examples a second", line) for line in said)
    assert said[-1] == "in run: metrics.jsonl, curves.png, classes.png, checkpoints"
    assert [len(held[each]) for each in ("precision", "recall")] == [10, 10]
    with Image.open("run/classes.png") as image:
        assert image.width > 2 * image.height
    told = call(*fit, "--eval")[1]
    assert re.search(r"^label: [\d,]+ of 1,797 right, .*, calibration error 0\.\d{3}$", told, re.MULTILINE)
    call("train", "gan.dlspec", "--data", "digits", "--steps", "1", "--out", "gan")
    assert not Path("gan/classes.png").exists()
    assert "classes" not in records("gan")[-1]["held_out"]


@pytest.mark.parametrize(
    ("losses", "direction", "said"),
    [
        ([3.0, 1.0, 2.0], "minimize", "best held out: fit 1 at step 20; --best fit keeps such a checkpoint"),
        ([3.0, 1.0, 2.0], "maximize", "best held out: fit 3 at step 10; --best fit keeps such a checkpoint"),
        ([3.0, 1.0, 0.5], "minimize", None),
        ([None, None], "minimize", None),
        ([], "minimize", None),
    ],
)
def test_the_best_that_is_behind_is_told(
    losses: list[float | None], direction: str, said: str | None, tmp_path: Path
) -> None:
    lines = [
        {"step": 10 * i, "objectives": {}, "held_out": {"objectives": {"f": loss}}} for i, loss in enumerate(losses, 1)
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, {"step": 99}]))
    made: Any = SimpleNamespace(updates=[SimpleNamespace(name="f", direction=direction)])
    assert list(best_held_out(made, path, {"f": "fit"})) == ([] if said is None else [said])


@pytest.mark.parametrize(
    ("seconds", "said"), [(2.04, "in 2.0 s, 49 "), (125, "in 2 min 5 s, 1 "), (7384, "in 2 h 3 min, 0 ")]
)
def test_how_long_it_took(seconds: float, said: str) -> None:
    assert said in speed(10, 100, seconds)
