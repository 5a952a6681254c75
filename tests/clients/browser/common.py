"""What the programs of this folder share: a browser, checks printed as lines, pictures."""

import os
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def environment(name):
    value = os.environ.get(name)
    if value is None:
        sys.exit(f"{name} is not set; see README.md beside this program")
    return value


class Session:
    """A browser window and the checks that are made in it."""

    def __init__(self, name):
        self.name = name
        self.failed = 0
        self.pictures = Path(environment("PICTURES"))
        self.driver = sync_playwright().start()
        self.browser = self.driver.chromium.launch(executable_path=environment("CHROMIUM"), args=["--no-sandbox"])
        self.page = self.browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(float(os.environ.get("PATIENCE_MS", "60000")))

    def check(self, name):
        def run(test):
            try:
                test()
                print(f"works\t{name}", flush=True)
            except Exception as error:  # noqa: BLE001: whatever went wrong is the result
                self.failed += 1
                reason = " ".join(str(error).split())
                print(f"fails\t{name}\t{reason[:600]}", flush=True)
                self.page.screenshot(path=self.pictures / f"{self.name}-failed-{self.failed}.png")
        return run

    def picture(self, name):
        self.page.screenshot(path=self.pictures / f"{self.name}-{name}.png")

    def end(self):
        self.browser.close()
        self.driver.stop()
        sys.exit(1 if self.failed else 0)
