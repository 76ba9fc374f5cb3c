"""The page as its users meet it: the real app in a process, a real Chromium, the embedded model, the seed article."""

import importlib.resources
import re

import pytest

from ingest.store import Store
from tests.browser import Visit, launched, serving

QUESTION = "How many special economic zones is North Korea developing?"
SENTENCE = (
    "Furthermore, North Korea is developing 13 special economic zones, and the purpose of these zones is to "
    "increase international exchanges and cooperation."
)


@pytest.fixture(scope="module")
def browser(chromium):
    with launched(chromium) as running:
        yield running


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


ORDER = """
window.seen = [];
const note = (name) => { if (!seen.includes(name)) seen.push(name); };
new MutationObserver(() => {
  for (const [name, where] of [["evidence", ".hits"], ["words", ".writing"], ["sentence", ".claim"]])
    if (document.querySelector(where)) note(name);
}).observe(document, {childList: true, subtree: true});
"""


@pytest.mark.timeout(600)
def test_the_embedded_model_answers_and_its_sentence_leads_to_the_exact_words(seed_settings, browser):
    places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
    with serving(**places) as address:
        visit = Visit(browser, address)
        visit.page.add_init_script(ORDER)
        page = visit.open()
        page.fill("#question", QUESTION)
        page.press("#question", "Enter")  # asked before the model has loaded
        page.wait_for_selector(".turn footer:not([hidden])", timeout=200_000)
        assert page.evaluate("window.seen") == ["evidence", "words", "sentence"]
        claim = page.locator(".claim").first
        assert re.search(r"\b(13|thirteen)\b", claim.inner_text())
        assert "unsupported" not in claim.get_attribute("class")

        chip = claim.locator(".chip").first
        chip.click()
        assert marked(page) == chip.get_attribute("data-quote")
        document = Store.open(seed_settings).catalog.document(chip.get_attribute("data-document"))
        start, end = (int(chip.get_attribute(f"data-{name}")) for name in ("start", "end"))
        assert marked(page) == document.text[start:end] == SENTENCE
        page.wait_for_function(
            "(() => { const mark = document.querySelector('mark.active').getBoundingClientRect(),"
            " box = document.querySelector('.reader .page').getBoundingClientRect();"
            " return mark.top >= box.top && mark.bottom <= box.bottom; })()"
        )
        assert axe(page) == []
        visit.check()
