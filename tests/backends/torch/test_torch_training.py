"""Generated trainers: their text, what they update, on which batches, and that they go on from a state."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from catalogue import FILES, program
from light import LIGHT
from torch import Tensor, nn
from train_snippets import NETWORKS, SIZES, TRAINS, Batch, batches, training

from dlspec.backends.runtime import make_inputs
from dlspec.backends.torch import source
from dlspec.backends.torch.live import load_source, to_training
from dlspec.backends.weights import initial_weights
from dlspec.ir.evaluation import evaluate
from dlspec.objectives.optimizers import OPTIMIZERS, SCHEDULES
from dlspec.objectives.training import STEP, Training
from dlspec.pipeline import elaborate, elaborate_training, open_source
from dlspec.source import Source

RUFF = Path(sys.executable).with_name("ruff")
GOLDEN = Path(__file__).parents[2] / "golden" / "torch"


def each() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("text", TRAINS.values(), ids=TRAINS)


# What is generated -----------------------------------------------------------------------------------------------------


def test_formatted_as_ruff_does(tmp_path: Path) -> None:
    for name, text in TRAINS.items():
        (tmp_path / f"{name}.py").write_text(source(training(text)), encoding="utf-8")
    program = open_source(Source("trains.dlspec", NETWORKS + "".join(TRAINS.values())))
    subjects = [
        *(elaborate(program, name) for name in program.networks),
        *(elaborate_training(program, name) for name in program.trains),
    ]
    (tmp_path / "whole.py").write_text(source(subjects), encoding="utf-8")
    found = subprocess.run(
        [RUFF, "format", "--isolated", "--line-length", "100", "--diff", tmp_path], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout
    unused = [RUFF, "check", "--isolated", "--select", "F", "--ignore", "F841", tmp_path]
    assert subprocess.run(unused, capture_output=True, text=True).stdout == "All checks passed!\n"


def test_networks_and_trains_of_a_file_share_their_classes() -> None:
    program = open_source(Source("trains.dlspec", NETWORKS + TRAINS["gan"] + TRAINS["vae"]))
    networks = [elaborate(program, name) for name in program.networks]
    text = source([*networks, *(elaborate_training(program, name) for name in program.trains)])
    classes = [line.split()[1].partition("(")[0].rstrip(":") for line in text.splitlines() if line.startswith("class ")]
    assert classes == ["Generator", "Critic", "Net", "Encoder", "Decoder", "GAN", "GANTrainer", "VAE", "VAETrainer"]
    assert load_source(text).__all__ == classes


def test_classes_of_one_name_are_told_apart() -> None:
    program = open_source(
        Source(
            "trains.dlspec",
            "block GANTrainer { Linear(3) -> Other2 }\nblock Other2 { Linear(3) }\n"
            "train GAN { data x: float[N, 3]\n shared net = GANTrainer\n minimize mean(x -> net) over net using SGD }\n"
            "train Other { data x: float[N, 3]\n shared net = Other2\n minimize mean(x -> net) over net using SGD }\n",
        )
    )
    made = load_source(source([elaborate_training(program, name) for name in program.trains]))
    assert made.__all__ == ["GAN", "GANTrainer", "Other", "OtherTrainer"]
    for name in ("GAN", "Other"):
        trainer = getattr(made, f"{name}Trainer")(getattr(made, name)())
        assert list(trainer.step(iter([{"x": torch.rand(2, 3)}]))) == ["net"]


@each()
def test_text_is_the_same_every_time(text: str) -> None:
    assert source(training(text)) == source(training(text))


@each()
def test_state_dict_has_the_names_of_the_spec(text: str) -> None:
    made = training(text)
    model, trainer = to_training(made)
    shapes = {path: tuple(tensor.shape) for path, tensor in model.state_dict().items()}
    for path, parameter in made.graph.parameters.items():
        assert shapes.pop(path) == parameter.shape
    for path, shape in shapes.items():
        assert made.graph.parameters[made.origin(path)].shape == shape
    names = [update.name for update in made.updates]
    assert list(trainer.optimizers) == list(trainer.parameters) == names
    assert list(trainer.schedules) == [update.name for update in made.updates if update.schedule is not None]


@each()
def test_steps_give_every_objective_and_train_only_what_is_named(text: str) -> None:
    made = training(text)
    model, trainer = to_training(made)
    before = copy.deepcopy(model.state_dict())
    kept = {path for network in made.networks.values() if network.frozen for path in _paths(made, network.name, before)}
    supply = iter(batches(made))
    for count in range(2):
        assert trainer.steps == count
        objectives = trainer.step(supply)
        assert list(objectives) == [update.name for update in made.updates]
        assert all(value.shape == () and value.isfinite() and not value.requires_grad for value in objectives.values())
    kept |= {path for part in made.frozen for path in _paths(made, part, before)}
    after = model.state_dict()
    for path in kept:
        follows = made.networks[path.partition(".")[0]].source is not None
        assert follows or torch.equal(after[path], before[path])
    trained = {name for update in made.updates for name in update.over}
    for name in trained:
        assert any(not torch.equal(after[path], before[path]) for path in _paths(made, name, after)), name


def _paths(made: Training, name: str, state: dict[str, Tensor]) -> list[str]:
    return [path for path in state if path == name or path.startswith(f"{name}.")]


@each()
def test_measured_tensors_are_those_that_are_named(text: str) -> None:
    made = training(text)
    model, _ = to_training(made)
    batch = batches(made, 1)[0]
    inputs = [torch.tensor(3) if value.name == STEP else batch[value.name] for value in made.graph.inputs]
    with torch.no_grad():
        found = model.measure(*inputs)
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        name: tuple(evaluate(dim, SIZES) for dim in value.type.shape) for name, value in made.named.items()
    }


def test_runs_without_dlspec(tmp_path: Path) -> None:
    text = f"{source(training(TRAINS['everything']))}\n" + (
        "import sys\n"
        "trainer = EverythingTrainer(Everything())\n"
        "batch = {'x': torch.rand(4, 3), 'wanted': torch.rand(4, 3)}\n"
        "trainer.step(iter([batch]))\n"
        "assert trainer.steps == 1\n"
        "assert not any(name.startswith('dlspec') for name in sys.modules)\n"
    )
    (tmp_path / "made.py").write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, "-I", tmp_path / "made.py"], check=True)


def test_golden() -> None:
    """A generated trainer as it is read. With UPDATE_GOLDEN=1 in the environment it is written anew."""
    path = GOLDEN / "gan_trainer.py"
    text = source(training(TRAINS["gan"]))
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


# Optimizers ------------------------------------------------------------------------------------------------------------

SCHEDULED = {
    "StepLR": "3, gamma=0.5",
    "MultiStepLR": "[2, 3]",
    "ConstantLR": "factor=0.5, total_iters=2",
    "LinearLR": "start_factor=0.25, total_iters=3",
    "ExponentialLR": "0.9",
    "PolynomialLR": "total_iters=4, power=2.0",
    "CosineAnnealingLR": "4, eta_min=1e-4",
    "CosineAnnealingWarmRestarts": "2, T_mult=2",
    "OneCycleLR": "max_lr=0.1, total_steps=6",
    "CyclicLR": "0.1, 0.5, step_size_up=3",
    "ReduceLROnPlateau": "patience=0, threshold=0.9",
}
"""The arguments of a schedule: those of torch in its order."""


def updated(using: str) -> tuple[Training, Any]:
    made = training(f"""
