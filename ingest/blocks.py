"""Markdown text -> blocks: paragraphs, list items, table rows and the headings above them.

A sentence never crosses a block. Only what bears on that is read of Markdown; offsets are
kept exact. Knows nothing of sentences. No pattern may read a character more often than a few times:
the texts are anybody's, and a long search holds up the whole server.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# `#### heading ##`, at most three spaces before it (CommonMark 4.2); `unclosed` takes the end off.
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+")
_UNDERLINE = re.compile(r" {0,3}(=+|-{3,})[ \t]*$")  # below a heading of one line (CommonMark 4.3)
_FENCE = re.compile(r" {0,3}(```|~~~)")
_ITEM = re.compile(r"[ \t]*(?:(?:>[ \t]?)+[ \t]*)?(?:[-*+•‣◦▪–—][ \t]+|\d{1,3}[.)][ \t]+|\(?[a-z0-9]{1,2}\)[ \t]+)")
_QUOTE = re.compile(r"[ \t]*(?:>[ \t]?)+")
_ROW = re.compile(r"[ \t]*\|")
_MARKUP_ONLY = re.compile(r"[\s\-=*_|:+~`>#.]*$")  # rules, table lines, empty quotes
_TITLE = 1000  # characters of a heading that are kept: it is repeated with each passage below it
_MARK = re.compile(r"[*_`]")
# What emphasis ends with, the longest first where one begins another.
_CLOSERS = {mark: re.compile(rf"(?<=\S){re.escape(mark)}") for mark in ("***", "**", "*", "___", "__", "`")}
# A link, or a bracket that begins none: read to its end too, for no link can begin inside of it.
_LINK = re.compile(r"!?\[([^\]]*)(?:\](?:\([^)]*(\)|$))?|$)")


@dataclass(frozen=True)
class Block:
    """`text[start:end]` holds whole sentences; `heading` is the path above it, outermost first.

    `region` counts the headings before it: two blocks of one region stand under one heading.
    """

    start: int
    end: int
    heading: tuple[str, ...]
    region: int


def blocks(text: str) -> list[Block]:
    """The blocks of `text` in order, without white space or markers at their ends; none is empty."""
    scanner = _Scanner()
    for start, line in _lines(text):
        scanner.read(start, line)
    scanner.close()
    return scanner.found


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


class _Scanner:
    """Reads line by line; `_open` is the paragraph or item that further lines may still join."""

    def __init__(self) -> None:
        self.found: list[Block] = []
        self._path: list[tuple[int, str]] = []
        self._region = 0
        self._open: tuple[int, int] | None = None
        self._open_lines = 0
        self._open_text = ""
        self._fence = ""

    def read(self, start: int, line: str) -> None:
        fence = _FENCE.match(line)
        if fence and self._fence in ("", fence[1]):
            self.close()
            self._fence = "" if self._fence else fence[1]
        elif self._fence:
            self._alone(start, line)
        elif heading := _HEADING.match(line):
            self.close()
            self._head(len(heading[1]), unclosed(line[heading.end() :]))
        elif self._open_lines == 1 and (under := _UNDERLINE.match(line)):
            self._open = None
            self._head(1 if under[1][0] == "=" else 2, self._open_text)
        elif _MARKUP_ONLY.match(line):
            self.close()
        elif _ROW.match(line):
            self._alone(start, line, "|")
        elif item := _ITEM.match(line):
            self.close()
            self._begin(start + item.end(), line[item.end() :])
        else:
            self._join(start, line)

    def close(self) -> None:
        """End the paragraph or item that is open."""
        if self._open:
            self._add(*self._open)
        self._open, self._open_lines = None, 0

    def _head(self, level: int, title: str) -> None:
        self._path = [entry for entry in self._path if entry[0] < level]
        self._path.append((level, plain(title)[:_TITLE].rstrip()))
        self._region += 1
        self._open_lines = 0

    def _begin(self, start: int, line: str) -> None:
        left = len(line) - len(line.lstrip())
        self._open = (start + left, start + len(line.rstrip()))
        self._open_lines, self._open_text = 1, line.strip()

    def _join(self, start: int, line: str) -> None:
        if self._open:
            self._open = (self._open[0], start + len(line.rstrip()))
            self._open_lines += 1
        else:
            quote = _QUOTE.match(line)
            skip = quote.end() if quote else 0
            self._begin(start + skip, line[skip:])

    def _alone(self, start: int, line: str, outer: str = "") -> None:
        """A line that is a block by itself, without the white space and bars around it."""
        self.close()
        trimmed = line.strip().strip(outer).strip() if outer else line.strip()
        if trimmed:
            left = line.index(trimmed)
            self._add(start + left, start + left + len(trimmed))

    def _add(self, start: int, end: int) -> None:
        if start < end:
            self.found.append(Block(start, end, tuple(title for _, title in self._path), self._region))


def plain(markdown: str) -> str:
    """One line of Markdown without emphasis, code marks and link targets."""
    text = _LINK.sub(lambda link: str(link[1] if link[2] else link[0]), markdown)
    for _ in range(3):
        text = _without_emphasis(text)
    return " ".join(text.split())


def unclosed(heading: str) -> str:
    """The words of a heading, without the white space and the # that may close it."""
    return heading.rstrip(" \t").rstrip("#").rstrip(" \t")


def _without_emphasis(text: str) -> str:
    """Without the outer marks of emphasis and code; a mark found unclosed once is not looked for again."""
    kept, at, unclosed_marks = [], 0, set()
    for start in (found.start() for found in _MARK.finditer(text)):
        for mark in _CLOSERS if start >= at else ():
            inner = start + len(mark)
            if mark in unclosed_marks or not text.startswith(mark, start) or not text[inner : inner + 1].strip():
                continue
            closer = _CLOSERS[mark].search(text, inner + 1)
            if closer:
                kept += [text[at:start], text[inner : closer.start()]]
                at = closer.end()
                break
            unclosed_marks.add(mark)
    return "".join([*kept, text[at:]])
