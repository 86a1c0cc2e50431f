"""Each limit: what is just within it is done, one more is refused at a place, with the flag that allows it, and the flag
does."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

import dlspec
from dlspec import Diagnostic, DlspecError, Limits, analyse, load
from dlspec.backends.torch.text.source import DEEPEST as MODULES
from dlspec.cli import main
from dlspec.limits import DEEPEST, spending
from dlspec.pipeline import check_source
from dlspec.source import Source


def net(body: str, before: str = "") -> str:
    return f"{before}\nnetwork A(x: float[N, 4, 8, 8]) -> out {{\n{body}\n}}\n"


LAYERED = "block B(n) { if n > 0 { Linear(8) -> B(n - 1) } else { ReLU } }"
DEEP = "block B(n) { if n > 0 { B(n - 1) } else { ReLU } }"
STEPS = {
    "turns of a repeat": "x -> repeat 40 { x }",
    "turns of a loop": "y = 0\nfor i in range(40) { y = y + 1 }\nx",
    "items of a comprehension": "y = [i * i for i in range(40)]\nx",
    "items of a range": "y = range(4000)\nx",
    "items of lists": "y = [0] * 4000\nx",
    "nodes": "x -> ReLU -> Conv(4, 1) -> Tanh",
    "copied nodes": "x -> repeat 4 { Conv(4, 1) }",
    "statements": "y = 1\nz = 2\nx",
}
BYTES = {
    "a string": 'y = "abcdefgh" + "abcdefgh"\nx',
    "a text": 'y = "{8}{8}"\nx',
    "a list": "y = [1, 2] + [3, 4]\nx",
    "a range": "y = range(100)\nx",
}
PLACES = [
    ("x -> repeat 10 ** 9 { ReLU }", "10 ** 9"),
    ("x -> for i in range(10 ** 6) { ReLU }", "range(10 ** 6)"),
    ("y = [i for i in range(10 ** 9)]\nx", "range(10 ** 9)"),
    ("y = 2 * sum([1] * 10 ** 9)\nx", "[1] * 10 ** 9"),
    ('y = "a"\nfor i in range(60) { y = "{y}{y}" }\nx', '"{y}{y}"'),
    ("y = [1]\nfor i in range(60) { y = y + y }\nx", "y + y"),
]


def found(text: str, **limits: int) -> list[Diagnostic]:
    return list(check_source(Source("net.dlspec", text), limits=Limits(**limits)))


def codes(found: Iterable[Diagnostic]) -> list[str]:
    return [diagnostic.code for diagnostic in found]


@pytest.mark.parametrize(("limit", "name"), [*(("steps", n) for n in STEPS), *(("bytes", n) for n in BYTES)])
def test_the_last_step_and_one_more(limit: str, name: str, tmp_path: Path) -> None:
    text = net((STEPS if limit == "steps" else BYTES)[name])
    with spending(Limits()) as budget:
        assert not check_source(Source("net.dlspec", text))
    taken = getattr(budget.limits, limit) - getattr(budget, limit)
    assert not found(text, **{limit: taken})
    (error,) = found(text, **{limit: taken - 1})
    assert error.code == "DL0407"
    assert f"--max-{limit}" in error.hint
    path = tmp_path / "net.dlspec"
    path.write_text(text)
    assert main(["check", str(path), f"--max-{limit}", str(taken)]) == 0
    assert main(["check", str(path), f"--max-{limit}", str(taken - 1)]) == 1
    assert len(load(path, limits=Limits(**{limit: taken})).graph.outputs) == 1
    assert not analyse(path, limits=Limits(**{limit: taken})).diagnostics
    assert codes(analyse(path, limits=Limits(**{limit: taken - 1})).diagnostics) == ["DL0407"]


@pytest.mark.parametrize(("body", "place"), PLACES)
def test_what_would_be_too_much_is_pointed_at(body: str, place: str) -> None:
    (error,) = found(net(body))
    assert (error.code, error.span.text) == ("DL0407", place)


def test_a_text(tmp_path: Path) -> None:
    text = "a = 1\n" * 10
    assert codes(found(text, steps=4 * 40 - 1)) == ["DL0407"]
    assert codes(found("", steps=1)) == []
    path = tmp_path / "a.dlspec"
    path.write_text(text)
    assert main(["fmt", "--check", str(path), "--max-steps", "160"]) == 0
    assert main(["fmt", "--check", str(path), "--max-steps", "159"]) == 1


@pytest.mark.parametrize(("depth", "body", "before"), [
    (7, "x -> B(6)", DEEP),
    (5, "y = [[[[[1]]]]]\nx", ""),
    (5, "y = []\nfor i in range(4) { y = [y] }\nx", ""),
])  # fmt: skip
def test_depth(depth: int, body: str, before: str) -> None:
    assert not found(net(body, before), depth=depth)
    (error,) = found(net(body, before), depth=depth - 1)
    assert error.code in ("DL0402", "DL0407")
    assert "--max-depth" in error.hint


def test_depth_is_bounded_itself() -> None:
    text = net(f"x -> B({DEEPEST - 1})", DEEP)
    assert codes(found(text)) == ["DL0402"]
    assert not found(text, depth=DEEPEST, steps=10**7)
    assert main(["check", "none.dlspec", "--max-depth", str(DEEPEST + 1)]) == 2
    with pytest.raises(ValueError, match="at most"):
        Limits(depth=DEEPEST + 1)
    with pytest.raises(ValueError, match="positive"):
        Limits(steps=0)


@pytest.mark.parametrize("name", ["net.onnx", "net.json", "net.svg", "net.pdf", "net.html", "net.dot", "net.mmd"])
def test_what_is_deep_is_written(name: str, tmp_path: Path) -> None:
    spec = tmp_path / "net.dlspec"
    spec.write_text(net(f"x -> B({DEEPEST - 1})", LAYERED))
    command = "compile" if name.endswith(("onnx", "json")) else "draw"
    flags = ["--max-depth", str(DEEPEST), "--max-steps", "10000000"]
    assert main([command, str(spec), "-o", str(tmp_path / name), *flags]) == 0
    assert (tmp_path / name).stat().st_size


def test_modules_in_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "net.dlspec"
    for count, status in ((MODULES, 0), (MODULES + 1, 1)):
        spec.write_text(net(f"x -> B({count - 1})", LAYERED))
        assert main(["verify", str(spec), "--max-depth", "500"]) == status
    assert "error[DL0501]: modules are inside each other more than" in capsys.readouterr().err


@pytest.mark.parametrize("count", [3, 4, 9])
def test_findings(count: int) -> None:
    errors = found(net("\n".join(f"y{i} = nope{i}" for i in range(count)) + "\nx"), findings=3)
    assert codes(errors) == ["DL0302"] * 3 + (["DL0412"] if count > 3 else [])
    if count > 3:
        more = errors[-1]
        assert (more.message, more.span.text) == (
            "there is one error more" if count == 4 else f"there are {count - 3} errors more", "nope3",
        )  # fmt: skip
        assert "--max-findings" in more.hint


def test_warnings_leave_room_for_errors() -> None:
    text = net("\n".join(["y = x -> ReLU"] * 9) + "\nx") + "network B(x: float[N]) -> y { nope }"
    assert codes(found(text, findings=2)) == ["DL0702", "DL0702", "DL0302", "DL0412"]


def test_a_network_of_a_million_nodes_is_within_a_flag(tmp_path: Path) -> None:
    path = tmp_path / "net.dlspec"
    path.write_text(net("x -> repeat 10_000 { repeat 10 { ReLU } }"))
    with pytest.raises(DlspecError, match="steps"):
        load(path)
    assert len(load(path, limits=dlspec.Limits(steps=10**8)).graph.nodes) == 100_000