train Fit {{
    data x: float[N, 3]
    shared net = Net
    minimize mean((x -> net) ** 2) over net using {using}
}}
""")
    return made, to_training(made)[1]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_have_the_defaults_of_torch(name: str) -> None:
    _, trainer = updated(name)
    found = trainer.optimizers["net"]
    expected = getattr(torch.optim, name)([nn.Parameter(torch.zeros(1))])
    assert type(found) is type(expected)
    assert found.defaults == expected.defaults


def test_all_optimizers_of_torch_are_here_but_those_that_need_more_than_a_gradient() -> None:
    theirs = {
        name
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    }
    # SparseAdam takes sparse gradients, Muon matrices only.
    assert theirs - set(OPTIMIZERS) <= {"SparseAdam", "Muon", "Adafactor"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_take_every_argument(name: str) -> None:
    fields = OPTIMIZERS[name].fields
    changed = {
        field.name: not value if isinstance(value := field.converted_default, bool) else
        (0.25, 2.0) if field.name == "etas" else "strong_wolfe" if field.name == "line_search_fn" else
        3 if field.kind == "int" else tuple(one * 0.5 for one in value) if isinstance(value, tuple) else
        1e-9 if field.name == "eps" else 0.25
        for field in fields
        if field.name not in ("nesterov", "dampening")
    }  # fmt: skip
    given = ", ".join(f"{key}={json.dumps(v)}" for key, v in changed.items())
    made, trainer = updated(f"{name}({given})")
    for key, value in changed.items():
        assert trainer.optimizers["net"].defaults[key] == value, key
    trainer.step(iter(batches(made)))


def test_all_schedules_are_compared() -> None:
    assert SCHEDULES.keys() - SCHEDULED.keys() == {"SequentialLR"}  # its parts have an optimizer: see test_torch_loops


@pytest.mark.parametrize("name", SCHEDULED)
def test_schedules_are_those_of_torch(name: str) -> None:
    made, trainer = updated(f"SGD(lr=0.5, momentum=0.9, schedule={name}({SCHEDULED[name]}))")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5, momentum=0.9)
    expected = eval(f"torch.optim.lr_scheduler.{name}(optimizer, {SCHEDULED[name]})")
    supply = cycle(batches(made))
    rates: set[float] = set()
    for _ in range(5):
        (objective,) = trainer.step(supply).values()
        optimizer.step()
        expected.step(*([objective] if SCHEDULES[name].looks else []))
        assert trainer.optimizers["net"].param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]
        rates.add(optimizer.param_groups[0]["lr"])
    assert len(rates) > 1


# Shipped trains --------------------------------------------------------------------------------------------------------

SHIPPED = [(path.stem, name) for path in FILES for name in program(path.stem).trains]
SMALL = 1_000
"""Nodes of a train that is small enough to make a step here."""


@pytest.mark.parametrize(("file", "name"), SHIPPED, ids=[f"{file}:{name}" for file, name in SHIPPED])
def test_shipped_trains_make_a_step(file: str, name: str, tmp_path: Path) -> None:
    made = elaborate_training(program(file), name, LIGHT.get(f"{file}:{name}"))
    if len(made.graph.nodes) > SMALL:
        pytest.skip("too large for a test of every day")
    (tmp_path / "made.py").write_text(source(made), encoding="utf-8")
    formatted = [RUFF, "format", "--isolated", "--line-length", "100", "--diff", tmp_path]
    assert subprocess.run(formatted, capture_output=True, text=True).stdout == ""
    model, trainer = to_training(made)
    before = copy.deepcopy(model.state_dict())
    sizes = dict.fromkeys(made.graph.symbols, 3) | made.graph.default_sizes() | {"N": 4}
    ranges = {data.value.name: (0.0, 1.0) for data in made.data if data.value.type.dtype.is_float}
    arrays = make_inputs(made.graph, sizes, ranges=ranges)
    objectives = trainer.step(cycle([{key: torch.from_numpy(array) for key, array in arrays.items()}]))
    assert list(objectives) == [update.name for update in made.updates]
    after = model.state_dict()
    for label in {label for update in made.updates for label in update.over}:
        assert any(not torch.equal(after[path], before[path]) for path in _paths(made, label, after)), label


# Rules -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "taken", "used"),
    [("gan", 3, {"judge": [0, 1, 2], "generate": [2]}), ("two_steps_of_one", 2, {"net": [0], "net_2": [0, 1]})],
)
def test_which_batches_the_updates_take(name: str, taken: int, used: dict[str, list[int]]) -> None:
    made = training(TRAINS[name])
    _, trainer = to_training(made)
    data = batches(made)
    supply = iter(data)
    seen: dict[str, list[int]] = {}
    for update in made.updates:
        inner = getattr(trainer, f"update_{update.name}")

        def spy(*tensors: Tensor, name: str = update.name, inner: Any = inner) -> Tensor:
            position = next(i for i, batch in enumerate(data) if any(v is tensors[0] for v in batch.values()))
            seen.setdefault(name, []).append(position)
            return inner(*tensors)

        setattr(trainer, f"update_{update.name}", spy)
    trainer.step(supply)
    assert seen == used
    assert len(list(supply)) == len(data) - taken


def test_no_batch_left_is_told() -> None:
    made = training(TRAINS["gan"])
    _, trainer = to_training(made)
    with pytest.raises(StopIteration):
        trainer.step(iter(batches(made, 2)))


def test_gradients_are_of_what_is_updated_alone() -> None:
    made = training(TRAINS["gan"])
    model, trainer = to_training(made)
    real = batches(made, 1)[0]["real"]
    trainer.update_judge(real)
    assert all(parameter.grad is None for parameter in model.generate.parameters())
    before = [parameter.grad.clone() for parameter in model.judge.parameters()]
    trainer.update_generate(real)
    after = [parameter.grad for parameter in model.judge.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_backward_can_be_replaced() -> None:
    made = training(TRAINS["wgan"])
    _, trainer = to_training(made)
    calls: list[tuple[float, int]] = []

    def backward(objective: Tensor, parameters: list[nn.Parameter]) -> None:
        calls.append((objective.item(), len(parameters)))
        objective.backward(inputs=parameters)

    trainer.backward = backward
    objectives = trainer.step(iter(batches(made)))
    assert [count for _, count in calls] == [4, 4, 4]
    assert calls[1][0] == -objectives["judge"].item()
    assert calls[2][0] == -objectives["generate"].item()


@pytest.mark.parametrize("name", ["everything", "vae"])
def test_goes_on_from_a_state(name: str) -> None:
    made = training(TRAINS[name])
    data = batches(made)

    def steps(trainer: Any, supply: Iterator[Batch], count: int) -> list[list[float]]:
        return [[value.item() for value in trainer.step(supply).values()] for _ in range(count)]

    torch.manual_seed(3)
    unbroken = steps(to_training(made)[1], iter(data), 6)
    torch.manual_seed(3)
    supply = iter(data)
    _, first = to_training(made)
    found = steps(first, supply, 3)
    _, second = to_training(made, seed=9)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    assert second.steps == 3
    assert found + steps(second, supply, 3) == unbroken


def test_modes() -> None:
    model: Any = to_training(training(TRAINS["everything"]))[0]
    for mode in (True, False, True):
        assert model.train(mode) is model
        assert [model.net.training, model.slow.training, model.teacher.training] == [mode, False, False]
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == {
        "net.fc.weight", "net.fc.bias", "net.1.weight", "net.1.bias", "net.out.weight", "net.out.bias", "scale.weight",
        "shift",
    }  # fmt: skip


def test_a_moving_average_begins_as_its_source() -> None:
    made = training(TRAINS["everything"])
    for model in (to_training(made)[0], to_training(made, initial_weights(made, 7))[0]):
        state = model.state_dict()
        assert all(torch.equal(value, state[made.origin(path)]) for path, value in state.items())
    weights = initial_weights(made, 7)
    other: Any = to_training(made, weights | {"slow.out.bias": weights["slow.out.bias"] + 1})[0]
    assert torch.equal(other.slow.out.bias, other.net.out.bias + 1)


def test_an_average_that_nothing_uses_is_kept() -> None:
    made = training(TRAINS["looked_at"].replace("shown = normal([5, 3]) -> slow", "").replace(", shown]", ", x]"))
    assert not any(path.startswith("slow") for path in made.graph.parameters)
    model, trainer = to_training(made)
    before = copy.deepcopy(model.state_dict())
    trainer.step(iter(batches(made)))
    after = model.state_dict()
    for path in ("fc.weight", "out.bias"):
        assert torch.equal(before[f"slow.{path}"], before[f"net.{path}"])
        assert torch.equal(after[f"slow.{path}"], before[f"slow.{path}"].lerp(after[f"net.{path}"], 1 - 0.5))
    weights = initial_weights(made) | {"slow.out.bias": after["slow.out.bias"].numpy()}
    assert torch.equal(to_training(made, weights)[0].state_dict()["slow.out.bias"], after["slow.out.bias"])


def test_sizes_that_do_not_fit_are_refused() -> None:
    made = training("""
network Half(image: float[N, 1, H = 4, W = 4]) -> y {
    image -> Add { Identity | MaxPool(2) -> Upsample(scale_factor=2) } -> Conv(1, 1)
}
train Halves {
    data image: float[N, 1, H = 4, W = 4]
    shared net = Half
    minimize mean(image -> net) over net using SGD
}
""")
    _, trainer = to_training(made)
    with pytest.raises(ValueError, match="Halves needs H % 2 == 0 and W % 2 == 0, not H = 5, W = 4"):
        trainer.step(iter([{"image": torch.rand(1, 1, 5, 4)}]))
