"""Passages: exact spans of whole sentences, each sentence in one of them."""

import hashlib
import sys

from hypothesis import example, given
from hypothesis import strategies as st

from ingest.corpus import read_document
from ingest.document import Document, Metadata
from ingest.settings import ROOT
from ingest.split import MOST, SPLITTER_FINGERPRINT, embedding_text, sentence_spans, split

# Text that offsets break on: astral characters, combining marks, bidi, all kinds of line ends.
NASTY = st.lists(
    st.one_of(
        st.sampled_from(list(".!?…。！\"'”’)]*_`#|->[(“« \n\t\u2028\x85\x0b\u00a0\u200d\ufe0f")),
        st.sampled_from(["é", "e\u0301", "𝒳", "👩\u200d🚀", "ش", "文", "か", "Dr.", "U.S.", "i.e.", "1.", "A"]),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=300,
).map("".join)


@given(NASTY)
@example("# Only a heading")
@example("|---|\n- \n> \n```\n```")
@example("x" * 3000)
@example("字" * 1500)
def test_any_text_gives_exact_ordered_spans(text: str) -> None:
    document = Document(text, Metadata("title"))
    passages = split(document)
    spans = [span for passage in passages for span in passage.sentences]
    assert spans == sentence_spans(text, "en")
    last = 0
    for start, end in spans:
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        last = end
    for passage in passages:
        assert text[passage.span.start : passage.span.end] == passage.span.text
        assert (passage.span.start, passage.span.end) == (passage.sentences[0][0], passage.sentences[-1][1])
    assert len({passage.passage_id for passage in passages}) == len(passages)


@given(NASTY)
def test_no_word_is_lost(text: str) -> None:
    """Letters outside every sentence are those of headings, code fences and list markers."""
    plain = "".join(char if char.isalnum() or char in " .!?" else " " for char in text).strip()
    kept = "".join(plain[start:end] for start, end in sentence_spans(plain))
    marker = len(plain.split()[0]) if plain else 0  # "1." at the start of a line marks a list item
    assert len("".join(plain.split())) - len("".join(kept.split())) <= marker or not any(
        char.isalnum() for char in plain
    )


def test_the_article() -> None:
    document = read_document(ROOT / "corpus" / "north-koreas-own-pivot-to-asean.md")
    passages = split(document)
    assert 10 <= len(passages) <= 20
    assert all(30 <= len(passage.span.text.split()) <= 150 for passage in passages)
    sentences = [document.text[start:end] for p in passages for start, end in p.sentences]
    assert len(sentences) == 44
    assert "In recent years instead of saying that, people talk about… trying to bring in what’s best from" in (
        next(sentence for sentence in sentences if "…" in sentence)
    )
    assert all(sentence[-1] in ".”)" for sentence in sentences)


def test_headings_are_context_and_in_no_sentence() -> None:
    text = (
        "# Title\n\nIntro here.\n\n## Part *one*\n\nBody of one.\n\n### Deep\n\nDeeper.\n\n## Two\n\n## Three\n\nEnd."
    )
    document = Document(text, Metadata("Title"))
    passages = split(document)
    assert [(p.heading, p.span.text) for p in passages] == [
        ("Title", "Intro here."),
        ("Title > Part one", "Body of one."),
        ("Title > Part one > Deep", "Deeper."),
        ("Title > Three", "End."),
    ]
    assert embedding_text(document.metadata, passages[1]) == "Title > Part one\nBody of one."
    assert split(Document("# Nothing\n\n## But headings", Metadata("t"))) == ()


def test_long_paragraphs_are_cut_evenly_and_short_ones_joined() -> None:
    long = " ".join(f"Sentence number {n} says that nothing of note took place there." for n in range(60))
    sizes = [len(p.sentences) for p in split(Document(long, Metadata("t")))]
    assert len(sizes) > 2
    assert max(sizes) - min(sizes) <= 4
    short = "\n\n".join(["A few words only."] * 10)
    assert len(split(Document(short, Metadata("t")))) == 1
    assert MOST <= 200  # with title and heading it must fit the model's 256 tokens


def test_thousands_of_tiny_paragraphs_take_work_in_proportion() -> None:
    """Counted in calls, not by the clock."""

    def calls(paragraphs: int) -> float:
        document, made = Document("a\n\n" * paragraphs, Metadata("t", language="en")), 0

        def count(_frame: object, event: str, _argument: object) -> None:
            nonlocal made
            made += event in ("call", "c_call")

        split(document)
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            split(document)
        finally:
            sys.setprofile(before)
        return made / paragraphs

    assert calls(2000) < 1.2 * calls(20)


def test_other_passages_have_another_fingerprint() -> None:
    """When this fails, raise SPLITTER_FINGERPRINT and state the new digest: indexes are then split anew."""
    headings = (
        f"# A [link](x) and `code` **bold** #\n\nOne.\n\n## {'long ' * 300}\n\nTwo... Three?! “Four.” Five [1].\n\n"
    )
    items = "> - an item\n> - another\n\n| a | b |\n|---|---|\n\n" + "word " * 400 + "x" * 2500 + "\n\n一。二。"
    found = split(Document(headings + items, Metadata(title="A", language="en")))
    told = repr([(one.span.start, one.span.end, one.sentences, one.heading) for one in found])
    digest = hashlib.sha256(told.encode("utf-8")).hexdigest()[:16]
    assert (SPLITTER_FINGERPRINT, digest) == ("sentences-3", "7147fda8e89acd5a")
