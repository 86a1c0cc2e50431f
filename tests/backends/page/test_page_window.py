"""The page at the sizes and in the themes that people have, with as many boxes as there are, and what leaves it: links,
files and paper."""

from __future__ import annotations

import base64
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from browser import Browser
from pages import scene_of, shipped

from dlspec.backends.diagram.page import page
from dlspec.backends.spread import Spread

SIZES = [(390, 800), (800, 900), (1400, 900)]
SVG = "{http://www.w3.org/2000/svg}"
NESTED = """
block Inner(w) { Conv(w, 3, padding=1) -> BatchNorm -> ReLU }
block Middle(w) { Inner(w) -> Inner(w + 1) -> Add { Identity | Inner(w + 1) } }
network A(x: float[N, 8, 32, 32], text = "最初の畳み込み層 العربية") -> y {
    x -> first: Conv(8, 1) -> a: Middle(8) -> b: Middle(16) -> pool: MaxPool(2) -> Flatten -> last: Linear(4)
}
"""
MANY = (
    "block Part(w) { Conv(w, 3, padding=1) -> BatchNorm -> ReLU -> Conv(w, 1) -> BatchNorm -> ReLU -> Dropout(0.1) }\n"
    "block Row(w) { " + " -> ".join(f"Part(w + {i % 2})" for i in range(30)) + " }\n"
    "network A(x: float[N, 4, 8, 8]) -> y { x -> " + " -> ".join(f"r{i}: Row({4 + i % 3})" for i in range(11)) + " }\n"
)

MEASURES = Path(__file__).with_name("measures.js").read_text(encoding="utf-8")


@pytest.fixture
def window(chromium: Browser) -> Iterator[Browser]:
    """The browser; after the test it has its own size again, and nothing may have been complained of or asked for."""
    yield chromium
    chromium.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert chromium.complaints() == []
    assert chromium.requests() == []


def measure(window: Browser, call: str, *arguments: object) -> Any:
    """What a function of `measures.js` gives."""
    return window.run(f"{MEASURES} return {call}", *arguments)


def wait_for(window: Browser, name: str, *arguments: object) -> Any:
    """What a function of `measures.js` is done with."""
    return window.driver.execute_async_script(f"{MEASURES} {name}(...arguments)", *arguments)


def resize(window: Browser, wide: int, high: int) -> None:
    window.driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": wide, "height": high, "deviceScaleFactor": 1, "mobile": False}
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("wide", "high"), SIZES)
def test_the_window_is_used_and_can_be_read(window: Browser, tmp_path: Path, wide: int, high: int, theme: str) -> None:
    resize(window, wide, high)
    values = {"first.weight": Spread(-1.0, 2.0, 0.5, 1.0, 3, 1, [1, 2, 3])}
    window.open_text(page(scene_of(NESTED), theme=theme, tensors=values), tmp_path / "net.html")
    height = "return document.getElementById(arguments[0]).getBoundingClientRect().height"
    assert window.run("return getComputedStyle(document.documentElement).colorScheme") == theme.replace(
        "light", "normal"
    )
    for part in ("", "first"):
        window.run("choose(arguments[0] ? byId.get(arguments[0]) : null)", part)
        taken = [window.run(height, name) for name in ("bar", "canvas", "legend", "panel")]
        stacked = taken if wide <= 800 else taken[:3]
        assert sum(stacked) == pytest.approx(high, abs=1)
        assert taken[1] > high * (0.6 if not part or wide > 800 else 0.3)
    assert window.run("return document.documentElement.scrollWidth") <= wide
    outside = window.run(
        "return [...document.querySelectorAll('#bar *')].filter((e) => e.checkVisibility() && "
        "e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.id)"
    )
    assert outside == []
    for step in (
        "", "openAll(true)", "document.getElementById('search').value = 'conv'; search()",
        "state.colour = 'macs'; draw()", "choose(byId.get('a'))", "saving(true)", "help(true)",
    ):  # fmt: skip
        window.run(step)
        assert [text for text in measure(window, "contrasts()") if text[0] < 4.5] == [], step


def test_inks_of_the_scale_are_read(window: Browser, tmp_path: Path) -> None:
    window.open_text(page(scene_of(NESTED)), tmp_path / "net.html")
    worst = measure(window, "scaleContrast()")
    assert worst >= 4.5


