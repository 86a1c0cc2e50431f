"""A page that is drawn again, in a browser."""

from __future__ import annotations

from browser import Browser
from pages import scene_of

from dlspec.backends.diagram.live import LivePage
from dlspec.backends.diagram.page import no_picture, page_data

SPEC = "block B(w) { Conv(w, 3) -> ReLU }\nnetwork A(x: float[N, 3, 32, 32]) -> y { x -> a: B(8) -> b: B(WIDTH) }"


def test_what_is_open_stays_open(chromium: Browser) -> None:
    with LivePage() as live:
        live.publish(page_data(scene_of(SPEC.replace("WIDTH", "8"), depth=1)))
        chromium.open(live.address)
        chromium.click_box("a")
        chromium.run("zoomAt(0.7); choose(byId.get('b'))")
        before = chromium.run("return [[...state.open], {...state.view}]")
        live.publish(page_data(scene_of(SPEC.replace("WIDTH", "9"), depth=1)))
        chromium.wait("return data.version === 2")
        assert chromium.run("return [[...state.open], {...state.view}]") == before
        assert chromium.run("return state.chosen.call") == "B(w=9)"
        assert "w=9" in chromium.run("return document.getElementById('panel').innerText")

        live.publish(no_picture("A") | {"errors": "error[DL0101]: <b>no</b>"})
        chromium.wait("return data.version === 3")
        assert chromium.run("return document.getElementById('wrong').innerText") == "error[DL0101]: <b>no</b>"
        live.publish(page_data(scene_of(SPEC.replace("WIDTH", "9"), depth=1)))
        chromium.wait("return data.version === 4")
        assert chromium.run("return document.getElementById('errors').hidden")
        assert "a.0" in chromium.run("return [...visible()].map((box) => box.path)")
        assert all(address.startswith(live.address) for address in chromium.requests())
        assert chromium.complaints() == []
        chromium.open("about:blank")
