"""Rich Text Format to text with striprtf (BSD-3, one file); title and author from its info group."""

import re

from striprtf.striprtf import rtf_to_text

from ingest.document import Document
from ingest.readers.build import ReadError, make_document

# Where notes begin and end in the text, once the groups are gone; elsewhere these characters do not occur.
_OPEN, _CLOSE = "\x02", "\x03"
_PIECES = re.compile(r"\\[\\{}]|\\v[01]?(?![a-z0-9]) ?|\\plain(?![a-z])|\{(?:\\\*)?\\footnote(?![a-z])|[{}]")
_INFO = re.compile(r"\{\\info\b(.{0,20000})", re.DOTALL)


def read_rtf(data: bytes, name: str) -> Document:
    """The visible text, paragraphs a blank line apart; notes are marked [1] and kept at the end."""
    source = data.decode("latin-1").replace(_OPEN, "").replace(_CLOSE, "")
    try:
        text = rtf_to_text(_with_marks(source), errors="replace")
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
    text, notes = _without_notes(text)
    blocks = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in [*text.split("\n"), *notes])
    return make_document(
        "\n\n".join(b for b in blocks if b),
        name=name,
        title=_info(source, "title"),
        author=_info(source, "author"),
    )


def _with_marks(source: str) -> str:
    """The source with its notes, which the library drops, as marked text; without hidden text, which it keeps."""
    parts: list[str] = []
    groups: list[tuple[bool, bool]] = []  # of each open group: is it a note, and is what is around it hidden
    hidden, at = False, 0
    for found in _PIECES.finditer(source):
        parts.append("" if hidden else source[at : found.start()])
        piece, at = found[0], found.end()
        if piece[0] == "{":
            groups.append((piece != "{" and not hidden, hidden))
            parts.append("{" + (_OPEN if groups[-1][0] else piece[1:]))
        elif piece == "}":
            note, hidden = groups.pop() if groups else (False, hidden)
            parts.append(f"{_CLOSE}}}" if note else piece)
        elif piece.startswith("\\v"):
            hidden = "0" not in piece
        else:
            hidden = hidden and not piece.startswith("\\p")  # \plain takes back all that was set
            parts.append("" if hidden else piece)
    return "".join(parts) + ("" if hidden else source[at:])


def _without_notes(text: str) -> tuple[str, list[str]]:
    """The text with a mark in the place of each note, and the notes, each behind its mark."""
    notes: list[str] = []

    def marked(found: re.Match[str]) -> str:
        note = " ".join(found[1].split())
        if note:
            notes.append(f"[{len(notes) + 1}] {note}")
        return f"[{len(notes)}]" if note else ""

    text = re.sub(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}", marked, text)
    return text.replace(_OPEN, "").replace(_CLOSE, ""), notes


def _info(source: str, field: str) -> str | None:
    group = _INFO.search(source)
    found = re.search(r"\{\\" + field + r" ((?:[^{}]|\\[{}]){0,500})\}", group[1]) if group else None
    return rtf_to_text("{\\rtf1\\ansi " + found[1] + "}", errors="replace").strip() or None if found else None
