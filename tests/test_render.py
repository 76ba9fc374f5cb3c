"""Answers as HTML and Markdown: whatever a model or a document wrote stays text."""

import re
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import render
from app.answer import Answer, AnswerSentence, Citation, Evidence, Timings, Usage
from app.prompt import ReplyParser
from ingest.document import Document, Hit, Metadata, Passage
from tests.payloads import PAYLOADS, active

TEXTS = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PAYLOADS), max_size=3).map(" ".join))
TIMINGS = Timings(12.0, 900.0, 2100.0)


def evidence(text="It rains. The sea is deep.", title="Weather", number=1, **metadata):
    document = Document(text, Metadata(title, **metadata))
    return Evidence(number, document.span(0, len(text)), document.metadata, 0.9)


def hit(one):
    passage = Passage(one.span, ((one.span.start, one.span.end),), "A heading")
    return Hit(passage, one.metadata, 0.83, 0.7, 4.2)


def answer(*sentences, **fields):
    given = {"passages": (), "abstained": False, "model": "m", "timings": TIMINGS, **fields}
    return Answer("Q?", "Q?", tuple(sentences), **given)


def everything(text):
    """All the HTML that a hostile model, document and question could put text into."""
    one = evidence(text or "-", text, author=text, site=text, url=text)
    said = AnswerSentence(text, (Citation(one),), "unsupported", 0.1, text)
    quoted = AnswerSentence(text, (Citation(one),), "supported", 0.9, quoted=True)
    given = answer(said, quoted, model=None, notice=text)
    return "".join(
        [
            render.words_html(text),
            render.sentence_html(said),
            render.sentence_html(quoted),
            render.evidence_html(text, [hit(one)], [one]),
            render.evidence_html(text, [hit(one)], []),
            render.evidence_html(text, [hit(evidence())], [one]),
            render.abstention_html(answer(abstained=True, passages=(hit(one),))),
            render.notice_html(given),
        ]
    )


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_becomes_active(payload):
    assert active(everything(payload)) == []


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_no_text_becomes_active(text):
    assert active(everything(text)) == []


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_becomes_active_while_it_is_being_written(payload):
    """The sentence in the making, after each single character of the reply."""
    parser = ReplyParser([evidence()])
    for character in f"{payload} is so [1]. {payload}":
        for claim in parser.feed(character):
            assert active(render.words_html(claim.text)) == []
        assert active(render.words_html(parser.writing)) == []


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_words_are_shown_as_they_are_written(text):
    shown = unescape(re.sub(r"</?(?:strong|em|code)>", "", render.words_html(text)))
    assert re.sub(r"[*`]", "", shown) == re.sub(r"[*`]", "", render.visible(text))


def test_bold_italics_and_code_get_their_look():
    assert render.words_html("a **b** *c* `d<` 2*3*4") == ("a <strong>b</strong> <em>c</em> <code>d&lt;</code> 2*3*4")


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_an_export_is_inert(text):
    """No link, image, HTML or footnote of a model's or a document's making stands in the Markdown."""
    one = evidence(text or "-", text or "-", author=text)
    said = AnswerSentence(text, (Citation(one),), "unsupported", 0.1, text)
    markdown = render.answer_markdown(answer(said, notice=text))
    bare = re.sub(r"\\[\\`*_\[\]<>#|~$!]", "", markdown)  # what is escaped is text
    assert not re.search(r"[<>`$]", bare)
    assert re.findall(r"\[\^\d+\]", bare) == ["[^1]", "[^1]"]
    assert bare.count("[") == 2


def test_footnotes_carry_quote_title_author_day_page_and_address():
    one = evidence(author="A. B.", published="2026-11-24T09:00:00Z", url="https://a.example/x", pages=(0,))
    same, other = Citation(one), Citation(evidence("The sea is deep.", "Sea", 2))
    markdown = render.answer_markdown(
        answer(
            AnswerSentence("It rains.", (same,), "supported", 0.9),
            AnswerSentence("It rains on the sea.", (same, other), "unsupported", 0.2, "“sea” is not in the source"),
        )
    )
    assert markdown == (
        "It rains.[^1] It rains on the sea.[^1][^2] *(not supported: “sea” is not in the source)*\n\n"
        "[^1]: “It rains. The sea is deep.” Weather, A. B. · 2026-11-24, p. 1. <https://a.example/x>\n"
        "[^2]: “The sea is deep.” Sea.\n"
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://a b", 'https://a.b/"x', "data:text/html,x", "https://a.b/<c>", "//a.b", ""]
)
def test_only_a_plain_web_address_becomes_a_link(url):
    assert render.web_link(Metadata("t", url=url)) is None
    assert render.web_link(Metadata("t", url="https://a.b/c?d=e#f")) == "https://a.b/c?d=e#f"


def test_the_evidence_panel_shows_query_scores_heading_and_page():
    one = evidence(pages=(0,))
    html = render.evidence_html("rain?", [hit(one)], [one])
    assert 'Searched for <q dir="auto">rain?</q>' in html
    assert ">0.83</span>" in html and "dense 0.70, lexical 4.2" in html
    assert "p. 1 · A heading" in html
    assert render.evidence_title([hit(one)], [one]) == "1 sentence from 1 passage of 1 source"
    assert render.evidence_html("rain?", [], []) == '<p class="none">No passage was found.</p>'


def test_evidence_that_no_passage_found_holds_is_shown_as_of_the_question_before():
    now, old = evidence(number=3), evidence("The old harbour <closed>.", "Harbours", 1, pages=(0,))
    older = evidence("The mill burned down.", "Mills", 2)
    html = render.evidence_html("rain?", [hit(now)], [old, older, now])
    shown, _, before = html.partition("From the question before")
    assert "It rains." in shown and "harbour" not in shown
    assert before.index("Harbours") < before.index("The old harbour &lt;closed&gt;.") < before.index("Mills")
    assert re.findall(r'<p class="line"[^>]* data-number="(\d)"', html) == ["3", "1", "2"]
    assert f'class="opens" data-document="{old.span.document_id}" data-start="0" data-end="25"' in before
    assert "p. 1" in before
    title = render.evidence_title([hit(now)], [old, older, now])
    assert title == "1 sentence from 1 passage of 1 source, and 2 from the question before"
    assert "question before" not in render.evidence_html("rain?", [hit(now)], [now])


def test_the_foot_tells_what_is_known():
    said = AnswerSentence("It rains.", (), "supported", 0.9)
    assert render.foot_text(answer(said)) == "1 of 1 sentence supported · m · 2.1 s"
    told = render.foot_text(answer(said, usage=Usage(1200, 34), cost=0.0123, model="<m>"))
    assert told == "1 of 1 sentence supported · <m> · 1,200 tokens read, 34 written · price 0.012300 · 2.1 s"


def test_characters_that_cannot_be_seen_are_left_out():
    assert render.visible("a\u202eb\u200bc\U000e0041d\ufe00") == "abcd"
    assert "\u202e" not in everything("x\u202ey")
