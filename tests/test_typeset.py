"""The reader's HTML: every shown character knows its offset, and nothing in a document is active."""

import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.typeset import document_html
from ingest.corpus import parse_document, read_document
from ingest.document import Document, Metadata
from ingest.sentences import sentence_spans
from ingest.settings import ROOT
from ingest.split import split
from tests.payloads import ACTIVE, PAYLOADS, active

PIECES = [
    "# Title\n", "Title\n=====\n", "* item\n", "1. first\n", "> quoted ", "| a | b |\n|---|---|\n", "```\ncode\n```\n",
    "**bold** ", "_thin_ ", "`x`", "[words](http://a.b/c)", "![alt](http://a.b/c.png)", "---\n", "\\*", "<b>", "&amp;",
    "A sentence. ", "Another one! ", "“Quoted.” ", "\n\n", "\n", "熊猫吃竹子。", "مقال قصير. ", "😀", "e\u0301",
    "| x | y |\n",
]  # fmt: skip
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=25).map("".join)


class Shown(HTMLParser):
    """The runs of a piece of HTML: (offset, text), and the sentence that each lies in."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.runs, self._open = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("hr", "br"):
            return
        self._open.append(given)
        if "data-at" in given:
            self.runs.append([int(given["data-at"]), "", self._sentence()])

    def handle_endtag(self, tag):
        self._open.pop()

    def handle_data(self, data):
        if self._open and "data-at" in self._open[-1]:
            self.runs[-1][1] += data
        else:
            assert not data.strip(), f"shown without an offset: {data!r}"

    def _sentence(self):
        inside = [one for one in self._open if one.get("class") == "sentence"]
        return (int(inside[0]["data-start"]), int(inside[0]["data-end"])) if inside else None


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_every_run_shows_the_characters_that_stand_at_its_offset(text):
    document = Document(text, Metadata("t"))
    last = 0
    for at, shown, sentence in Shown(document_html(document)).runs:
        # A parser of HTML turns a lone carriage return and NUL into something else: compare what it reads.
        assert shown == Shown(f'<p data-at="0">{_escaped(text[at : at + len(shown)])}</p>').runs[0][1]
        assert at >= last
        last = at + len(shown)
        if sentence:
            assert sentence[0] <= at and last <= sentence[1]


def _escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_every_letter_of_a_text_is_shown_unless_it_is_the_address_of_a_link(text):
    shown = "".join(run[1] for run in Shown(document_html(Document(text, Metadata("t")))).runs)
    for word in ("bold", "thin", "words", "item", "first", "quoted", "Another", "熊猫"):
        assert shown.count(word) >= text.count(word) - text.count(f"`{word}") - text.count(f"({word}")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_a_document_becomes_active(payload):
    html = document_html(
        Document(f"Before.\n\n{payload}\n\n# {payload}\n\n* {payload}\n\n| {payload} | b |\n", Metadata("t"))
    )
    assert active(html) == []


def test_the_check_for_active_html_finds_what_it_looks_for():
    for html in ACTIVE:
        assert active(html), html


def test_the_seed_article_reads_as_it_stands():
    document = read_document(ROOT / "corpus" / "north-koreas-own-pivot-to-asean.md")
    runs = Shown(document_html(document)).runs
    assert "".join("".join(run[1] for run in runs).split()) == "".join(document.text.split())
    assert all(document.text[at : at + len(shown)] == shown for at, shown, _ in runs)


def test_marks_are_hidden_and_give_their_look():
    html = document_html(Document("## Sea\n\nA **deep** _blue_ [sea](http://a.b/c) `x`.\n", Metadata("t")))
    assert "<h4" in html and "<strong" in html and "<em" in html and "<code" in html
    assert "http" not in html and "*" not in html
    assert [run[1] for run in Shown(html).runs][:2] == ["Sea", "A "]


def test_the_first_block_of_each_page_names_it():
    text = "One.\n\nTwo.\n\n* three\n* four\n\nFive."
    pages = tuple(text.index(word) for word in ("One", "Two", "four"))
    html = document_html(Document(text, Metadata("t", pages=pages)))
    assert [part[0] for part in html.split('data-page="')[1:]] == ["1", "2", "3"]
    assert '<li dir="auto" data-page="3">' in html
    assert "data-page" not in document_html(Document(text, Metadata("t")))


# How a text begins, and what it then repeats: each took minutes, or hours, when a pattern read it anew from
# every place in it, and no other request was answered meanwhile.
HOSTILE = {
    "spaces in a heading": ("# a", " "),
    "tabs in a heading": ("# a", " \t"),
    "# in a heading": ("# a", "#"),
    "stars in a heading": ("# ", "*a "),
    "double stars in a heading": ("# ", "**a "),
    "lines in a heading": ("# ", "__a "),
    "ticks in a heading": ("# ", "`a "),
    "brackets in a heading": ("# ", "["),
    "links in a heading": ("# ", "[a]("),
    "spaces before an item": ("", " "),
    "quotes in quotes": ("", "> "),
    "stops": ("", "!"),
    "stops that close": ("a.", ")"),
    "code": ("", "`a`. "),
    "marks on a letter": ("a", "\u0300"),
    "a rule of a table": ("| a\n", "-"),
    "spaces in a rule of a table": ("| a\n", " "),
    "short lines": ("", "a\n"),
    "short quotes": ("", "> a\n"),
    "short lines of code": ("```\n", "a\n"),
    "marks of pages": ("<!-- page <!-- page 1 -->", "<!-- page 1 -->"),
    "marks of pages in one another": ("<!-- page " * 6000, "1 -->"),
    "joiners": ("", "a\u200d"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("tail", ["x", ""], ids=["with a tail", "bare"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_takes_time_in_proportion_to_its_length(name, tail):
    start, unit = HOSTILE[name]
    text = start + unit * (200_000 // len(unit)) + tail
    document = Document(text, Metadata("t", language="en"))
    ways = {
        "split": lambda: split(document),
        "sentences": lambda: sentence_spans(text),
        "page": lambda: document_html(document),
        "corpus": lambda: parse_document(f"---\ntitle: t\n---\na\n{text}".encode(), Path("x.md")),
        "title": lambda: parse_document(f"a\n{text}".encode(), Path("x.md")),
    }
    sentence_spans("The rules are read once.")
    for way, work in ways.items():
        began = time.process_time()
        work()
        assert time.process_time() - began < 3, way
