"""Debian's chromium, headless; it and its driver are installed first where that can be done."""

import os
import shutil

import debian
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

PROGRAMS = {"chromium": "chromium", "chromedriver": "chromium-driver"}
WAIT_SECONDS = 10


class Browser:
    """Somebody on the page of closedbook serve: opens an address, clicks, goes back, types; each waits until what the address names is shown.

    What any script of a page would have alerted is in its variable `alerts`.
    """

    def __init__(self):
        debian.install("a browser", PROGRAMS)
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