@pytest.mark.parametrize(("wide", "high"), SIZES)
@pytest.mark.parametrize(("file", "network"), [("resnet", "ResNet50"), ("unet", "UNet"), ("lenet", "LeNet5")])
def test_opens_as_deep_as_fits(window: Browser, tmp_path: Path, file: str, network: str, wide: int, high: int) -> None:
    resize(window, wide, high)
    window.open_text(shipped(file, network, None), tmp_path / "net.html")
    assert window.run("return data.fits")
    scale = window.run("return wholeScale()")
    if scale >= 0.45:
        assert window.run("return root().h * state.view.k <= canvas.clientHeight && root().w * state.view.k <= frame.w")
    depth = window.run("return Math.max(1, ...data.boxes.filter((b) => isOpen(b) && shown(b)).map((b) => b.level + 1))")
    deeper = window.run("openTo(arguments[0] + 1); measure(root()); return [wholeScale(), deepest()]", depth)
    assert deeper[0] < 0.7 or depth >= deeper[1]


def test_address_holds_the_state_and_back_undoes(window: Browser, tmp_path: Path) -> None:
    window.open_text(shipped("resnet", "ResNet50"), tmp_path / "net.html")
    start = window.driver.current_url
    seen = [measure(window, "shownState()")]
    window.click_box("layer1")
    seen.append(measure(window, "shownState()"))
    window.run("const c = $('colour'); c.value = 'macs'; c.dispatchEvent(new Event('change', {bubbles: true}))")
    seen.append(measure(window, "shownState()"))
    window.click_box("layer1.0")
    seen.append(measure(window, "shownState()"))
    link = window.driver.current_url
    assert link.partition("#")[2] == "depth=1&open=layer1,layer1.0&chosen=layer1.0&colour=macs"
    for before in reversed(seen[:-1]):
        window.driver.back()
        window.wait("return addressOf() === (location.hash.slice(1) || firstAddress)")
        assert measure(window, "shownState()") == before
    assert window.driver.current_url == start
    window.open("about:blank")
    window.open(link)
    assert measure(window, "shownState()") == seen[-1]
    assert window.run("return meets(placeOf(state.chosen), inWindow())")
    window.run("location.hash = 'depth=1&open=gone,%zz&chosen=gone&colour=gone'")
    window.wait("return state.colour === 'family'")
    assert measure(window, "shownState()") == seen[0]


def test_many_boxes(window: Browser, tmp_path: Path) -> None:
    """2,700 boxes: what is out of the window has no element, and a frame or a search costs the page little."""
    window.open_text(page(scene_of(MANY, unroll=True)), tmp_path / "many.html")
    assert window.run("openAll(true); return [...visible()].length") > 2600
    window.run("canvas.setPointerCapture = () => {}")
    window.driver.set_script_timeout(120)
    window.driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
    for start in (0.1, 0.7):
        window.run(
            "const box = [...visible()][1500]; const k = arguments[0];"
            "Object.assign(state.view, {k, x: frame.w / 2 - box.left * k, y: frame.h / 2 - box.top * k}); look()",
            start,
        )
        for move in ("wheel", "drag"):
            before = _spent(window)
            most = wait_for(window, "frames", move)
            assert (_spent(window) - before) / 20 < 0.05, (start, move)
            assert most < 2500
    for query in ("c", "r7", "zzz"):
        before = _spent(window)
        wait_for(window, "searchFor", query)
        assert _spent(window) - before < 0.1


def _spent(window: Browser) -> float:
    """Seconds of processor time that the page's thread has taken."""
    metrics = window.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


def saved(window: Browser, kind: str, what: str) -> bytes:
    return base64.b64decode(wait_for(window, "savedAs", kind, what).partition(",")[2])


def test_saves_pictures(window: Browser, tmp_path: Path) -> None:
    """SVG that stands by itself, PNG of twice its pixels; of a selection, what is in it."""
    window.open_text(page(scene_of(NESTED, expand=["a"])), tmp_path / "net.html")
    window.run("choose(byId.get('a'))")
    texts: dict[str, str] = {}
    for what in ("all", "view", "chosen"):
        svg = ElementTree.fromstring(saved(window, "svg", what))
        drawn = list(svg.iter())
        assert not [e for e in drawn if {"class", "style", "tabindex", "data-index"} & set(e.attrib)]
        assert {e.get("fill") for e in drawn if e.tag == f"{SVG}rect"} > {"#ffffff"}
        texts[what] = " ".join(part for e in svg.iter(f"{SVG}text") for part in e.itertext())
        png = saved(window, "png", what)
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", png[16:24]) == tuple(2 * int(svg.get(side, "")) for side in ("width", "height"))
    assert "Linear" in texts["all"]
    assert "Middle" in texts["chosen"]
    assert "Linear" not in texts["chosen"]
    assert window.run("return document.querySelectorAll('.box.chosen').length") == 1
    window.run("root().h = 1e6")
    assert "more than a PNG can have" in wait_for(window, "savedAs", "png", "all")


