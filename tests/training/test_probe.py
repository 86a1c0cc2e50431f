"""What `--probe` sees: gradients that vanish, units that died, and nothing that changes the run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch import nn
from torch.nn import functional as F
from trains import Call, records

from dlspec.training.probe import Probe, findings

DEEP = """\
network Deep(image: float[N, 64], act = "sigmoid", low = 0.0) -> logits {
    image
    -> repeat 12 {
        Linear(32, weight_init=kaiming_normal(), bias_init=constant(low)) -> if act == "sigmoid" { Sigmoid } else { ReLU }
    }
    -> Linear(10)
}
train Fit(act = "sigmoid", low = 0.0) {
    data image: float[N, 64]
    data label: int[N]
    shared f = Deep(act=act, low=low)
    loss = cross_entropy(image -> f, label)
    minimize loss over f using SGD(lr=0.1)
}
"""


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "gradients vanish on the way back"),
        (["--set", "act=relu", "--set", "low=-50.0"], "100% of the units behind `f.1` are dead"),
        (["--set", "act=relu"], None),
    ],
)
def test_what_goes_wrong_in_deep_networks_is_seen(call: Call, more: list[str], says: str | None) -> None:
    Path("deep.dlspec").write_text(DEEP)
    given = ("train", "deep.dlspec", "--data", "digits", "--steps", "21", "--out", "run", "--probe")
    status, out, err = call(*given, *more)
    assert (status, err) == (0, "")
    assert (says in out) if says else ("vanish" not in out and "dead" not in out)
    seen = {record["step"]: record["probe"] for record in records("run") if "probe" in record}
    assert list(seen) == [1, 10, 20]
    assert list(seen[1]["variance"]) == list(seen[1]["gradients"]) == [f"f.{i}" for i in range(0, 25, 2)]
    assert list(seen[1]["dead"]) == ([f"f.{i}" for i in range(1, 25, 2)] if more else [])
    gradients = list(seen[20]["gradients"].values())
    assert (gradients[0] < 1e-3 * gradients[-1]) is bool(says)
    if not says:
        with Image.open("run/curves.png") as image:
            assert image.height > 4 * 250  # the loss, gradients, dead units and the start


def test_it_changes_nothing_and_a_run_goes_on_with_it(call: Call) -> None:
    gan = ("train", "gan.dlspec", "--data", "digits", "--log-every", "2", "--every", "2")
    for name, steps, more in (
        ("plain", "4", ()),
        ("probed", "2", ("--probe",)),
        ("probed", "4", ("--probe", "--resume")),
    ):
        assert call(*gan, "--steps", steps, "--out", name, *more)[0] == 0
    first, second = (load_file(f"{name}/model.safetensors") for name in ("plain", "probed"))
    assert all(np.array_equal(first[path], second[path]) for path in first)
    assert not any("probe" in record for record in records("plain"))
    seen = [record["probe"] for record in records("probed")]
    assert [record["step"] for record in records("probed")] == [1, 2, 4]
    assert list(seen[0]["gradients"]) == ["generate.0", "generate.1", "judge.2"]


class Functions(nn.Module):
    """ReLU as a function, twice, and as a layer, behind a convolution of which one channel is dead."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.fc = nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Linear(4, 2)
        nn.init.constant_(self.conv.bias, 1.0)  # type: ignore[reportArgumentType]
        with torch.no_grad():
            self.conv.bias[2] = -9.0  # type: ignore[reportOptionalSubscript]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.conv(x), inplace=True)
        return self.fc(self.relu(torch.relu(h.mean((2, 3)) - 1e-3)))


def test_numbers_are_those_of_torch() -> None:
    torch.manual_seed(0)
    model: Any = nn.ModuleDict({"f": Functions()})
    trainer = SimpleNamespace(backward=lambda objective, parameters: objective.backward(inputs=parameters))
    probe = Probe(model, trainer)
    x, given = torch.rand(5, 1, 6, 6), list(model.parameters())
    with probe.looking():
        trainer.backward(model["f"](x).square().mean(), given)
    seen = probe.record()
    f = model["f"]
    norm = torch.cat([f.conv.weight.grad.flatten(), f.conv.bias.grad]).norm()
    assert seen["gradients"]["f.conv"] == pytest.approx(float(norm), rel=1e-5)
    assert seen["variance"] == {
        "f.conv": pytest.approx(float(f.conv(x).detach().var(correction=0)), rel=1e-5),
        "f.fc": pytest.approx(float(f(x).detach().var(correction=0)), rel=1e-5),
    }
    assert seen["dead"] == {"f.relu": 0.25, "f.relu~2": 0.25}
    trainer.backward(f(x).mean(), given)
    assert probe.record() == seen  # it looks where it is asked to


@pytest.mark.parametrize(
    ("gradients", "said"),
    [
        ({"f.0": 1e-9, "f.2": 1.0}, "gradients vanish on the way back: their norm is 1e-09 at `f.0` and 1 at `f.2`"),
        ({"f.0": 5e4, "f.2": 1.0}, "gradients explode on the way back"),
        ({"f.0": 1e-9, "g.0": 1.0}, None),
        ({"f.0": None, "f.2": 1.0}, None),
    ],
)
def test_what_is_said_of_gradients(gradients: dict[str, float | None], said: str | None) -> None:
    found = list(findings({"gradients": gradients, "dead": {"f.1": 0.4}}))
    assert (len(found) == 1 and said in found[0]) if said else not found
