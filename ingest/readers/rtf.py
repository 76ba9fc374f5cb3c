"""Rich Text Format to text with striprtf (BSD-3, one file); title and author from its info group."""

import re

from striprtf.striprtf import rtf_to_text

from ingest.document import Document
from ingest.readers.build import ReadError, make_document

_INFO = re.compile(r"\{\\info\b(.{0,20000})", re.DOTALL)


def read_rtf(data: bytes, name: str) -> Document:
    """The visible text, paragraphs a blank line apart."""
    source = data.decode("latin-1")
    try:
        # {\v ...} is hidden text; the library keeps it, so it goes first.
        text = rtf_to_text(re.sub(r"\{\\v(?![a-z0-9])[^{}]*\}", "", source), errors="replace")
    except (
        ValueError,
        IndexError,
        KeyError,
        LookupError,
        AttributeError,
        TypeError,
        RecursionError,
    ) as error:
        raise ReadError("a damaged RTF file") from error
    blocks = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in text.split("\n"))
    return make_document(
        "\n\n".join(b for b in blocks if b),
        name=name,
        title=_info(source, "title"),
        author=_info(source, "author"),
    )


def _info(source: str, field: str) -> str | None:
    group = _INFO.search(source)
    found = re.search(r"\{\\" + field + r" ((?:[^{}]|\\[{}]){0,500})\}", group[1]) if group else None
    return rtf_to_text("{\\rtf1\\ansi " + found[1] + "}", errors="replace").strip() or None if found else None
