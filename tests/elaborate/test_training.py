"""What a `train` elaborates to, and which weights its objectives reach."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from dlspec.analyses.objectives import reached
from dlspec.analyses.training_report import TrainingSummary
from dlspec.diagnostics import DlspecError
from dlspec.objectives.augmentations import RandomCrop
from dlspec.objectives.optimizers import Adam, AdamW, Limits, StepLR
from dlspec.objectives.training import STEP, Training
from dlspec.pipeline import check_source, elaborate, elaborate_training, open_source
from dlspec.source import Source

NETWORKS = """
network Net(image: float[N, 1, 8, 8], width = 4) -> y { image -> Conv(width, 3) -> Flatten -> Linear(10) }
network Critic(image: float[N, 1, 8, 8]) -> score { image -> Flatten -> Linear(1) }
"""
BODY = """
    data image: float[N, 1, 8, 8]
    shared net = Net
    shared judge = Critic
    y = image -> net
    loss = mean(y ** 2)
"""
TIED = """
    data image: float[N, 1, 8, 8]
    shared a = Linear(8)
    h = image -> a
    shared b = Linear(8, weight=a.weight)
"""
TIED_INSIDE = """
    data x: float[N, 8]
    shared net = { shared embed = Linear(8)
        x -> embed -> inner: Linear(8) -> out: Linear(8, weight=embed.weight) }
    h = x -> net
