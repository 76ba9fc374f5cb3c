"""Where pages begin, written into a corpus file's text as `<!-- page 4 -->`: marks that editing moves along.

Offsets in the front matter would be wrong after the first word that a person adds or deletes.
"""

import re
from collections.abc import Sequence

# A mark that begins a line has that line to itself, if the file was not edited.
_MARK = re.compile(r"^<!-- page (\d{1,5}) -->\n?|<!-- page (\d{1,5}) -->", re.MULTILINE)
_MARK_START = re.compile(r"(<!-- page )(?=\d)")


def with_marks(text: str, pages: Sequence[int]) -> str:
    """`text` with a mark at each of these offsets, which rise; `without_marks` takes them out again.

    Pages without text get none: one mark of a high number must not become as many as it says.
    """
    parts, last = [], 0
    for number, page in enumerate(pages, 1):
        if number < len(pages) and pages[number] == page:
            continue
        parts.append(text[last:page])
        begins_line = page == 0 or text[page - 1] == "\n"
        parts.append(f"<!-- page {number} -->" + ("\n" if begins_line else ""))
        last = page
    return "".join([*parts, text[last:]])


def without_marks(text: str) -> tuple[str, tuple[int, ...]]:
    """The text without marks, and the offset in it at which each page begins, the first page first.

    A page whose mark is missing has no text of its own; a mark out of order is none.
    What becomes a mark only when another is gone stays as text, with a space more, and no page is told.
    """
    pages: list[int] = []
    if "<!-- page " not in text:
        return text, ()
    parts, last, length = [], 0, 0
    for mark in _MARK.finditer(text):
        parts.append(text[last : mark.start()])
        length += mark.start() - last
        last = mark.end()
        number = int(mark[1] or mark[2])
        if number > len(pages):
            pages += [length] * (number - len(pages))
    parts.append(text[last:])
    bare = "".join(parts)
    if _MARK.search(bare):  # marks within marks: nobody writes them in good faith
        return _MARK_START.sub(r"\1 ", bare), ()
    return bare, tuple(pages)
