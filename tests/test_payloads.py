"""Hostile strings in the real page in a real Chromium: in titles, file names, bodies, addresses, the
model's words while they stream and when they stand, and errors. Nothing runs, nothing is fetched from
elsewhere, nothing that a model wrote can be clicked.
"""

import json
import os
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from app_kit import App, running
from store_kit import settings_for

from app.answer import Answer, AnswerSentence, Citation, Evidence, Timings
from app.render import abstention_html, chip_html, evidence_html, notice_html, sentence_html, words_html
from app.shelf import reader_html, source_html
from ingest.corpus import write_document
from ingest.document import Document, Hit, Metadata, Passage
from ingest.settings import ROOT
from ingest.sync import sync
from tests.servers.obedient import ObedientServer

DATA = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data") / "badinput"
OWN = [
    "<script>window.XSS_CANARY=1</script>",
    "<img src=x onerror=window.XSS_CANARY=1>",
    '"><svg/onload=window.XSS_CANARY=1>',
    "' autofocus onfocus='window.XSS_CANARY=1",
    '![" onerror="window.XSS_CANARY=1](x)',
    "![x](http://127.0.0.1:9/IMG_CANARY?d=SECRET)",
    "[click](javascript:window.XSS_CANARY=1)",
    "<http://127.0.0.1:9/LINK_CANARY> [1]: http://127.0.0.1:9/LINK_CANARY",
    '<iframe srcdoc="<script>parent.XSS_CANARY=1</script>">',
    "<style>@import url(http://127.0.0.1:9/CSS_CANARY)</style>",
    "$$\\href{javascript:window.XSS_CANARY=1}{x}$$",
    "**<b onclick=window.XSS_CANARY=1>** `</code><img src=x onerror=window.XSS_CANARY=1>`",
    "</textarea></title><script>window.XSS_CANARY=1</script>",
    "${window.XSS_CANARY=1} {{constructor.constructor('window.XSS_CANARY=1')()}}",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'><base href='http://127.0.0.1:9/'>",
    "\u202e<scr\u200bipt>window.XSS_CANARY=1</script>",
]


def lists() -> list[str]:
    """The rendering payloads and the lists of others, where the measuring data is."""
    if not DATA.is_dir():
        return []
    found = json.loads((DATA / "own/render_payloads.json").read_text("utf-8"))
    for file in sorted((DATA / "strings/payloadsallthethings/xss").glob("*.txt")):
        found += [line for line in file.read_text("utf-8", "replace").splitlines() if line.strip()]
    return found


LISTED = lists()
RENDERED = [*OWN, *LISTED[:50]]  # in every place of the page
ALL = [*OWN, *LISTED]  # through every function that writes HTML
SPLIT = RENDERED[:24]  # at every character
NAMES = re.compile(r"payload (\d+)")

# Runs before anything of the page: notes what must not happen.
WATCH = """
window.trouble = [];
for (const name of ['alert', 'confirm', 'prompt', 'open', 'print']) window[name] = () => { trouble.push(name); };
addEventListener('securitypolicyviolation', (e) => trouble.push(e.violatedDirective + ' ' + e.blockedURI));
"""
# What a reader could click or what loads something, beside an article's own address in the reader.
ACTIVE = """() => [...document.querySelectorAll(
  '.room a:not(.skip), .room area, .room img, .room iframe, .room object, .room embed, .room video, .room audio,'
  + '.room link, .room script, .room style, .room base, .room meta, .room math, .room form:not(#add):not(.ask),'
  + '.room picture, .room [style*=url], .room [srcset], .room svg:not([aria-hidden])')]
  .filter((e) => !(e.matches('.reader header .about a') && e.rel.includes('noopener')))
  .map((e) => e.outerHTML.slice(0, 200))
  .concat([...document.querySelectorAll('.room *')].flatMap((e) => [...e.attributes])
    .filter((a) => a.name.startsWith('on')).map((a) => a.name + '=' + a.value))"""
# Puts HTML where the page puts it, many pieces in one visit; gives what is active in any of them.
SHOW = """(pieces) => {
  const room = document.querySelector('.room'), found = [];
  for (const html of pieces) {
    const place = document.createElement('div');
    room.append(place);
    place.innerHTML = html;
    const wrong = place.querySelectorAll('a, img, iframe, object, embed, video, audio, link, script, style, base, '
      + 'meta, math, form, picture, svg, [style], [src], [href], [srcset]').length
      || [...place.querySelectorAll('*')].some((e) => [...e.attributes].some((a) => a.name.startsWith('on')));
    if (wrong) found.push(html.slice(0, 300));
    place.remove();
  }
  return found;
}"""


