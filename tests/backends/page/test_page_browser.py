"""The page in a browser: what a reader does, and that it asks no network for anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser
from pages import HOSTILE, hostile, scene_of, shipped

from dlspec.backends.diagram.page import page

VISIBLE = "return [...visible()].map((box) => box.path)"
PLACES = "return Object.fromEntries([...visible()].map((box) => [box.path, [box.left, box.top, box.w, box.h]]))"
NETWORKS = [
    ("resnet", "ResNet50"), ("googlenet", "GoogLeNet"), ("unet", "UNet"), ("se_resnet", "SEResNet18"),
    ("inception_v3", "InceptionV3"),
]  # fmt: skip
SKIP = """
block Body(w) { Conv(w, 3, padding=1) -> BatchNorm -> ReLU }
network A(x: float[N, 8, 32, 32]) -> y {
    x -> first: Conv(8, 1) -> Add { one: Body(8) | two: Body(8) | Identity } -> last: Conv(4, 1)
}
"""


@pytest.fixture
def open_page(chromium: Browser, tmp_path: Path) -> Iterator[Browser]:
    """The browser; after the test nothing may have been complained of or asked for."""
    yield chromium
    assert chromium.complaints() == []
    assert chromium.requests() == []


@pytest.fixture
def resnet(open_page: Browser, tmp_path: Path) -> Browser:
    open_page.open_text(shipped("resnet", "ResNet50"), tmp_path / "net.html")
    return open_page


@pytest.fixture
def skip(open_page: Browser, tmp_path: Path) -> Browser:
    open_page.open_text(page(scene_of(SKIP, depth=1)), tmp_path / "skip.html")
    return open_page


def test_click_opens_and_closes(resnet: Browser) -> None:
    before = resnet.run(VISIBLE)
    resnet.click_box("layer1")
    assert "layer1.0" in resnet.run(VISIBLE)
    assert resnet.run("return byId.get('layer1').element.getAttribute('aria-expanded')") == "true"
    resnet.click_box("layer1")
    assert resnet.run(VISIBLE) == before


def test_opening_keeps_the_order_of_all_else(skip: Browser) -> None:
    before = skip.run(PLACES)
    skip.click_box("one")
    after = skip.run(PLACES)
    others = [path for path in before if path != "one"]
    for path in others:
        assert after[path][2:] == before[path][2:]
        for other in others:
            for axis in (0, 1):
                one, two = (places[path][axis] + places[path][axis + 2] / 2 for places in (before, after))
                there, then = (places[other][axis] + places[other][axis + 2] / 2 for places in (before, after))
                if one < there:
                    assert two < then
    shown = [place for path, place in after.items() if not path.startswith("one")]
    assert not [
        (a, b) for i, a in enumerate([*shown, after["one"]]) for b in [*shown, after["one"]][i + 1 :] if overlap(a, b)
    ]


def overlap(a: list[float], b: list[float]) -> bool:
    return all(a[k] < b[k] + b[k + 2] - 0.5 and b[k] < a[k] + a[k + 2] - 0.5 for k in (0, 1))


@pytest.mark.parametrize(("file", "network"), NETWORKS)
def test_nothing_overlaps_when_all_is_open(open_page: Browser, tmp_path: Path, file: str, network: str) -> None:
    open_page.open_text(shipped(file, network), tmp_path / "net.html")
    open_page.click("#unfold")
    clashes = open_page.run("""
        const apart = (a, b) => a.left + a.w <= b.left + 0.5 || b.left + b.w <= a.left + 0.5 ||
          a.top + a.h <= b.top + 0.5 || b.top + b.h <= a.top + 0.5;
        const within = (a, b) => a.left >= b.left && a.top >= b.top && a.left + a.w <= b.left + b.w + 0.5 &&
          a.top + a.h <= b.top + b.h + 0.5;
        return data.boxes.filter((box) => isOpen(box) && shown(box)).flatMap((parent) => parent.children.flatMap((a, i) => [
          ...(parent === root() || within(a, parent) ? [] : [[a.path, "outside"]]),
          ...parent.children.slice(i + 1).filter((b) => !apart(a, b)).map((b) => [a.path, b.path]),
        ]))""")
    assert clashes == []


@pytest.mark.parametrize(("file", "network"), NETWORKS)
@pytest.mark.parametrize("opened", ["all", "every second"])
def test_edges_pass_no_box(open_page: Browser, tmp_path: Path, file: str, network: str, opened: str) -> None:
    open_page.open_text(shipped(file, network), tmp_path / "net.html")
    open_page.run(
        "data.boxes.filter(foldable).forEach((box, i) => arguments[0] && i % 2 ? 0 : state.open.add(box.id)); draw()",
        opened != "all",
    )
    crossed = open_page.run("""
        const hits = (box, [a, b], [x, y]) => Math.max(a, x) > box.left + 1 && Math.min(a, x) < box.left + box.w - 1 &&
          Math.max(b, y) > box.top + 1 && Math.min(b, y) < box.top + box.h - 1;
        const open = data.boxes.filter((box) => isOpen(box) && shown(box));
        return open.flatMap((parent) => data.layouts[parent.layout].edges.flatMap((edge) => {
          const points = corners(parent, edge);
          const others = parent.children.filter((_, k) => k !== edge.source && k !== edge.target);
          return points.slice(1).flatMap((to, i) => others.filter((box) => hits(box, points[i], to)).map((box) => box.path));
        }))""")
    assert crossed == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("layer3.4.conv2", "layer3.1.conv2"),
        ("GlobalAvgPool", "8"),
        ("[N, 64, 112, 112]", "conv1"),
        ("64x112x112", "conv1"),
    ],
)
def test_search_finds_and_shows(resnet: Browser, query: str, path: str) -> None:
    resnet.press("/")
    resnet.press(*query)
    found = resnet.run("return [...document.querySelectorAll('#results b')].map((item) => item.textContent)")
    assert found
    resnet.press("ENTER")
    chosen = resnet.run("return state.chosen.path")
    assert chosen == found[0]
    assert resnet.run("return shown(state.chosen)")
    assert chosen == path


def test_search_of_nothing(resnet: Browser) -> None:
    resnet.press("/", *"zzz")
    assert resnet.run("return document.getElementById('count').textContent") == "0 found"
    resnet.press("ESCAPE")
    assert resnet.run("return document.getElementById('results').hidden")
    assert resnet.run("return document.querySelectorAll('.dim').length") == 0


@pytest.mark.parametrize("measure", ["params", "macs", "memory", "field"])
def test_colours_follow_the_numbers(resnet: Browser, measure: str) -> None:
    resnet.run(
        "const list = document.getElementById('colour'); list.value = arguments[0]; list.dispatchEvent(new Event('change'))",
        measure,
    )
    rows = resnet.run(
        "return [...visible()].filter((box) => box[arguments[0]] !== null)"
        ".map((box) => [box[arguments[0]], bodyOf(box).style.fill])",
        measure,
    )
    assert len({fill for _, fill in rows}) > 3
    assert len({fill for value, fill in rows if value == max(rows)[0]}) == 1
    assert max(rows)[1] == "rgb(254, 232, 56)"
    assert resnet.run("return document.querySelectorAll('#legend .strip i').length") > 10


def test_panel_tells_of_the_chosen_box(resnet: Browser) -> None:
    resnet.click_box("conv1")
    text = resnet.run("return document.getElementById('panel').innerText")
    for part in (
        "Conv(64, 7, stride=2, padding=3, bias=false)", "axes 2, 3: floor((224 + 2*3 - 1*(7-1) - 1)/2) + 1 = 112",
        "conv1.weight", "[64, 3, 7, 7]", "9,408", "resnet.dlspec:", "7, moving by 2, first from -3", "118,013,952",
    ):  # fmt: skip
        assert part in text


def test_keys(resnet: Browser) -> None:
    resnet.run("canvas.focus()")
    chosen = "return state.chosen?.path"
    walked: list[str] = []
    for _ in range(6):
        resnet.press("ARROW_DOWN")
        walked.append(resnet.run(chosen))
    assert walked == ["image", "conv1", "bn1", "2", "3", "layer1"]
    resnet.press("ENTER")
    assert "layer1.0" in resnet.run(VISIBLE)
    resnet.press("ENTER")
    assert resnet.run(chosen) == "layer1.0"
    resnet.press("ESCAPE")
    assert resnet.run(chosen) == "layer1"
    assert "layer1.0" not in resnet.run(VISIBLE)
    resnet.press("ARROW_UP")
    assert resnet.run(chosen) == "3"
    assert resnet.run("return document.activeElement === state.chosen.element")
    before = resnet.run("return state.view.k")
    resnet.press("+")
    assert resnet.run("return state.view.k") > before
    resnet.press("-", "-")
    assert resnet.run("return state.view.k") < before
    resnet.press("0")
    assert resnet.run("return state.view.k") == pytest.approx(before)
    resnet.press("?")
    assert not resnet.run("return document.getElementById('help').hidden")
    resnet.press("ESCAPE")
    assert resnet.run("return document.getElementById('help').hidden")


def test_branches_are_beside_each_other(skip: Browser) -> None:
    skip.run("choose(byId.get('one'))")
    skip.press("ARROW_RIGHT")
    assert skip.run("return state.chosen.path") == "two"
    skip.press("ARROW_LEFT")
    assert skip.run("return state.chosen.path") == "one"


def test_pan_and_zoom(resnet: Browser) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    canvas = resnet.driver.find_element(By.ID, "canvas")
    before = resnet.run("return {...state.view}")
    ActionChains(resnet.driver).drag_and_drop_by_offset(canvas, 80, 40).perform()
    moved = resnet.run("return {...state.view}")
    assert (moved["x"] - before["x"], moved["y"] - before["y"]) == (pytest.approx(80, abs=3), pytest.approx(40, abs=3))
    assert resnet.run("return state.chosen") is None
    ActionChains(resnet.driver).scroll_by_amount(0, 0).perform()
    resnet.run(
        "canvas.dispatchEvent(new WheelEvent('wheel', {deltaY: -200, clientX: 400, clientY: 300, cancelable: true}))"
    )
    zoomed = resnet.run("return {...state.view}")
    assert zoomed["k"] > moved["k"]
    resnet.click("#fit")
    resnet.click("#in")
    resnet.click("#out")
    assert resnet.run("return root().h * state.view.k <= canvas.clientHeight")


def test_pinch(resnet: Browser) -> None:
    def touch(kind: str, *places: tuple[int, int]) -> None:
        points = [{"x": x, "y": y, "id": index} for index, (x, y) in enumerate(places)]
        resnet.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = resnet.run("return {...state.view}")
    touch("touchStart", (400, 300))
    touch("touchStart", (400, 300), (400, 400))
    for away in (20, 40, 60):
        touch("touchMove", (400, 300 - away), (400, 400 + away))
    touch("touchEnd")
    after = resnet.run("return {...state.view}")
    assert after["k"] / before["k"] == pytest.approx(2.2, rel=0.1)
    assert resnet.run("return pointers.size") == 0


def test_everything_has_a_name(resnet: Browser) -> None:
    """For those who hear the page: each box says what it is, each control what it does."""
    nameless = resnet.run("""
        const named = (e) => e.getAttribute('aria-label') || e.innerText?.trim() || e.closest('label');
        return [...document.querySelectorAll('button, input, select, .box, [role]')].filter((e) => !e.closest('[hidden]'))
          .filter((element) => !named(element)).map((element) => element.outerHTML.slice(0, 80))""")
    assert nameless == []
    spoken = resnet.run("return byId.get('layer1').element.getAttribute('aria-label')")
    assert spoken == "layer1, Stage(index=0, depth=3, unit=Bottleneck), gives [N, 256, 56, 56], folded"


def test_themes(resnet: Browser) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    first = resnet.run(ground)
    resnet.click("#theme")
    assert resnet.run(ground) != first
    resnet.click("#theme")
    assert resnet.run(ground) == first


def test_hostile_names_do_nothing(open_page: Browser, tmp_path: Path) -> None:
    open_page.open_text(page(scene_of(hostile())), tmp_path / "hostile.html")
    count = open_page.run("return data.boxes.length")
    told = [
        open_page.run("choose(data.boxes[arguments[0]]); return panel.innerText", index) for index in range(1, count)
    ]
    for text in HOSTILE:
        assert any(text in panel for panel in told)
    assert open_page.run("return document.querySelectorAll('img, script, iframe').length") == 2
    assert open_page.run("return document.title") == "A"
