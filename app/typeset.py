"""Document -> escaped HTML for the reader: every visible character knows its offset in the text.

Pure. Markdown's own marks are hidden, nothing else is: headings, lists, quotes, tables, code and
emphasis get their look, links and images show their words only and lead nowhere. Each sentence is
`<span class="sentence" data-start data-end>`; each run of characters that stands in the text as it
is shown has `data-at`, the offset of its first character, so that a span of the document can be
highlighted to the character whatever lies between. The first block of each page of a paged source
has `data-page`.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby, pairwise

from ingest.document import Document
from ingest.sentences import sentence_spans

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(?=\S)")
_UNDERLINE = re.compile(r" {0,3}(=+|-{3,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_RULE = re.compile(r" {0,3}([-*_])([ \t]*\1){2,}[ \t]*$")
_ITEM = re.compile(r"([ \t]*)([-*+•‣◦]|\d{1,9}[.)])[ \t]+(?=\S)")
_QUOTE = re.compile(r" {0,3}(>[ \t]?)+")
_ROW = re.compile(r"[ \t]*\|")
_ROW_RULE = re.compile(r"[ \t]*(?:\|[ \t]*)?:?--[-:| \t]*$")
_CELL = re.compile(r"(?<!\\)\|")

# What is hidden inside a line, and the element that the rest is shown in.
# Every repetition is bounded, so that hostile text takes time in proportion to its length.
_INLINE = re.compile(
    r"(?P<escape>\\(?=[\\`*_{}\[\]()#+\-.!|>~]))"
    r"|(?P<ticks>`{1,3})(?=[^`])(?P<code>.{1,200}?)(?<!`)(?P=ticks)(?!`)"
    r"|!?\[(?P<label>[^\]\n]{0,200})\]\([^()\s]{0,500}(?:\([^()\s]{0,100}\)[^()\s]{0,100})?(?: \"[^\"\n]{0,200}\")?\)"
    r"|(?<![*\\])(?P<stars>\*{1,3})(?=[^\s*])(?P<strong>.{1,400}?)(?<=[^\s*])(?P=stars)(?!\*)"
    r"|(?<![\w\\])(?P<under>_{1,3})(?=[^\s_])(?P<em>.{1,400}?)(?<=[^\s_])(?P=under)(?!\w)",
    re.DOTALL,
)
MOST_BARS = 100  # a line with more is no row of a table
_LOOK = {1: "em", 2: "strong", 3: "strong"}


@dataclass
class _Block:
    """One thing on the page: `parts` are the (start, end) of its lines without their markers.

    It grows line by line: copying the lines before for each would take quadratic time.
    """

    kind: str
    parts: list[tuple[int, int]]
    number: int = 0


@dataclass(frozen=True)
class _Run:
    """Characters shown as they stand in the text, in the element `look` ("" for none)."""

    start: int
    end: int
    look: str = ""


def document_html(document: Document) -> str:
    """The text of `document` as HTML; white space between lines is kept, markers are not."""
    writer = _Writer(document)
    found = _blocks(document.text)
    return "\n".join(writer.group(kind, list(group)) for kind, group in groupby(found, _family))


def _family(block: _Block) -> str:
    return {"ul": "ul", "ol": "ol", "row": "table", "head": "table"}.get(block.kind, block.kind)


class _Writer:
    """Writes blocks in the order of the text; holds it and the sentences that lie in it."""

    def __init__(self, document: Document) -> None:
        self._text, self._metadata = document.text, document.metadata
        self._sentences = sentence_spans(document.text, document.metadata.language)
        self._starts = [start for start, _ in self._sentences]
        self._last_page: int | None = None

    def group(self, kind: str, group: list[_Block]) -> str:
        """Neighbouring blocks of one family: the items of a list, the rows of a table."""
        if kind in ("ul", "ol"):
            first = f' start="{group[0].number}"' if kind == "ol" else ""
            items = "\n".join(f'<li dir="auto"{self._page(item)}>{self._inline(item.parts)}</li>' for item in group)
            return f"<{kind}{first}>\n{items}\n</{kind}>"
        if kind == "table":
            rows = "\n".join(self._row(row) for row in group)
            return f'<div class="table" role="region" tabindex="0" aria-label="Table"><table>{rows}</table></div>'
        return "\n".join(self._block(block) for block in group)

    def _block(self, block: _Block) -> str:
        if block.kind == "rule":
            return "<hr>"
        if block.kind == "code":
            code = self._sentence_runs(self._plain(block.parts))
            return f'<pre tabindex="0"{self._page(block)}><code>{code}</code></pre>'
        if block.kind == "quote":
            return f'<blockquote dir="auto"{self._page(block)}>{self._inline(block.parts)}</blockquote>'
        if block.kind.startswith("h"):
            # The page's own title is the only h1, the article's title the h2.
            level = min(6, int(block.kind[1]) + 2)
            return f'<h{level} dir="auto"{self._page(block)}>{self._inline(block.parts)}</h{level}>'
        return f'<p dir="auto"{self._page(block)}>{self._inline(block.parts)}</p>'

    def _page(self, block: _Block) -> str:
        """Names the page of its first block, where the source has pages."""
        page = self._metadata.page(block.parts[0][0])
        if page == self._last_page:
            return ""
        self._last_page = page
        return f' data-page="{page}"'

    def _row(self, row: _Block) -> str:
        cell = "th" if row.kind == "head" else "td"
        return (
            f"<tr{self._page(row)}>"
            + "".join(f"<{cell}>{self._inline((part,))}</{cell}>" for part in row.parts)
            + "</tr>"
        )

    def _inline(self, parts: Sequence[tuple[int, int]]) -> str:
        """Lines joined by the line break that stands between them, emphasis found across them."""
        if len(parts) == 1 or all(a[1] + 1 == b[0] for a, b in pairwise(parts)):
            return self._sentence_runs(list(self._emphasis(parts[0][0], parts[-1][1])))
        return self._sentence_runs([run for part in parts for run in [*self._emphasis(*part), _Run(0, 0)]])

    def _plain(self, parts: Sequence[tuple[int, int]]) -> list[_Run]:
        return [_Run(parts[0][0], parts[-1][1])] if parts else []

    def _emphasis(self, start: int, end: int, look: str = "", depth: int = 0) -> Iterator[_Run]:
        at = start
        for match in _INLINE.finditer(self._text, start, end) if depth < 3 else ():
            yield _Run(at, match.start(), look)
            at = match.end()
            for group in ("code", "label", "strong", "em"):
                if match[group] is not None:
                    yield from self._inside(match, group, look, depth)
        yield _Run(at, end, look)

    def _inside(self, match: re.Match[str], group: str, look: str, depth: int) -> Iterator[_Run]:
        start, end = match.span(group)
        if group == "code":
            yield _Run(start, end, "code")
        elif group == "label":
            yield from self._emphasis(start, end, look, depth + 1)
        else:
            marks = match["stars"] or match["under"]
            yield from self._emphasis(start, end, _LOOK[len(marks)], depth + 1)

    def _sentence_runs(self, runs: list[_Run]) -> str:
        """Runs cut at the borders of sentences, each sentence in an element of its own."""
        pieces = [piece for run in runs for piece in self._cut(run)]
        html = []
        for sentence, group in groupby(pieces, lambda piece: piece[0]):
            inner = "".join(self._run(run) for _, run in group)
            if sentence is None:
                html.append(inner)
            else:
                start, end = sentence
                html.append(f'<span class="sentence" data-start="{start}" data-end="{end}">{inner}</span>')
        return "".join(html)

    def _cut(self, run: _Run) -> Iterator[tuple[tuple[int, int] | None, _Run]]:
        if run.start == run.end == 0:
            yield None, run
            return
        at = run.start
        index = max(0, bisect_right(self._starts, at) - 1)
        while at < run.end and index < len(self._sentences):
            start, end = self._sentences[index]
            index += 1
            if end <= at:
                continue
            if start >= run.end:
                break
            if at < start:
                yield None, replace(run, start=at, end=start)
            yield (start, end), replace(run, start=max(at, start), end=min(end, run.end))
            at = min(end, run.end)
        if at < run.end:
            yield None, replace(run, start=at)

    def _run(self, run: _Run) -> str:
        if run.start == run.end:
            return "\n" if run.end == 0 else ""
        tag = run.look or "span"
        return f'<{tag} data-at="{run.start}">{escape(self._text[run.start : run.end])}</{tag}>'


def _blocks(text: str) -> list[_Block]:
    """The blocks of `text` in order, line by line."""
    found: list[_Block] = []
    open_kind, fence, at = "", "", 0
    for line in text.split("\n"):
        start, at = at, at + len(line) + 1
        whole = (start, start + len(line))
        mark = _FENCE.match(line)
        if mark and fence in ("", mark[1]):
            fence, open_kind = ("", "") if fence else (mark[1], "code")
            if fence:
                found.append(_Block("code", []))
        elif fence:
            found[-1].parts.append(whole)
        else:
            open_kind = _line(found, open_kind, line, start)
    return [block for block in found if block.parts or block.kind == "rule"]


def _line(found: list[_Block], open_kind: str, line: str, start: int) -> str:
    """Add one line outside of code to the blocks; gives the kind that the next line may join."""
    end = start + len(line.rstrip())
    if not line.strip():
        return ""
    if heading := _HEADING.match(line):
        first = start + heading.end()
        found.append(_Block(f"h{len(heading[1])}", [(first, first + _heading_length(line[heading.end() :]))]))
        return ""
    if open_kind == "p" and (under := _UNDERLINE.match(line)) and len(found[-1].parts) == 1:
        found[-1].kind = "h1" if under[1][0] == "=" else "h2"
        return ""
    if _RULE.match(line):
        found.append(_Block("rule", []))
        return ""
    if open_kind == "row" and _ROW_RULE.match(line):
        found[-1].kind = "head"
        return "row"
    if _ROW.match(line) and line.count("|") < MOST_BARS:
        found.append(_Block("row", _cells(line, start)))
        return "row"
    if item := _ITEM.match(line):
        number = int(item[2][:-1]) if item[2][0].isdigit() else 0
        found.append(_Block("ol" if item[2][0].isdigit() else "ul", [(start + item.end(), end)], number))
        return "item"
    quote = _QUOTE.match(line)
    kind = "quote" if quote else "p"
    first = start + (quote.end() if quote else len(line) - len(line.lstrip()))
    if open_kind == kind or (open_kind in ("item", "quote") and not quote):
        found[-1].parts.append((first, end))
        return open_kind
    found.append(_Block(kind, [(first, end)]))
    return kind


def _heading_length(heading: str) -> int:
    """How much of a heading is shown: not the white space at its end, nor the # that close it after some."""
    words = heading.rstrip(" \t")
    unclosed = words.rstrip("#")
    return len(unclosed.rstrip(" \t") if unclosed.endswith((" ", "\t")) else words)


def _cells(line: str, start: int) -> list[tuple[int, int]]:
    """The (start, end) of each cell of a table row, without the bars and white space around it."""
    bars = [match.start() for match in _CELL.finditer(line)]
    if len(bars) == 1 or line[bars[-1] + 1 :].strip():
        bars.append(len(line))
    cells = []
    for left, right in pairwise(bars):
        piece = line[left + 1 : right]
        begin = left + 1 + len(piece) - len(piece.lstrip())
        cells.append((start + begin, start + max(begin, left + 1 + len(piece.rstrip()))))
    return cells
