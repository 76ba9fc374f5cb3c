"""Document, Sentence, Passage, Hit: text and the character spans of it.

All offsets are in characters (code points) of `Document.text`, end exclusive.
Knows nothing of files, stores or models.
"""

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Metadata:
    """What a source says of itself; `None` where it does not say.

    `published` and `retrieved` are ISO 8601 dates or times; `language` is a BCP 47 tag;
    `origin` is the file name or URL that the source was added from; `pages` holds the
    offset at which each page of a paged source starts, the first page first.
    """

    title: str
    author: str | None = None
    published: str | None = None
    url: str | None = None
    site: str | None = None
    section: str | None = None
    summary: str | None = None
    language: str | None = None
    retrieved: str | None = None
    origin: str | None = None
    pages: tuple[int, ...] = ()

    def page(self, offset: int) -> int | None:
        """The number, from 1, of the page that holds the character `offset`; None if not paged."""
        return bisect_right(self.pages, offset) or None


@dataclass(frozen=True)
class Span:
    """A run of characters of one document: `document.text[start:end] == text`.

    Made by `Document.span` alone, which cuts the text itself.
    """

    document_id: str
    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Document:
    """The clean text of one source; immutable, named by the SHA-256 of its text."""

    text: str
    metadata: Metadata
    document_id: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
        object.__setattr__(self, "document_id", digest)

    def span(self, start: int, end: int) -> Span:
        """Cut the characters `start` to `end`; raises `ValueError` when they are not inside the text."""
        if not 0 <= start < end <= len(self.text):
            raise ValueError(f"no span {start}:{end} in a text of {len(self.text)} characters")
        return Span(self.document_id, start, end, self.text[start:end])

    def page(self, offset: int) -> int | None:
        """The number, from 1, of the page that holds the character `offset`; None if not paged."""
        return self.metadata.page(offset)


@dataclass(frozen=True)
class Passage:
    """A run of whole sentences of one document: the unit that is embedded and retrieved.

    `sentences` are the (start, end) offsets in the document of its sentences, in order;
    `heading` is the path of headings above it ("" if none), context for embedding and
    display, not part of the span.
    """

    span: Span
    sentences: tuple[tuple[int, int], ...]
    heading: str = ""

    @property
    def passage_id(self) -> str:
        """Derived from the document and the offsets, so the same corpus always gives the same ids."""
        key = f"{self.span.document_id}:{self.span.start}:{self.span.end}"
        return hashlib.sha256(key.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Hit:
    """A passage found for a query; higher `score` is better.

    `dense` is the cosine similarity to the query, `lexical` the BM25 score (>= 0).
    """

    passage: Passage
    metadata: Metadata
    score: float
    dense: float
    lexical: float
