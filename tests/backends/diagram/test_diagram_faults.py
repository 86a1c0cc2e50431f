"""What cannot be built, and what cannot be laid out."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from drawn import scene_of, shipped, wrong_scene
from geometry import faults

from dlspec.backends.diagram import engine
from dlspec.backends.diagram.engine import Engine, EngineError
from dlspec.backends.diagram.layout import lay_out
from dlspec.backends.diagram.svg import svg
from dlspec.backends.diagram.theme import THEMES

UI = Path(__file__).parents[2] / "ui"

JOIN = """
block Res(width) {
    Add { conv1: Conv(width, 3, padding=1) -> ReLU -> conv2: Conv(width, 3) | Identity } -> ReLU
}
network A(image: float[N, 3, H = 32, W = 32]) -> logits {
    image -> stem: Conv(16, 3, padding=1) -> stage: Res(16) -> GlobalAvgPool -> Flatten -> Linear(10)
}
"""


def test_a_failing_join_is_red_with_both_shapes() -> None:
    scene = wrong_scene(JOIN)
    fault = next(box for box in scene.boxes() if box.kind == "fault")
    block = scene.find("stage")
    assert fault in block.children
    assert (fault.name, fault.span.line) == ("Add", 3)
    red = [edge for edge in block.edges if edge.fault]
    assert [str(edge.type) for edge in red] == ["float[N, 16, 30, 30]", "float[N, 16, 32, 32]"]
    assert all(edge.target is fault for edge in red)
    drawing = lay_out(scene)
    assert not faults(drawing)
    document = svg(drawing)
    assert document.count(f'stroke="{THEMES["light"].fault}"') >= 3
    assert "[N, 16, 30, 30]" in document.replace("</tspan>", "").replace(
        '<tspan font-size="10" font-weight="bold" fill="#c1121f">', ""
    )


def test_a_step_with_a_wrong_name_is_where_the_network_ends() -> None:
    scene = wrong_scene("network A(image: float[N, 3, 8, 8]) -> out { image -> Conv(4, 3) -> Relu -> MaxPool(2) }")
    fault = next(box for box in scene.boxes() if box.kind == "fault")
    assert (fault.name, [str(port.type) for port in fault.inputs]) == ("Relu", ["float[N, 4, 6, 6]"])
    assert [box.name for box in scene.root.children] == ["input", "Conv", "Relu"]


@pytest.mark.parametrize("path", sorted(UI.glob("*.dlspec")), ids=lambda path: path.stem)
def test_every_wrong_spec_that_has_a_graph_draws(path: Path) -> None:
    from dlspec.analyses.report import summarise
    from dlspec.backends.diagram.building import build_scene
    from dlspec.diagnostics import DlspecError
    from dlspec.pipeline import elaborate_partial, open_program

    try:
        program = open_program(path)
    except DlspecError:
        pytest.skip("it does not parse or import, so there is nothing to draw")
    for name in program.networks:
        graph, found, _ = elaborate_partial(program, name)
        assert not faults(lay_out(build_scene(graph, summarise(graph), faults=found)))


@pytest.mark.parametrize("depth", [1, 2, None])
def test_tensors_that_trade_places_and_blocks_with_many_ends(depth: int | None) -> None:
    scene = scene_of(
        "block Swap(y: tensor) {\n    a = y -> Conv(4, 1)\n    b = x -> Conv(8, 1)\n    [a, b, x, y] -> Concat\n}\n"
        "block Two { a = x -> Conv(4, 1)\n    b = x -> Conv(6, 1)\n    [a, b, a] -> Concat }\n"
        "network A(one: float[N, 3, 8, 8], two: float[N, 5, 8, 8]) -> out {\n"
        "    s = one -> Swap(two)\n    t = two -> Swap(one)\n    p, q = s -> Split(2)\n    z = [p, t, q] -> Concat -> Two\n"
        "    z + z -> Swap(s)\n}",
        depth=depth,
    )
    for direction in ("TB", "LR"):
        assert not faults(lay_out(scene, direction))


def test_deep_nesting() -> None:
    scene = scene_of(
        "block B(depth) { Conv(4, 1) -> if depth > 0 { B(depth - 1) } -> ReLU }\n"
        "network A(image: float[N, 3, 8, 8]) -> out { image -> B(60) }"
    )
    assert lay_out(scene).width > 60 * 24


def test_each_distinct_block_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    ask = Engine._ask

    def counting(self: Engine, graphs: list[str]) -> list[engine.Points]:
        asked.append(graphs)
        return ask(self, graphs)

    monkeypatch.setattr(Engine, "_ask", counting)
    lay_out(shipped("resnet", "ResNet152"))
    assert sum(map(len, asked)) <= 25  # 114 boxes, 50 blocks
    assert len(asked) <= 5


def test_without_graphviz_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(EngineError) as caught:
        lay_out(shipped("lenet", "LeNet5"))
    assert "pip install 'dlspec[draw]'" in caught.value.hint


@pytest.mark.parametrize("form", ["dot", "wheel"])
def test_a_layout_that_hangs_is_ended(form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if form == "dot":
        sleeper = tmp_path / "dot"
        sleeper.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
        sleeper.chmod(0o755)
        monkeypatch.setattr(engine.shutil, "which", lambda name: str(sleeper))
    else:
        monkeypatch.setattr(engine.shutil, "which", lambda name: None)
        monkeypatch.setattr(engine, "_WORKER", "import time\ntime.sleep(60)\n")
    start = time.monotonic()
    with Engine(limit=0.3) as slow, pytest.raises(EngineError, match="takes longer than"):
        slow.solve(["digraph { a -> b }"])
    assert time.monotonic() - start < 20


def test_the_dot_on_path_gives_the_same_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A `dot` made of the wheel stands in for one on PATH: the answer is read the same way."""
    pytest.importorskip("pygraphviz")
    graphs = ["digraph { a -> b; a -> c }", "digraph { x -> y }"]
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    with Engine() as wheel:
        expected = wheel.solve(graphs)
    stand_in = tmp_path / "dot"
    stand_in.write_text(
        f"#!{sys.executable}\nimport sys\nfrom pygraphviz import AGraph\n"
        "for text in sys.stdin.read().split('}\\n'):\n"
        "    text = text if text.rstrip().endswith('}') else text + '}'\n"
        "    sys.stdout.write(AGraph(string=text).draw(format='plain', prog='dot').decode())\n"
    )
    stand_in.chmod(0o755)
    monkeypatch.setattr(engine.shutil, "which", lambda name: str(stand_in))
    with Engine() as dot:
        assert dot.solve(graphs) == expected


def test_a_dot_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pygraphviz")
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    with Engine() as broken, pytest.raises(EngineError):
        broken.solve(["this is no graph {"])
