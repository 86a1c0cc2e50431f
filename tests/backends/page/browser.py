"""A headless Chromium that opens pages, and tells what went wrong in them and what they asked of a network."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_SWITCHES = (
    "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1280,800", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
)  # fmt: skip


class Browser:
    """One page after another."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(address)

    def open_text(self, page: str, path: Path) -> None:
        path.write_text(page, encoding="utf-8")
        self.open(path.as_uri())

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns. The page's own names are known to it."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, script: str, seconds: float = 10) -> Any:
        """Waits until a script returns something true, and returns that."""
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds).until(lambda _: self.run(script))

    def click(self, selector: str) -> None:
        """A click into the middle of an element, as a mouse does it."""
        from selenium.webdriver.common.by import By

        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def click_box(self, path: str) -> None:
        """A click into a box, near its upper left corner: in an open one that is its head."""
        from selenium.webdriver.common.action_chains import ActionChains

        x, y = self.run(
            "const box = byId.get(arguments[0]); bring(box); const at = bodyOf(box).getBoundingClientRect();"
            "return [at.left + 6, at.top + 6]",
            path,
        )  # fmt: skip
        chain = ActionChains(self.driver)
        chain.w3c_actions.pointer_action.move_to_location(int(x), int(y))
        chain.w3c_actions.pointer_action.click()
        chain.perform()

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        for key in keys:
            ActionChains(self.driver).send_keys(getattr(Keys, key, key)).perform()

    def complaints(self) -> list[str]:
        """What stands in the console."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for, but for that of the page itself."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [
            m["params"] for m in messages if m["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")
        ]
        return [
            address
            for params in sent
            if (address := params.get("request", params)["url"]) != self.driver.current_url.partition("#")[0]
            and not address.startswith("data:")
        ]


def start() -> Browser:
    """A browser. Skips the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    from selenium.webdriver.chrome.service import Service

    binary = next(filter(None, map(shutil.which, _NAMES)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with a chromedriver: `apt-get install chromium chromium-driver`")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for switch in _SWITCHES:
        options.add_argument(switch)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to start as root with it
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Browser(webdriver.Chrome(options=options, service=Service(driver)))


Pages = Callable[[str], Browser]
