"""A document survives its file; a broken file is named."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import UserError
from ingest.corpus import corpus_files, parse_document, read_document, render, slugify, tidy, write_document
from ingest.document import Document, Metadata
from ingest.settings import ROOT

LINE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
MAYBE = st.one_of(st.none(), LINE, st.sampled_from(["2024-01-05", "1984", "yes", "null", "a: b", "# x", "- y", "'"]))
METADATA = st.builds(
    Metadata,
    title=LINE,
    author=MAYBE,
    published=MAYBE,
    url=MAYBE,
    site=MAYBE,
    section=MAYBE,
    summary=MAYBE,
    language=MAYBE,
    retrieved=MAYBE,
    origin=MAYBE,
    pages=st.lists(st.integers(0, 50), unique=True).map(lambda offsets: tuple(sorted(offsets))),
)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), METADATA)
def test_round_trip(text: str, metadata: Metadata) -> None:
    document = tidy(Document(text, metadata))
    if not document.text or not document.metadata.title:
        return
    lost = {name for name in vars(metadata) if getattr(document.metadata, name) in ("~", "null")}
    expected = replace(document, metadata=replace(document.metadata, **dict.fromkeys(lost - {"title"})))
    assert parse_document(render(document).encode(), Path("x.md")) == expected


def test_the_seed_article_is_the_article() -> None:
    document = read_document(ROOT / "corpus" / "north-koreas-own-pivot-to-asean.md")
    assert document.text.startswith("Like China, Japan, and the US, North Korea is looking toward Southeast Asia —")
    assert document.text.endswith("rather than any sort of political realignment.")
    assert document.text.count("\n\n") == 10
    assert "Shutterstock" not in document.text
    assert "Recent Features" not in document.text
    assert document.metadata == Metadata(
        title="North Korea’s Own Pivot to ASEAN",
        section="The Koreas",
        language="en",
        origin="north-koreas-own-pivot-to-asean.txt",
    )


@pytest.mark.parametrize(
    ("data", "title", "text"),
    [
        (b"# Head\n\nBody.", "Head", "# Head\n\nBody."),
        (b"Just text.", "my notes", "Just text."),
        (b"\xef\xbb\xbf---\r\ntitle: T\r\n---\r\nA\r\nB", "T", "A\nB"),
        (b"---\npublished: 2024-01-05\n---\nText", "my notes", "Text"),
        (b"---\n\nA rule first.\n\n---\n\nMore.", "my notes", "---\n\nA rule first.\n\n---\n\nMore."),
        (b"---\ntitle: [One, Two]\n---\nText", "One, Two", "Text"),
        (b"---\n---\nText", "my notes", "Text"),
    ],
)
def test_files_by_hand(data: bytes, title: str, text: str) -> None:
    document = parse_document(data, Path("my_notes.md"))
    assert (document.metadata.title, document.text) == (title, text)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe\x00bad", "not UTF-8"),
        (b"a\x00b", "not text"),
        (b"", "no text"),
        (b"---\ntitle: x\n---\n \n", "no text"),
        (b"---\ntitle: [x\n---\ntext", "broken front matter"),
        (b"---\ntitle: &a [*a]\n---\ntext", "broken front matter in line 2"),
        (b"---\na: &a x\ntitle: [*a, *a]\n---\ntext", "broken front matter in line 3"),
        (b"---\ntitle: {a: b}\n---\ntext", "title"),
        (b"---\nx: " + b"[" * 5000 + b"\n---\ntext", "broken front matter"),
        (b"---\ntitle: !!python/object/apply:os.system [ls]\n---\ntext", "no such"),
    ],
)
def test_bad_files_are_named(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.md"
    path.write_bytes(data)
    if said == "no such":  # a tag is read as what it marks, and nothing is called
        assert read_document(path).metadata.title == "ls"
        return
    with pytest.raises(UserError) as caught:
        read_document(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pages_stay_where_they_are_when_the_text_is_edited(tmp_path: Path) -> None:
    text = "First page.\n\nIt runs on to the second page.\n\nThird."
    document = Document(text, Metadata("t", pages=(0, text.index("second"), text.index("Third"))))
    path = write_document(tmp_path, document)
    assert read_document(path) == document
    path.write_text(path.read_text("utf-8").replace("First", "The very first"), encoding="utf-8")
    edited = read_document(path)
    assert edited.text == text.replace("First", "The very first")
    assert [edited.page(edited.text.index(word)) for word in ("very", "runs", "second", "Third")] == [1, 1, 2, 3]
    path.write_text(path.read_text("utf-8").replace("<!-- page 2 -->second page.", "end."), encoding="utf-8")
    edited = read_document(path)
    assert [edited.page(edited.text.index(word)) for word in ("very", "end", "Third")] == [1, 1, 3]
    assert "<!--" not in edited.text


def test_a_rule_and_much_text_is_no_front_matter(tmp_path: Path) -> None:
    text = "---\n" + "a: b\n" * 50_000 + "---\nEnd."
    assert parse_document(text.encode(), tmp_path / "x.md").text == text


def test_a_mark_of_a_page_inside_another_is_text() -> None:
    document = tidy(Document("one <!-- page <!-- page 1 -->2 --> two", Metadata("t")))
    assert document.text == "one <!-- page  2 --> two" and document.metadata.pages == ()
    assert tidy(document) == parse_document(render(document).encode(), Path("x.md")) == document


def test_one_mark_of_a_page_does_not_become_a_hundred_thousand() -> None:
    document = tidy(Document("One.\n\n<!-- page 99999 -->\nTwo.", Metadata("t")))
    assert (document.metadata.page(0), document.metadata.page(document.text.index("Two"))) == (None, 99_999)
    assert len(render(document)) < 100
    assert parse_document(render(document).encode(), Path("t.md")) == document
    assert tidy(Document("<!-- page 100000 -->", Metadata("t"))).text == "<!-- page 100000 -->"


def test_pages_move_with_the_text() -> None:
    document = tidy(Document("\n\n\u200bone\ftwo\u200b\fthree", Metadata("t", pages=(0, 7, 12))))
    assert document.text == "one\n\ntwo\n\nthree"
    assert [document.text[page:].lstrip()[:3] for page in document.metadata.pages] == ["one", "two", "thr"]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("North Korea’s Own Pivot", "north-koreas-own-pivot"),
        ("../../etc/passwd", "etc-passwd"),
        ("日本語の題名", "日本語の題名"),
        ("CON", "con-"),
        ("", "untitled"),
        ("...", "untitled"),
        ("a\x00b/c:d*", "a-b-c-d"),
        ("ü" * 200, "ü" * 60),
    ],
)
def test_file_names(title: str, name: str) -> None:
    assert slugify(title) == name


def test_writing(tmp_path: Path) -> None:
    first = write_document(tmp_path, Document("One.", Metadata("Same")))
    second = write_document(tmp_path, Document("Two.", Metadata("Same")))
    assert [first.name, second.name] == ["same.md", "same-2.md"]
    write_document(tmp_path, Document("New.", Metadata("Other")), first)
    assert read_document(first).text == "New."
    for hidden in (".git/x.md", "originals/y.md", ".z.md", "sub/w.MD", "sub/originals/v.md", "n.txt"):
        (tmp_path / hidden).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / hidden).write_text("x")
    assert [path.relative_to(tmp_path).as_posix() for path in corpus_files(tmp_path)] == [
        *("same-2.md", "same.md", "sub/originals/v.md", "sub/w.MD")
    ]
    assert not list(tmp_path.glob(".writing-*"))


def test_writing_where_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="Cannot write"):
        write_document(tmp_path / "file" / "corpus", Document("One.", Metadata("t")))
