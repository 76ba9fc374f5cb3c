"""Lines of a PDF page, without those that run along the edges of the pages.

Knows nothing of PDF itself.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

_RUNNING = 3
_EDGE = 2  # lines at the head and at the foot of a page, by their place on it and in the order they were drawn
_NUMBER_WORD = r"(?:page|seite|p[aá]gina|pagina|p\.|str\.|s\.)"
_PAGE_NUMBER = re.compile(
    rf"{_NUMBER_WORD} ?(\d{{1,4}})(?: ?(?:of|von|de|sur|di|van|/) ?\d{{1,4}})?"
    r"|(\d{1,4}) ?/ ?\d{1,4}|[-–—] ?(\d{1,4}) ?[-–—]",
    re.IGNORECASE,
)
_STAMP = re.compile(r"arXiv:\d{4}\.\d{4,5}(?:v\d{1,2})?\s+\[")


@dataclass(frozen=True)
class Line:
    """One line of a page: its text, its box in points (origin bottom left), its font size.

    pdfium joins a word that is hyphenated at the line end, so a "line" can end rows below its
    start: `bottom` and `top` are those of its first row, `last` is the bottom of its last.
    """

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    last: float


def without_running_lines(pages: list[list[Line]]) -> list[list[Line]]:
    """Drop page numbers, stamps, and headers and footers: lines at an edge that, digits aside, recur on pages."""
    pages = [
        [line for line, edge in _with_edges(lines) if not (edge and _is_number_or_stamp(line.text, number))]
        for number, lines in enumerate(pages, 1)
    ]
    if len(pages) < _RUNNING:
        return pages
    seen: Counter[str] = Counter()
    for lines in pages:
        edges = [line.text for line, edge in _with_edges(lines) if edge]
        seen.update({*map(_mask, edges), *edges})
    limit = max(_RUNNING, len(pages) // 4)

    def runs(text: str) -> bool:
        # A sentence must recur to the letter: notes of several pages may differ in their numbers alone.
        return seen[text if text.endswith(".") else _mask(text)] >= limit

    kept = [[line for line, edge in _with_edges(lines) if not (edge and runs(line.text))] for lines in pages]
    return kept if any(kept) else pages


def _with_edges(lines: list[Line]) -> Iterator[tuple[Line, bool]]:
    """Each line with whether it is one of the first or last of its page."""
    heights = sorted({line.bottom for line in lines})
    low, high = (heights[:_EDGE], heights[-_EDGE:]) if heights else ([], [])
    for n, line in enumerate(lines):
        drawn = n < _EDGE or n >= len(lines) - _EDGE
        yield line, drawn or line.bottom in low or line.bottom in high


def _is_number_or_stamp(text: str, page: int) -> bool:
    number = _PAGE_NUMBER.fullmatch(text.strip())
    said = next((g for g in number.groups() if g), "") if number else ""
    return said == str(page) or bool(_STAMP.match(text))


def _mask(text: str) -> str:
    return re.sub(r"[\divxlIVXL]+(?!\w)", "#", text).strip().lower()