def test_a_click_saves_a_file(window: Browser, tmp_path: Path) -> None:
    window.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    window.open_text(page(scene_of(NESTED)), tmp_path / "net.html")
    window.click("#open-saving")
    window.click("#save-svg")
    for _ in range(600):
        if (tmp_path / "A.svg").exists():
            break
        time.sleep(0.1)
    assert ElementTree.parse(tmp_path / "A.svg").getroot().tag == f"{SVG}svg"
    assert window.run("return document.getElementById('saved').textContent") == "saved A.svg"


def test_prints_on_white_pages(window: Browser, tmp_path: Path) -> None:
    window.open_text(page(scene_of(NESTED), theme="dark"), tmp_path / "net.html")
    one = base64.b64decode(window.driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
    window.open_text(shipped("resnet", "ResNet18"), tmp_path / "tall.html")
    window.run("openAll(true); choose(byId.get('conv1'))")
    several = base64.b64decode(window.driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
    pages = [content.count(b"/Type /Page\n") for content in (one, several)]
    assert pages[0] <= 2 < pages[1]
    window.open_text(page(scene_of(NESTED), theme="dark"), tmp_path / "net.html")
    window.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    window.run("dispatchEvent(new Event('beforeprint'))")
    assert not window.run("return document.getElementById('canvas').checkVisibility()")
    grounds = window.run(
        "return [...document.querySelectorAll('#paper > svg > rect')].map((e) => e.getAttribute('fill'))"
    )
    assert set(grounds) == {"#ffffff"}
    window.run("dispatchEvent(new Event('afterprint'))")
    assert window.run(
        "return [document.documentElement.dataset.theme, document.querySelectorAll('#paper *').length]"
    ) == ["dark", 0]


def test_nothing_moves_where_nobody_wants_it(window: Browser, tmp_path: Path) -> None:
    window.open_text(page(scene_of(NESTED)), tmp_path / "net.html")
    for choice, some in (("no-preference", True), ("reduce", False)):
        features = [{"name": "prefers-reduced-motion", "value": choice}]
        window.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        assert (measure(window, "moving()") > 0) == some


def test_values_of_weights(window: Browser, tmp_path: Path) -> None:
    values = {
        "first.weight": Spread(-1.0, 2.0, 0.5, 1.25, 1234, 7, [1, 0, 3, 2]),
        "first.bias": Spread(None, None, None, None, 0, 8, []),
    }
    window.open_text(page(scene_of(NESTED), tensors=values), tmp_path / "net.html")
    window.run("choose(byId.get('first'))")
    told = window.run("return document.getElementById('panel').innerText")
    for part in (
        "min -1",
        "max 2",
        "mean 0.5",
        "std 1.25",
        "zeros 1,234",
        "non-finite 7",
        "no finite values, 8 non-finite",
    ):
        assert part in told
    bars = window.run("return [...document.querySelectorAll('.histogram path')].map((e) => e.getAttribute('d'))")[0]
    assert bars.count("M") == 4
    assert "from -1 to 2" in window.run("return document.querySelector('.histogram').getAttribute('aria-label')")


def test_text_of_any_script_is_drawn(window: Browser, tmp_path: Path) -> None:
    """A stack of fonts that ends in what the reader's system has, and a width that the text is fitted into."""
    texts = ("最初の畳み込み層", "العربية", "हिन्दी")
    steps = " -> ".join(f'B("{text}")' for text in texts)
    text = f"block B(note) {{ ReLU }}\nnetwork A(x: float[N, 4]) -> y {{ x -> {steps} }}"
    window.open_text(page(scene_of(text, depth=1)), tmp_path / "net.html")
    shown = window.run("return document.getElementById('canvas').textContent")
    assert all(part in shown for part in texts)
    assert window.run("return getComputedStyle(document.querySelector('#canvas text')).fontFamily").endswith(
        "sans-serif"
    )
    assert measure(window, "overfull()") == 0