def article(number: int, payload: str) -> Document:
    metadata = Metadata(
        title=f"payload {number} {payload}",
        author=payload,
        site=payload,
        url=f"https://example.org/{payload}" if number % 2 else f"javascript:window.XSS_CANARY=1//{payload}",
        summary=payload,
        section=payload,
        language="en",
    )
    body = f"The payload {number} says {payload} to all.\n\n- {payload}\n\n| {payload} | b |\n\n> {payload}\n"
    return Document(f"# Heading {payload}\n\n{body}", metadata)


def say(question: str, prompt: str) -> Iterator[str]:
    """The model writes every payload as its own words, character by character."""
    for number, payload in enumerate(RENDERED):
        yield from f"The payload {number} says {payload} to all [1]. "


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("payloads")
    settings = settings_for(folder)
    for number, payload in enumerate(RENDERED):
        write_document(settings.corpus_dir, article(number, payload))
    report = sync(settings)
    assert report.documents == len(RENDERED), report.failed
    places = {"CORPUS_DIR": str(settings.corpus_dir), "INDEX_DIR": str(settings.index_dir)}
    with ObedientServer(say) as model, running(folder, OPENAI_BASE_URL=model.url, **places) as app:
        yield app


class Visit:
    """One page load, watched."""

    def __init__(self, page: Any, url: str) -> None:
        self.page, self.url = page, url
        self.requests: list[str] = []
        page.set_default_timeout(90_000)
        page.add_init_script(WATCH)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("dialog", lambda dialog: (self.requests.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.goto(url)
        page.wait_for_selector(".source")

    def check(self) -> None:
        """Executions 0, remote requests 0, active links 0."""
        self.page.wait_for_timeout(150)  # what was set off has begun by then
        own = urlsplit(self.url).netloc
        assert [url for url in self.requests if urlsplit(url).netloc not in (own, "") or url.startswith("dialog")] == []
        assert not [url for url in self.requests if "CANARY" in url]
        assert self.page.evaluate("window.XSS_CANARY") is None
        assert self.page.evaluate("window.trouble") == []
        assert self.page.evaluate(ACTIVE) == []
        assert self.page.url.rstrip("/") == self.url, "the page was led away"


@pytest.fixture(scope="module")
def visit(app: App, chromium: str) -> Iterator[Visit]:
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=flags)
        yield Visit(browser.new_page(viewport={"width": 1440, "height": 900}), app.url)
        browser.close()


def test_titles_and_file_names_in_the_library(visit: Visit) -> None:
    visit.check()
    shown = visit.page.locator(".source .opens").all_text_contents()
    assert len(shown) == len(RENDERED)
    assert any("<script>" in title for title in shown), "they are there, as text"


def test_bodies_and_addresses_in_the_reader(visit: Visit) -> None:
    page = visit.page
    for source in page.locator(".source .opens").all():
        source.evaluate("(button) => button.click()")
        title = source.text_content()
        page.wait_for_function(
            "(title) => document.querySelector('.reader h2[tabindex]')?.textContent === title", arg=title
        )
        assert page.evaluate(ACTIVE) == [], title
    links = page.evaluate("[...document.querySelectorAll('.reader header a')].map((a) => a.protocol)")
    assert set(links) <= {"https:"}
    visit.check()


def test_the_models_words_while_they_stream_and_when_they_stand(visit: Visit) -> None:
    page = visit.page
    # Every state of the page while it is written, not only those that a look from outside catches.
    page.evaluate(
        "(active) => { window.caught = []; const look = eval(active);"
        " new MutationObserver(() => caught.push(...look()))"
        ".observe(document.querySelector('.turns'), {childList: true, subtree: true}); }",
        ACTIVE,
    )
    page.fill("#question", "What does payload 1 say to all?")
    page.press("#question", "Enter")
    page.wait_for_selector(".turn footer:not([hidden])")
    shown = page.locator(".turn .answer").text_content()
    assert "window.XSS_CANARY" in shown and "http://127.0.0.1:9/" in shown, "it was written, as text"
    assert page.evaluate("window.caught") == []
    for chip in page.locator(".turn .chip").all()[:40]:
        chip.dispatch_event("mouseover")
        chip.dispatch_event("focusin")
        assert page.evaluate(ACTIVE) == []
    visit.check()


def test_errors(visit: Visit) -> None:
    """Addresses that cannot be added; `test_page_faults` has those of a model that fails in HTML."""
    page = visit.page
    for payload in RENDERED:
        address = payload.split()[0]  # the field takes several, and looks up the names of some
        page.fill("#addresses", f"ftp:{address}")
        page.click("#add button[type=submit]")
        page.wait_for_function("document.querySelector('.changes .fault')")
        assert address[:20] in page.inner_text(".changes"), "it is told of, as text"
        assert page.evaluate(ACTIVE) == []
        page.evaluate("document.querySelector('.changes').replaceChildren()")
    visit.check()


# Clicks until it is open: what was added opens by itself, and may come between.
OPENED = """(title) => {
  if (document.querySelector('.reader h2[tabindex]')?.textContent === title) return true;
  [...document.querySelectorAll('.source .opens')].find((one) => one.textContent === title)?.click();
}"""


def test_file_names(visit: Visit) -> None:
    """Of files that cannot be read, and of files that become sources: in lines, the library and the reader."""
    page, before = visit.page, visit.page.locator(".source").count()
    names = [name for name in (payload.replace("/", "\u2044")[:80].strip() for payload in RENDERED) if name]
    for content, end, shown in ((b"\x00\x01nothing", ".pdf", ".fault"), (b"", ".txt", ".good")):
        files = [
            {"name": f"{name}{end}", "mimeType": "text/plain", "buffer": content or f"Named {number}.".encode()}
            for number, name in enumerate(names)
        ]
        page.set_input_files("#files", files)
        page.wait_for_function("(shown) => document.querySelector(`.changes ${shown}`)", arg=shown)
        assert "onerror=window.XSS" in page.inner_text(".changes"), "the names are told, as text"
        assert page.evaluate(ACTIVE) == []
    page.wait_for_function("(many) => document.querySelectorAll('.source').length >= many", arg=before + len(names))
    for title in page.locator(".source .opens").all_text_contents()[: len(names)]:
        page.wait_for_function(OPENED, arg=title, polling=500)
        assert page.evaluate(ACTIVE) == [], title
    visit.check()


def written(payload: str) -> list[str]:
    """Each function that writes HTML, over one payload in every field that it shows."""
    document = Document(payload, Metadata(payload, author=payload, site=payload, summary=payload, origin=payload))
    span = document.span(0, len(payload))
    evidence = Evidence(1, span, document.metadata, 0.5)
    hit = Hit(Passage(span, ((0, len(payload)),), payload), document.metadata, 0.5, 0.5, 0.5)
    quoted = AnswerSentence(payload, (Citation(evidence),), "supported", 1.0, quoted=True)
    doubted = AnswerSentence(payload, (), "unsupported", 0.0, payload)
    answer = Answer(payload, payload, (quoted, doubted), (hit,), True, payload, Timings(1, 1, 1), notice=payload)
    html = [
        words_html(payload),
        sentence_html(quoted),
        sentence_html(doubted),
        chip_html(evidence),
        reader_html(document),
    ]
    html += [evidence_html(payload, [hit], [evidence]), abstention_html(answer), notice_html(answer)]
    return [*html, source_html(document.document_id, document.metadata, 1)]


def test_every_function_that_writes_html(visit: Visit) -> None:
    pieces = [html for payload in ALL for html in written(payload) if payload.strip()]
    assert visit.page.evaluate(SHOW, pieces) == []
    visit.check()


def test_the_models_words_cut_at_every_character(visit: Visit) -> None:
    """The sentence in the making, as the page would show it after each character."""
    pieces = [words_html(payload[:end]) for payload in SPLIT for end in range(1, len(payload) + 1)]
    pieces += [words_html(payload[start:]) for payload in SPLIT for start in range(1, len(payload))]
    assert visit.page.evaluate(SHOW, pieces) == []
    assert any("&lt;script" in piece for piece in pieces)
    visit.check()


def test_the_watch_sees_what_it_watches_for(visit: Visit) -> None:
    """Last of all: with the escaping undone, the same watch tells."""
    raw = [unescape(words_html(payload)) for payload in OWN if "refresh" not in payload]  # that would lead away
    assert len(visit.page.evaluate(SHOW, raw)) >= 8
    visit.page.wait_for_timeout(200)
    assert visit.page.evaluate("window.trouble"), "even then the policy held it back, and said so"
    assert visit.page.evaluate("window.XSS_CANARY") is None
