"""PDF to Markdown with pdfium (pypdfium2: Apache-2.0/BSD-3, 8 MB, no further dependency).

Chosen over pypdf (pure Python): on 42 of pdf.js's test files with text both find it, pdfium
in 40 % of the time, and it gives boxes and font sizes, from which paragraphs and headings
are told. It is native code, so it only runs in the sandbox's child.
"""

import ctypes
import re
from collections import Counter
from itertools import pairwise
from statistics import median
from typing import Any

import pypdfium2
import pypdfium2.raw as raw

from ingest.document import Document
from ingest.readers.build import ReadError, make_document
from ingest.readers.pdf_lines import Line, without_running_lines

MAX_PAGES = 5_000
MAX_CHARACTERS = 20_000_000
_ENDS = re.compile(r"[.!?:;…。！？»”\"')\]]$")
_BULLET = re.compile(r"^(?:[•‣◦▪–—*-]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+\S")
_LEADERS = re.compile(r"(?:\s?[.·…]){4,}\s*\S{0,6}$")  # a table of contents: "Title . . . . . 12"
_MARKS = ("\ufffe", "\x02", "\xad")


def read_pdf(data: bytes, name: str) -> Document:
    """The text of a PDF, pages remembered; raises `ReadError` when it is encrypted, broken or scanned."""
    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        locked = "password" in str(error).lower()
        raise ReadError("the PDF needs a password" if locked else "a damaged PDF: it cannot be opened") from error
    try:
        count = len(pdf)
        if count > MAX_PAGES:
            raise ReadError(f"the PDF has {count} pages; at most {MAX_PAGES} are read: split it")
        pages = _pages(pdf, count)
        title, author = (_info(pdf, key) for key in ("Title", "Author"))
    finally:
        pdf.close()
    if sum(sum(c.isalnum() for line in lines for c in line.text) for lines in pages) < 2:
        raise ReadError("no text in this PDF, probably scanned: run OCR first (for example ocrmypdf)")
    # Text of under two points is there for machines; invisible text of full size is an OCR layer.
    legible = [[line for line in lines if line.size >= 2] for lines in pages]
    pages = without_running_lines(legible if any(legible) else pages)
    sizes: Counter[float] = Counter()
    for lines in pages:
        for line in lines:
            sizes[round(line.size)] += len(line.text)
    body_size = sizes.most_common(1)[0][0] if sizes else 0
    words = " ".join(line.text for lines in pages for line in lines)
    compounds = {word.lower() for word in re.findall(r"\w+-\w+", words)}
    texts = [_paragraphs(lines, body_size, compounds) for lines in pages]
    return make_document("", name=name, title=title or _big_first_line(pages), author=author, pages=texts)


def _info(pdf: Any, key: str) -> str | None:
    """A field of the information dictionary; titles that are only a file's name are left out."""
    value = str(pdf.get_metadata_value(key)).strip()
    if not value or re.search(r"(?i)^(microsoft word|untitled|slide \d)|\.(docx?|tex|dvi|pdf|indd|qxd)$", value):
        return None
    return value


def _pages(pdf: Any, count: int) -> list[list[Line]]:
    pages: list[list[Line]] = []
    total = 0
    for number in range(count):
        try:
            page = pdf[number]
            textpage = page.get_textpage()
        except pypdfium2.PdfiumError:
            pages.append([])
            continue
        lines = _lines(textpage)
        textpage.close()
        page.close()
        total += sum(len(line.text) for line in lines)
        if total > MAX_CHARACTERS:
            raise ReadError(f"more than {MAX_CHARACTERS:,} characters of text")
        pages.append(lines)
    return pages


def _lines(textpage: Any) -> list[Line]:
    """The lines as pdfium orders them, each with the box of its first and last visible character."""
    count = textpage.count_chars()
    if count <= 0:
        return []
    text = textpage.get_text_range()
    lines, unit = [], 0
    for piece in text.split("\n"):
        start = unit
        unit += len(piece.encode("utf-16-le", "surrogatepass")) // 2 + 1
        stripped = piece.rstrip("\r")
        if stripped.strip():
            lines.append(_line(textpage, stripped, start, count))
    return lines


def _line(textpage: Any, text: str, unit: int, count: int) -> Line:
    lead = len(text) - len(text.lstrip())
    end = unit + len(text.rstrip().encode("utf-16-le", "surrogatepass")) // 2 - 1
    first, last = (
        min(max(raw.FPDFText_GetCharIndexFromTextIndex(textpage, i), 0), count - 1) for i in (unit + lead, end)
    )
    a, b = _box(textpage, first), _box(textpage, last)
    middle = (first + last) // 2
    size = raw.FPDFText_GetFontSize(textpage, middle)
    # Fonts are often set at size 1 and scaled by the matrix: then the height of the box tells more.
    height = a[3] - a[2]
    return Line(text.strip(), a[0], b[1], a[2], a[3], size if size > 2 else height, b[2])


def _box(textpage: Any, index: int) -> tuple[float, float, float, float]:
    """left, right, bottom, top of a character's loose box (font height, not glyph height)."""
    rect = raw.FS_RECTF()
    if not raw.FPDFText_GetLooseCharBox(textpage, index, ctypes.byref(rect)):
        return (0.0, 0.0, 0.0, 0.0)
    return (rect.left, rect.right, rect.bottom, rect.top)


