"""Rich Text Format to text with striprtf (BSD-3, one file); title and author from its info group."""

import re

from striprtf.striprtf import rtf_to_text

from ingest.document import Document
from ingest.readers.build import ReadError, make_document

# Where notes begin and end in the text, once the groups are gone; elsewhere these characters do not occur.
_OPEN, _CLOSE = "\x02", "\x03"
_GROUPS = re.compile(r"\\[\\{}]|\{(?:\\\*)?\\footnote(?![a-z])|[{}]")
_INFO = re.compile(r"\{\\info\b(.{0,20000})", re.DOTALL)


def read_rtf(data: bytes, name: str) -> Document:
    """The visible text, paragraphs a blank line apart; notes are marked [1] and kept at the end."""
    source = data.decode("latin-1").replace(_OPEN, "").replace(_CLOSE, "")
    try:
        # {\v ...} is hidden text; the library keeps it, so it goes first.
        text = rtf_to_text(re.sub(r"\{\\v(?![a-z0-9])[^{}]*\}", "", _with_marks(source)), errors="replace")
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
    """The source with its notes, which the library drops, as marked text."""
    parts: list[str] = []
    groups: list[bool] = []  # of each open group, whether it is a note
    at = 0
    for found in _GROUPS.finditer(source):
        brace, mark = found[0], ""
        if brace[0] == "{":
            groups.append(brace != "{")
            mark = "{" + _OPEN if groups[-1] else ""
        elif brace == "}" and groups and groups.pop():
            mark = _CLOSE + "}"
        if mark:
            parts += [source[at : found.start()], mark]
            at = found.end()
    return "".join(parts) + source[at:]


def _without_notes(text: str) -> tuple[str, list[str]]:
    """The text with a mark in the place of each note, and the notes, each behind its mark."""
    notes: list[str] = []

    def marked(found: re.Match[str]) -> str:
        notes.append(f"[{len(notes) + 1}] {' '.join(found[1].split())}")
        return f"[{len(notes)}]"

    text = re.sub(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}", marked, text)
    return text.replace(_OPEN, "").replace(_CLOSE, ""), notes


def _info(source: str, field: str) -> str | None:
    group = _INFO.search(source)
    found = re.search(r"\{\\" + field + r" ((?:[^{}]|\\[{}]){0,500})\}", group[1]) if group else None
    return rtf_to_text("{\\rtf1\\ansi " + found[1] + "}", errors="replace").strip() or None if found else None
