"""Debian's chromium, headless; it and its driver are installed first where that can be done."""

import os
import shutil
import subprocess

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}
INSTALL_SECONDS = 240
WAIT_SECONDS = 10


def _missing() -> list[str]:
    return [package for program, package in PROGRAMS.items() if not shutil.which(program)]


def _install() -> None:
    """Skips the test, saying why, where the packages aren't there and can't be installed."""
    reason = f"needs a browser: apt-get install {' '.join(_missing())}"
    if os.getuid() or not shutil.which("apt-get"):
        pytest.skip(f"{reason} (not tried: that takes Debian and root)")
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *_missing()]):
        try:
            done = subprocess.run(["apt-get", "--quiet", *command], capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{reason} (tried, and not done in {INSTALL_SECONDS} s)")
        if done.returncode:
            pytest.skip(f"{reason} (tried: {done.stderr.strip()[-200:]})")


class Browser:
    """Somebody on the page of closedbook serve: opens an address, clicks, goes back, types; each waits until what the address names is shown.

    What any script of a page would have alerted is in its variable `alerts`.
    """

    def __init__(self):
        if _missing():
            _install()
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--window-size=1280,1000", *(["--no-sandbox"] if os.getuid() == 0 else [])):
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        listening = "var alerts = []; alert = text => alerts.push(text)"
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": listening})

    def open(self, page: str, address: str = "") -> None:
        self.driver.get("about:blank")  # else only the address changes, and the page stays as it was
        self.driver.get(page + address)
        self._wait()

    def click(self, text: str, within: str = "main") -> None:
        """Click the first link that shows `text`, or holds it in its middle, in the element that a CSS selector names."""
        links = self.driver.find_elements(By.CSS_SELECTOR, f"{within} a")
        link = next((link for link in links if self.text(link) == text), None) or next(link for link in links if text in self.text(link))
        link.click()
        self._wait()

    def type(self, text: str, box: str = "#search") -> None:
        found = self.driver.find_element(By.CSS_SELECTOR, box)
        found.clear()
        found.send_keys(text)
        self._wait()

    def back(self) -> None:
        self.driver.back()
        self._wait()

    @property
    def address(self) -> str:
        return self.js("return location.hash")

    def text(self, element) -> str:
        """The whole of an element's text, as it was given; `element` may be a CSS selector."""
        found = "document.querySelector(arguments[0])" if isinstance(element, str) else "arguments[0]"
        return self.js(f"return {found}.textContent", element)

    def js(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: str, seconds: int = WAIT_SECONDS) -> None:
        """Wait until a JavaScript expression holds."""
        WebDriverWait(self.driver, seconds, poll_frequency=0.01).until(lambda _: self.js(f"return {condition}"))

    def _wait(self) -> None:
        self.until("document.querySelector('main')?.dataset.shown === location.hash")
