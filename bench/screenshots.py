"""The pictures of docs/: the real app over the seed article, its embedded model, Chromium.

    python -m bench.screenshots

On a quiet machine: the pictures tell the time that an answer took.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.report import ROOT
from tests.browser import chromium_path, launched, serving

DOCS = ROOT / "docs"
WIDE = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
ANSWERED = "How many special economic zones is North Korea developing?"
DARK = "What does Geoffrey See say Kim Jong-un really wants?"
NOT_ANSWERED = "What is the population of Pyongyang?"
MORE = ("README.md", "SECURITY.md", "CHANGELOG.md", "docs/SCALE.md", "bench/README.md")  # sources of a fuller library

# An empty variable is unset, and wins over `.env`: the pictures are of the packaged model.
BARE = {"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "", "CHAT_MODEL": "", "CHAT_MODELS": "", "CHAT_PRICE": ""}


class Camera:
    """Opens the page at `url` in a fresh profile, asks, and takes one picture into docs/."""

    def __init__(self, browser: Any, url: str) -> None:
        self._browser, self._url = browser, url

    def take(self, name: str, question: str, *, card: bool = False, **options: Any) -> None:
        """`card`: the pointer rests on the first citation."""
        context = self._browser.new_context(**options)
        page = context.new_page()
        page.set_default_timeout(180_000)
        page.goto(self._url)
        page.wait_for_selector(".model[data-state=ready]")
        page.wait_for_selector(".source", state="attached")
        page.fill("#question", question)
        page.press("#question", "Enter")
        page.wait_for_selector(".turn footer:not([hidden])")
        page.evaluate("document.activeElement.blur()")
        page.wait_for_timeout(1500)  # the reader has scrolled to the citation
        if card:
            page.locator(".answer .chip").first.hover()
            page.wait_for_timeout(200)
        page.screenshot(path=str(DOCS / f"{name}.png"))
        print(f"docs/{name}.png: {page.locator('.answer, .told').all_inner_texts()}", flush=True)
        context.close()


def main() -> None:
    """Index a copy of the corpus in a temporary folder and take every picture."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "corpus", Path(folder, "corpus"))
        places = {"CORPUS_DIR": f"{folder}/corpus", "INDEX_DIR": f"{folder}/index"}
        _ingest(places, "sync")
        with serving(**places, **BARE) as url, launched(chromium_path()) as browser:
            camera = Camera(browser, url)
            camera.take("screenshot", DARK, **WIDE)  # the first answer still warms the model; taken again
            camera.take("screenshot", ANSWERED, **WIDE)
            camera.take("abstention", NOT_ANSWERED, **WIDE)
            camera.take("dark", DARK, card=True, color_scheme="dark", **WIDE)
            camera.take("phone", ANSWERED, **PHONE)
            camera.take("phone-dark", ANSWERED, color_scheme="dark", **PHONE)
        _ingest(places, "add", *MORE)
        with serving(**places, **BARE) as url, launched(chromium_path()) as browser:
            camera = Camera(browser, url)
            camera.take("library", NOT_ANSWERED, **WIDE)
            camera.take("library", DARK, **WIDE)
    for picture in sorted(Path(DOCS).glob("*.png")):
        print(f"{picture.name}: {picture.stat().st_size // 1000} kB")


def _ingest(places: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "ingest", *arguments], env={**os.environ, **places}, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