"""


def training(body: str, parameters: str = "", **settings: Any) -> Training:
    program = open_source(Source("train.dlspec", f"{NETWORKS}train T{parameters} {{\n{body}\n}}\n"))
    return elaborate_training(program, "T", settings)


def codes(body: str) -> list[str]:
    return [found.code for found in check_source(Source("train.dlspec", f"{NETWORKS}train T {{\n{body}\n}}\n"))]


def test_updates_in_order_with_their_names() -> None:
    made = training(
        BODY
        + """
    minimize loss over net using Adam(lr=2e-4, betas=(0.5, 0.999), schedule=StepLR(10), clip_grad_norm=1) times 3
    maximize mean(image -> judge) + loss over judge, net using Adam
    minimize loss over net using Adam
    """
    )
    first, second, third = made.updates
    assert [update.name for update in made.updates] == ["net", "judge_net", "net_2"]
    assert (first.direction, first.times, first.over) == ("minimize", 3, ("net",))
    assert first.optimizer == Adam(lr=2e-4, betas=(0.5, 0.999))
    assert first.schedule == StepLR(10)
    assert first.limits == Limits(clip_grad_norm=1)
    assert (second.direction, second.over, second.schedule, second.limits) == (
        "maximize", ("judge", "net"), None, Limits(),
    )  # fmt: skip
    assert [output.name for output in made.graph.outputs] == ["net", "judge_net", "net_2"]
    assert third.objective is first.objective


def test_an_optimizer_can_have_a_name() -> None:
    made = training(
        BODY
        + """
    slowly = Adam(lr=1e-5)
    minimize loss over net using slowly
    minimize mean(image -> judge) over judge using slowly
    """
    )
    assert [update.optimizer for update in made.updates] == [Adam(lr=1e-5)] * 2


def test_weights_are_those_of_the_shared_networks() -> None:
    made = training(BODY + "minimize loss + mean(image -> judge) over net, judge using SGD")
    assert list(made.graph.parameters) == [
        "net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias", "judge.1.weight", "judge.1.bias",
    ]  # fmt: skip
    assert made.weights("judge") == ["judge.1.weight", "judge.1.bias"]
    assert made.networks["net"].declaration == "Net"


def test_named_tensors_are_kept() -> None:
    made = training(BODY + "minimize loss + mean(image -> judge) over net, judge using SGD")
    assert {name: value.type.rank for name, value in made.named.items()} == {"y": 2, "loss": 0}


def test_counts_with_the_least_batch_that_fits() -> None:
    text = "network Net(x: float[N, 10], t: float[8, 10]) -> loss { cross_entropy(x, t) }"
    assert elaborate(open_source(Source("n.dlspec", text)), "Net").default_sizes() == {"N": 8}


def test_a_train_is_not_imported() -> None:
    text = "from std.vae import TrainVAE\nnetwork Net(x: float[N, 3]) -> y { x -> Linear(1) }"
    (found,) = check_source(Source("train.dlspec", text))
    assert (found.code, found.message) == ("DL0405", "`TrainVAE` is a train, and trains are not imported")
    assert "`std.vae:TrainVAE`" in found.hint


def test_settings() -> None:
    body = BODY.replace("Net\n", "Net(width)\n") + "minimize loss + mean(image -> judge) over net, judge using SGD"
    assert training(body, "(width = 4)", width=6).graph.parameters["net.0.weight"].shape == (6, 1, 3, 3)


def test_augmentations_and_frozen_and_average_networks() -> None:
    made = training("""
    data image: float[N, 1, 8, 8] -> RandomCrop(8, padding=1)
    shared net = Net
    shared fixed = freeze(Net)
    shared slow = moving_average(net, decay=0.9)
    param scale: float[1] = 1.0
    minimize mean(((image -> net) - (image -> fixed)) ** 2) + mean(scale) over net, scale using SGD
    """)
    assert made.data[0].augmentations == (RandomCrop(8, padding=1),)
    assert made.networks["fixed"].frozen
    slow = made.networks["slow"]
    assert (slow.frozen, slow.source, slow.decay) == (True, "net", 0.9)
    assert made.weights("slow") == made.weights("net")
    assert made.updates[0].over == ("net", "scale")
    assert made.named == {}


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        ("mean(image -> net)", {"net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"}),
        ("mean(image -> judge) + mean(floor(image -> net))", {"judge.1.weight", "judge.1.bias"}),
        ("mean(cast((image -> net) > 0, \"float\")) + mean(image -> judge)", {"judge.1.weight", "judge.1.bias"}),
    ],
)  # fmt: skip
def test_what_a_gradient_reaches(objective: str, expected: set[str]) -> None:
    over = "judge" if "judge" in objective else "net"
    made = training(BODY + f"minimize {objective} over {over} using SGD")
    assert reached(made.updates[0].objective) == expected


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        ("ramp(1.0, 3.0, steps=10)", {0: 1, 5: 2, 10: 3, 99: 3}),
        ("cosine(1.0, 0.0, 10)", {0: 1, 5: 0.5, 10: 0, 99: 0}),
        ("step(8.0, 0.5, every=3)", {0: 8, 2: 8, 3: 4, 7: 2}),
        ("logistic(0.0, 2.0, middle=10, slope=0.5)", {10: 1, 12: 2 / (1 + math.exp(-1)), 0: 2 / (1 + math.exp(5))}),
    ],
)
def test_schedules_are_functions_of_the_step(schedule: str, values: dict[int, float]) -> None:
    from dlspec.backends.onnx.model import build
    from dlspec.backends.onnx.write import to_bytes
    from dlspec.backends.runtime import Session

    made = training(BODY + f"minimize {schedule} * loss over net using SGD")
    assert [value.name for value in made.graph.inputs] == ["image", STEP]
    session = Session(to_bytes(build(made.graph)))
    image = np.ones((1, 1, 8, 8), np.float32)
    (one,) = (
        Session(to_bytes(build(training(BODY + "minimize loss over net using SGD").graph)))
        .run({"image": image})
        .values()
    )
    for step, factor in values.items():
        (found,) = session.run({"image": image, STEP: np.array(step)}).values()
        assert found == pytest.approx(factor * one, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (BODY, "DL0703"),
        (BODY + "minimize y over net using Adam", "DL0704"),
        (BODY + "minimize 3 over net using Adam", "DL0704"),
        (BODY + "minimize loss over y using Adam", "DL0705"),
        (BODY + "minimize loss over Net using Adam", "DL0705"),
        (BODY + "minimize loss over net.head using Adam", "DL0705"),
        (BODY + "minimize loss over net[0:1] using Adam", "DL0705"),
        (BODY + "minimize loss over net.0.weight.more using Adam", "DL0705"),
        (BODY + "minimize loss over net.0.weight(lr=1e-3, lr=1) using Adam", "DL0303"),
        (BODY + "minimize loss over net(rl=1e-3) using Adam", "DL0303"),
        (BODY + "minimize loss over net(clip_weights=1) using Adam", "DL0303"),
        (BODY + "minimize loss over net(1e-3) using Adam", "DL0306"),
        (BODY + "minimize loss over net(lr=-1) using Adam", "DL0208"),
        (BODY + "minimize loss over net(lr=loss) using Adam", "DL0305"),
        (BODY + "minimize loss over net(lr=ramp(0, 1, 2)) using SGD(schedule=StepLR(1))", "DL0208"),
        (BODY + "minimize loss over net.0(lr=1), net using SGD(schedule=OneCycleLR(0.1, 10))", "DL0208"),
        (BODY + "minimize loss over net(lr=1) using LBFGS", "DL0208"),
        (BODY + 'minimize loss over net using SGD(decay="weights")', "DL0208"),
        (BODY + 'minimize loss over net using Rprop(decay="weights")', "DL0303"),
        (BODY + 'minimize loss over net using AdamW(decay="norms")', "DL0305"),
        (BODY + "minimize loss over net, net using Adam", "DL0303"),
        (BODY + "minimize loss over net, net.0, net.2 using Adam", "DL0705"),
        (BODY + "freeze(net.0)\nminimize loss over net.0 using Adam", "DL0705"),
        (BODY + "freeze(net.0)\nminimize loss over net.0.weight, net using Adam", "DL0705"),
        (BODY + "freeze(net)\nminimize loss over net using Adam", "DL0705"),
        (BODY + "minimize loss over net using Adam\nfreeze(net.1)", "DL0705"),
        (BODY + "minimize loss over net using Adam\nfreeze(judge.1)", "DL0705"),
        (BODY + "minimize loss over net using Adam\nfreeze(layer=net.0)", "DL0303"),
        (BODY + "minimize loss over net using Adam\nfreeze(y)", "DL0705"),
        (BODY + "g = freeze(net.0)\nminimize loss over net using Adam", "DL0305"),
        (TIED_INSIDE + "minimize mean(h) over net.embed, net.out(lr=1e-3) using Adam", "DL0705"),
        (TIED_INSIDE + "freeze(net.embed)\nminimize mean(h) over net using Adam", "DL0705"),
        (TIED + "minimize mean(h -> b) over a, b using Adam", "DL0705"),
        (BODY + "minimize loss over net using Adan", "DL0706"),
        (BODY + "minimize loss over net using Adam(schedule=3)", "DL0706"),
        (BODY + "minimize loss over net using Adam { x }", "DL0706"),
        (BODY + "minimize loss over net using Adam(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)", "DL0306"),
        (BODY + "minimize loss over net using Adam(1, (0.5, 0.9), 1e-8, 0, false, 6)", "DL0706"),
        (BODY + "minimize loss over net using Adam(lr=1, lr=2)", "DL0303"),
        (BODY + "minimize loss over net using Adam(clip_weights=0)", "DL0208"),
        (BODY + "minimize loss over net using Adam(lr=-1)", "DL0208"),
        (BODY + "minimize loss over net using Adam(betas=(0.5, 1.0))", "DL0208"),
        (BODY + "minimize loss over net using Adam(betas=[0.5])", "DL0305"),
        (BODY + "minimize loss over net using SGD(nesterov=true)", "DL0208"),
        (BODY + "minimize loss over net using Rprop(etas=(0.5, 0.6))", "DL0208"),
        (BODY + "minimize loss over net using Adagrad(schedule=CyclicLR(0.1, 1.0))", "DL0208"),
        (BODY + "minimize loss over net using Adam(lr=loss)", "DL0305"),
        (BODY + "minimize loss over net using Adam(lr=normal([]))", "DL0305"),
        (BODY + "minimize loss over net using Adam(lr=mean(normal([2])) * ramp(0, 1, 2))", "DL0305"),
        (BODY + "minimize loss over net using Adam(lr=ramp(0, 1, 2), schedule=StepLR(1))", "DL0208"),
        (BODY + "minimize loss over net using Adam(schedule=SequentialLR([StepLR(1)], [1]))", "DL0208"),
        (BODY + "minimize loss over net using Adam(schedule=SequentialLR([StepLR(1), StepLR(1)], [0]))", "DL0208"),
        (BODY + "minimize loss over net using Adam(schedule=SequentialLR([], []))", "DL0208"),
        (BODY + "minimize loss over net using Adam(schedule=SequentialLR([SGD()], []))", "DL0305"),
        (BODY + "minimize loss over net using Adam(schedule=SequentialLR([ReduceLROnPlateau()], []))", "DL0208"),
        (
            BODY + "minimize loss over net"
            " using Adagrad(schedule=SequentialLR([StepLR(1), CyclicLR(0.1, 1.0)], [1]))", "DL0208"
        ),
        (BODY + "minimize loss over net using Adam(schedule=ReduceLROnPlateau(factor=2))", "DL0208"),
        (BODY + "minimize loss over net using LBFGS(max_iter=0)", "DL0208"),
        (BODY + "minimize loss over net using Adam times 0.5", "DL0305"),
        (BODY + "minimize loss over judge using Adam", "DL0707"),
        (BODY + "minimize loss over net using Adam", "DL0708"),
        (BODY + "shared f = freeze(3)", "DL0305"),
        (BODY + "shared f = moving_average(Net, 0.9)", "DL0305"),
        (BODY + "shared f = moving_average(net, 1.0)", "DL0208"),
        (BODY + "b = ramp(0, 1)", "DL0304"),
        (BODY + "b = ramp(0, 1, 0)", "DL0305"),
        (BODY + "b = ramp(0, 1, 2, 3)", "DL0306"),
        (BODY + "b = ramp(0, 1, stepz=2)", "DL0303"),
        (BODY + "b = StepLR(10)\nminimize loss over net using b", "DL0706"),
        ("data image: float", "DL0305"),
        ("data image: float[N, 3]\ndata image: float[N, 3]", "DL0307"),
        ("data image: float[N, 3] -> RandomCrop(3)", "DL0202"),
        ("data image: float[N, 3, 8, 8] -> RandomCorp(3)", "DL0706"),
    ],
)  # fmt: skip
def test_refused(body: str, code: str) -> None:
    assert codes(body)[0] == code


PARTS = """
network Deep(x: float[N, 3]) -> y {
    x -> stem: freeze({ Linear(4) -> BatchNorm -> Dropout(0.5) })
        -> stages: { Linear(4) -> BatchNorm -> second: { Linear(4) -> BatchNorm } } -> head: { fc: Linear(3) }
}
train T {
    data x: float[N, 3]
    shared f = Deep
    loss = mean((x -> f) ** 2)
"""


@pytest.mark.parametrize(
    ("body", "frozen", "trained", "said"),
    [
        ("minimize loss over f using SGD", ["f.stem"], [28 + 28 + 15], ""),
        ("minimize loss over f.head using SGD", ["f.stem"], [15], "no objective updates `f.stages`"),
        ("freeze(f.stages)\nminimize loss over f.head.fc.weight using SGD", ["f.stem", "f.stages"], [12], ""),
        ("minimize loss over f.stages.0, f.head using SGD", ["f.stem"], [20, 15], "`f.stages.1`, and its running"),
        (
            "freeze(f.stages.second)\nminimize loss over f(lr=1), f.stages[0](lr=2) using SGD",
            ["f.stem", "f.stages.second"], [8 + 15, 20], "",
        ),
        ("if 1 < 2 { freeze(f.stages) }\nif 2 < 1 { freeze(f) }\nminimize loss over f using SGD",
            ["f.stem", "f.stages"], [15], ""),
        ('for i in [0, 1] { freeze(f["stages"][i]) }\nminimize loss over f using SGD',
            ["f.stem", "f.stages.0", "f.stages.1"], [28 + 15], ""),
        ("minimize loss over f[x] using SGD", [], [], "a part has a number or a name, not a tensor"),
        ("freeze(f.stages)\nfreeze(f.head)\nminimize loss over f using SGD", [], [], "`f` is frozen and is not trained"),
        ("minimize loss over f.haed using SGD", [], [], "DL0705: `f` has no part `haed` (did you mean `f.head`?)"),
        ("minimize loss over f.head.cf using SGD", [], [], "`f.head` has no part `cf` (did you mean `f.head.fc`?)"),
        ("minimize loss over f.wings using SGD", [], [], "no part `wings` (it has f.stem, f.stages, f.head)"),
        ("minimize loss over f.stem using SGD", [], [], "`f.stem` is frozen and is not trained"),
        ("minimize loss over f.head(size=3) using Rprop", [], [],
            "`Rprop` for `f.head` has no argument `size` (Rprop(lr, "),
    ],
)  # fmt: skip
def test_parts_of_networks(body: str, frozen: list[str], trained: list[int], said: str) -> None:
    source = Source("t.dlspec", f"{PARTS}{body}\n}}\n")
    told = [f"{found.code}: {found.message} ({found.hint})" for found in check_source(source)]
    assert any(said in each for each in told) if said else told == []
    if trained:
        made = elaborate_training(open_source(source), "T")
        assert list(made.frozen) == frozen
        (update,) = made.updates
        assert [TrainingSummary(made).changed(update, group) for group in update.groups] == trained


def test_what_holds_for_a_part_alone() -> None:
    body = """
    rate = ramp(0.0, 0.1, steps=10)
    slowly = AdamW(lr=rate, decay="weights")
    minimize loss over f.stages(lr=0.5 * rate, betas=(0.5, 0.9)), f.head.fc.weight(lr=1e-3), f using slowly
    """
    (update,) = elaborate_training(open_source(Source("t.dlspec", f"{PARTS}{body}}}")), "T").updates
    one, two, three = update.groups
    assert (one.optimizer, two.optimizer) == (AdamW(betas=(0.5, 0.9)), AdamW(lr=1e-3))
    assert (three.optimizer, three.own, update.decay) == (AdamW(), (), "weights")
    assert one.rate not in (None, update.rate)
    assert two.rate is None
    assert three.rate is update.rate


def test_freezing_what_has_no_name_is_refused() -> None:
    text = "network N(x: float[N, 3]) -> y { x -> freeze({ Linear(4) -> Dropout(0.5) }) }"
    (found,) = check_source(Source("n.dlspec", text))
    assert found.code == "DL0305"


def test_a_loss_of_the_wrong_thing_is_a_warning_with_its_source() -> None:
    text = f"{NETWORKS}train T {{{BODY}\nloss2 = binary_cross_entropy(image -> judge, 1.0)\nminimize loss + loss2 over net, judge using SGD\n}}"
    (found,) = check_source(Source("train.dlspec", text))
    assert (found.code, found.severity.value) == ("DL0709", "warning")
    assert found.notes[0].span.text == "Linear(1)"


def test_a_size_that_the_data_has_not() -> None:
    program = open_source(Source("train.dlspec", f"{NETWORKS}train T {{{BODY}\nminimize loss over net using SGD\n}}"))
    with pytest.raises(DlspecError, match="`T` has no size `H`"):
        elaborate_training(program, "T", sizes={"H": 3})
