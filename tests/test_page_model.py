"""The page with the embedded model: from a question asked before it has loaded to the exact words in the source."""

import re

import pytest

from ingest.store import Store
from tests.browser import SEEN, Visit, axe, launched, marked, serving
from tests.test_page import ZONES, ZONES_SENTENCE

# Notes in which order things come into sight.
ORDER = """
window.seen = [];
const note = (name) => { if (!seen.includes(name)) seen.push(name); };
new MutationObserver(() => {
  const places = [".hits:not(:has(.line))", ".hits .line", ".writing", ".claim"];
  ["passages", "evidence", "words", "sentence"].forEach((name, i) => document.querySelector(places[i]) && note(name));
}).observe(document, {childList: true, subtree: true});
"""


@pytest.mark.timeout(600)
def test_the_embedded_model_answers_and_its_sentence_leads_to_the_exact_words(seed_settings, chromium):
    places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
    with serving(**places) as address, launched(chromium) as browser:
        visit = Visit(browser, address)
        visit.page.add_init_script(ORDER)
        page = visit.open()
        page.wait_for_selector(".suggestions button")
        page.click(f".empty .suggestions button:text-is('{ZONES}')")  # asked before the model has loaded
        page.wait_for_selector(".turn footer:not([hidden])", timeout=180_000)
        assert page.evaluate("window.seen") == ["passages", "evidence", "words", "sentence"]
        claim = page.locator(".claim").first
        assert re.search(r"\b(13|thirteen)\b", claim.inner_text())
        assert "unsupported" not in claim.get_attribute("class")

        chip = claim.locator(".chip").first
        chip.click()
        assert marked(page) == chip.get_attribute("data-quote")
        document = Store.open(seed_settings).catalog.document(chip.get_attribute("data-document"))
        start, end = (int(chip.get_attribute(f"data-{name}")) for name in ("start", "end"))
        assert marked(page) == document.text[start:end] == ZONES_SENTENCE
        page.wait_for_function(SEEN)
        assert axe(page) == []
        visit.check()
