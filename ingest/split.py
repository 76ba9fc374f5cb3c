"""Document -> passages: runs of whole sentences under one heading, with exact offsets."""

import re
from dataclasses import dataclass

from ingest.blocks import blocks
from ingest.document import Document, Metadata, Passage
from ingest.lexical import guess_language
from ingest.sentences import block_sentences, language_rules, sentence_spans

__all__ = ["SPLITTER_FINGERPRINT", "embedding_text", "sentence_spans", "split"]

# Raise it with any change that moves a sentence or a passage: the index is then split anew.
SPLITTER_FINGERPRINT = "sentences-3"

FULL = 140  # a passage of so many tokens takes no further paragraph
MOST = 200  # tokens that a passage holds at most, unless one sentence is longer

# Word pieces of the embedding model, about: a long word is several, a CJK character is one.
_TOKEN = re.compile(r"[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]|\w{1,7}|[^\w\s]")


@dataclass(frozen=True)
class _Paragraph:
    sentences: tuple[tuple[int, int], ...]
    sizes: tuple[int, ...]
    heading: str
    region: int

    @property
    def size(self) -> int:
        """In tokens."""
        return sum(self.sizes)


def split(document: Document) -> tuple[Passage, ...]:
    """The passages of `document`, in order; each sentence is in exactly one.

    About 100 words each, at most MOST tokens; ends where a paragraph ends if it can. Long
    paragraphs are cut into parts of like size. Headings are in no passage but name it.
    """
    passages: list[Passage] = []
    held: list[_Paragraph] = []
    size = 0  # of those held: many a text is of very short paragraphs
    for paragraph in _paragraphs(document):
        if held and not _joins(held[0], size, paragraph):
            passages += _cut(document, held)
            held, size = [], 0
        held.append(paragraph)
        size += paragraph.size
    if held:
        passages += _cut(document, held)
    return tuple(passages)


def embedding_text(metadata: Metadata, passage: Passage) -> str:
    """What is embedded and lexically indexed for a passage: title, heading path and text.

    The title names what the passage is about, which its own words often don't.
    """
    return "\n".join(part for part in (heading_text(metadata, passage), passage.span.text) if part)


def heading_text(metadata: Metadata, passage: Passage) -> str:
    """Title and heading path in one line; a path that starts with the title is not said twice."""
    path = passage.heading.split(" > ") if passage.heading else []
    if path and path[0].casefold() == metadata.title.casefold():
        path = path[1:]
    return " > ".join([metadata.title, *path])


def _paragraphs(document: Document) -> list[_Paragraph]:
    rules = language_rules(document.metadata.language or guess_language(document.text))
    found = []
    for block in blocks(document.text):
        sentences = tuple(block_sentences(document.text, block.start, block.end, rules))
        if sentences:
            sizes = tuple(len(_TOKEN.findall(document.text, *span)) for span in sentences)
            found.append(_Paragraph(sentences, sizes, " > ".join(block.heading), block.region))
    return found


def _joins(first: _Paragraph, size: int, paragraph: _Paragraph) -> bool:
    return first.region == paragraph.region and size < FULL and size + paragraph.size <= MOST


def _cut(document: Document, held: list[_Paragraph]) -> list[Passage]:
    """One passage, or several of like size when a single paragraph is too long for one."""
    sentences = [span for paragraph in held for span in paragraph.sentences]
    sizes = [size for paragraph in held for size in paragraph.sizes]
    parts = -(-sum(sizes) // MOST)
    share = sum(sizes) / parts
    passages, first, filled = [], 0, 0
    for at, size in enumerate(sizes):
        over = filled + size > MOST or filled + size / 2 > share
        if at > first and over:
            passages.append(_passage(document, sentences[first:at], held[0].heading))
            first, filled = at, 0
        filled += size
    passages.append(_passage(document, sentences[first:], held[0].heading))
    return passages


def _passage(document: Document, sentences: list[tuple[int, int]], heading: str) -> Passage:
    return Passage(document.span(sentences[0][0], sentences[-1][1]), tuple(sentences), heading)