def _big_first_line(pages: list[list[Line]]) -> str | None:
    """The title as printed: the largest lines in the upper part of the first page that has text."""
    lines = next((page for page in pages if page), [])[:25]
    if len(lines) < 3:
        return None
    largest = max(line.size for line in lines)
    if largest < 1.15 * median(line.size for line in lines):
        return None
    start = next(n for n, line in enumerate(lines) if line.size > 0.97 * largest)
    title = lines[start].text
    for above, line in pairwise(lines[start : start + 4]):
        if line.size < 0.97 * largest or above.last - line.bottom > 1.6 * line.size:
            break
        title += " " + line.text
    return title if 3 < len(title) <= 250 else None


def _paragraphs(lines: list[Line], body_size: float, compounds: set[str]) -> str:
    """Join lines to paragraphs by gap, indent, size and how far the line before ran."""
    if not lines:
        return ""
    leading = _leading(lines)
    blocks: list[tuple[str, Line]] = []
    previous: Line | None = None
    column = max(line.right for line in lines)
    for line in lines:
        if previous is not None and not _breaks(previous, line, leading, column):
            blocks[-1] = (_joined(blocks[-1][0], line.text), blocks[-1][1])
        else:
            blocks.append((line.text, line))
        previous = line
    return "\n\n".join(_as_block(_mended(text, compounds), line, body_size) for text, line in blocks)


def _leading(lines: list[Line]) -> float:
    """The commonest distance in points between two rows of the same size; 0 when there is none."""
    gaps: Counter[float] = Counter()
    for above, below in pairwise(lines):
        gap = above.last - below.bottom
        if abs(above.size - below.size) < 1 and 0 < gap < 4 * max(below.size, 1):
            gaps[round(gap, 0)] += 1
    most = max(gaps.values(), default=0)
    return min((gap for gap, n in gaps.items() if n == most), default=0)


def _breaks(previous: Line, line: Line, leading: float, column: float) -> bool:
    """Whether `line` begins a new paragraph."""
    height = previous.top - previous.bottom
    overlap = min(previous.last + height, line.top) - max(previous.last, line.bottom)
    if overlap > 0.5 * min(height, line.top - line.bottom) > 0:
        return False  # the same row: a footnote mark, a cell of a table
    if _LEADERS.search(previous.text):
        return True
    if abs(line.size - previous.size) > 0.12 * max(line.size, previous.size):
        return True
    drop = previous.last - line.bottom
    if leading and drop > 1.35 * leading:
        runs_on = line.text[:1].islower() and not _ENDS.search(previous.text)
        return not runs_on or drop > 2 * leading
    if _BULLET.match(line.text):
        return True
    if drop < -2 * line.size:
        # The next column: a sentence that has not ended runs on.
        return bool(_ENDS.search(previous.text)) or not line.text[:1].islower()
    indented = line.left > previous.left + 0.8 * line.size and line.left < previous.left + 6 * line.size
    ended = bool(_ENDS.search(previous.text))
    short = previous.right < column - 0.15 * (column - previous.left) and previous.right < line.right
    return ended and (indented or short)


def _joined(text: str, line: str) -> str:
    """Two rows as one run of text; a hyphen at the end of the first is marked for `_mended`."""
    if text.endswith(_MARKS):
        return text[:-1] + "\ufffe" + line
    if re.search(r"[^\W\d_]-$", text) and line[:1].isalpha():
        return text[:-1] + "\ufffe" + line
    return text + ("" if _cjk(text[-1]) and _cjk(line[0]) else " ") + line


def _mended(text: str, compounds: set[str]) -> str:
    """Undo hyphenation: pdfium marks a hyphen at a line end as U+FFFE, whether it belongs there or not.

    It stays where the document writes the word with a hyphen elsewhere, before a capital or a
    digit, and after "self" and "well"; else the parts become one word.
    """

    def mend(match: re.Match[str]) -> str:
        before, after = match[1], match[2]
        compound = f"{before}-{after}".lower()
        kept = compound in compounds or not after[:1].islower() or before.lower() in ("self", "well")
        return f"{before}-{after}" if kept else before + after

    text = re.sub(r"(\w+)[\ufffe\x02\xad](\w+)", mend, text)
    return re.sub(r"[\ufffe\x02]", "-", text)


def _cjk(character: str) -> bool:
    return "\u3000" <= character <= "\u9fff" or "\uf900" <= character <= "\uffef"


def _as_block(text: str, line: Line, body_size: float) -> str:
    text = re.sub(r"[ \t]+", " ", text).strip()
    text = re.sub(r"(?:\s?[.·]){5,}\s*", " … ", text)
    heading = body_size and line.size >= 1.18 * body_size and len(text) <= 150 and not text.endswith((".", ",", ";"))
    if heading and sum(c.isalpha() for c in text) > 2:
        return ("# " if line.size >= 1.6 * body_size else "## ") + text
    bullet = re.match(r"^[•‣◦▪]\s*(.+)", text, re.DOTALL)
    return f"- {bullet[1]}" if bullet else text
