"""The real app in a process of its own, and a real Chromium that tells of every request and fault."""

import importlib.resources
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from ingest.settings import ROOT

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync"]  # fmt: skip
# Whether the active citation is in sight.
SEEN = """(() => {
  const mark = document.querySelector('mark.active').getBoundingClientRect();
  const box = document.querySelector('.reader .page').getBoundingClientRect();
  return mark.top >= box.top && mark.bottom <= box.bottom;
})()"""


def chromium_path():
    """CHROMIUM, the system's, else the test tool's own download; None without any."""
    for name in (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for folder in (cache, Path.home() / "Library" / "Caches" / "ms-playwright"):
        for pattern in ("chromium*/*/chrome", "chromium*/*/*headless*shell", "chromium*/*/*/*/Chromium"):
            if downloaded := sorted(folder.glob(pattern)):
                return str(downloaded[-1])
    return None


@contextmanager
def serving(**variables):
    """`python -m app` on a free port, with these environment variables; gives its address."""
    environ = os.environ | {name: str(value) for name, value in variables.items()}
    command = [sys.executable, "-m", "app", "--port", "0"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    errors = []
    threading.Thread(target=lambda: errors.extend(process.stderr), daemon=True).start()
    try:
        told = (re.match(r"The chat is open on (http://127\.0\.0\.1:\d+)", line) for line in process.stdout)
        found = next(filter(None, told), None)
        assert found, f"the app did not start: {''.join(errors)}"
        yield found[1]
    finally:
        process.terminate()
        process.wait(timeout=20)
    assert not [line for line in errors if "Traceback" in line], "".join(errors)


@contextmanager
def launched(chromium):
    """The browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


class Visit:
    """A page in a fresh browser profile; `faults` are its console errors, page errors and blocked loads."""

    def __init__(self, browser, url, **options):
        self.url, self.faults, self.requests = url, [], []
        self.context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.add_init_script(
            "window.violations = [];"
            "addEventListener('securitypolicyviolation', (e) => violations.push(e.blockedURI || e.violatedDirective));"
        )
        self.page.on("console", lambda message: self._told(message))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _told(self, message):
        # What Gradio itself says when a page is left while it streams.
        left = message.text.startswith(("AbortError: signal is aborted", "Unexpected error Connec"))
        if message.type == "error" and not left:
            self.faults.append(message.text)

    def open(self):
        """Load the page and wait until it can be used."""
        self.page.goto(self.url)
        self.page.wait_for_function("document.querySelector('.scope')?.textContent")
        return self.page

    def check(self):
        """Nothing went wrong in the page, and nothing was asked of another host."""
        strangers = [url for url in self.requests if urlsplit(url).hostname not in ("127.0.0.1", None)]
        assert strangers == [], strangers
        assert self.faults == [], self.faults
        assert self.page.evaluate("window.violations") == []


def marked(page):
    """The characters that are highlighted as the active citation."""
    page.wait_for_selector("mark.active")
    return page.evaluate("[...document.querySelectorAll('mark.active')].map((e) => e.textContent).join('')")


def axe(page):
    """What axe-core holds for a serious fault in the page as it stands."""
    if not page.evaluate("typeof window.axe !== 'undefined'"):
        page.evaluate((importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    grave = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in grave]
