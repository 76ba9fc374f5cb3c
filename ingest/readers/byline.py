"""The author and the date that a page prints but does not state.

Taken from what is marked as a byline or a date, or stands in short lines about the headline; never from a
comment, a teaser or running text. When the page prints several, none is known.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from lxml.html import HtmlElement

from ingest.readers.build import iso_date, one_line
from ingest.readers.dates import publication_date, tells_change, tells_publication, written_date
from ingest.readers.inline import in_a_sentence

_MARKED = re.compile(r"(?:^|[\s_-])(?:byline|author|authors|contributor|autor|auteur)(?:$|[\s_-])", re.IGNORECASE)
_DATED = re.compile(r"publi|posted|pub-?date|entry-date|post-date", re.IGNORECASE)
_ELSEWHERE = ("nav", "footer", "aside", "form", "figure")
# Parts of a page that speak of other articles, of readers or of events.
_OTHERS = re.compile(
    r"comment(?!ary)|disqus|related|teaser|recommend|sidebar|popular|trending|latest|promo|more-(?:from|on|stories)"
    r"|read-?(?:more|next)|most-read|(?<!h-)\bcards?\b|event|calendar|repl(?:y|ies)|similar|footer|breadcrumb",
    re.IGNORECASE,
)
_BY = re.compile(r"(?:(?:written|posted|published|reviewed) )?by:?(?: |$)", re.IGNORECASE)
_BY_ABROAD = re.compile(
    r"(?:(?:Von|Par|Por|Di|Door|Av|Af|Oleh)(?:: ?| )|(?:Autor(?:in|a|es|en)?|Auteure?|Autore|Auteur|Text|Texte"
    r"|Texto) ?: ?)"
)
_LABELLED = re.compile(
    r"(?:автор|текст|بقلم|كتب|الكاتب|著者|筆者|執筆者?|記者|作者|记者|撰文|글"
    r"|기자) ?[:：／] ?([^\W\d][^\d:：|]{1,50})$",
    re.IGNORECASE,
)
_WORD = r"(?:(?:van|von|de|da|del|di|la|le|bin|al|el|ten|der|dos) )*[A-ZÀ-ÖØ-ÞΑ-ΩА-Я][\w.'’-]*"
_PERSON = rf"{_WORD}(?: {_WORD}){{1,3}}"
_PEOPLE = re.compile(rf"{_PERSON}(?:(?:,| and| &|, and| und| et| y| e| en| og| och) {_PERSON})*")
_AFTER = re.compile(r"\s*(?:$|[^\w\s]|\d|(?:on|at|am|le|publi\w*|posted|updated)\b)")
_NO_NAME = re.compile(
    r"\b(?:about|authors?|more|follow|posts?|comments?|reply|view|all|share|e-?mail|contact|subscribe|sign|read|by"
    r"|january|february|march|april|may|june|july|august|september|october|november|december)\b",
    re.IGNORECASE,
)
_LINES = ("p", "div", "span", "li", "small", "em", "i", "b", "strong", "td", "dd", "font", "address", "h2", "h3",
          "h4", "h5", "h6")  # fmt: skip
_LONG = 100  # characters: a paragraph of the article
_HEAD_PARAGRAPHS = 3
_HEAD_ELEMENTS = 400
_LEVELS = 30  # ancestors that are looked at


def printed_author(tree: HtmlElement) -> str | None:
    """The people that the page's one byline names, as it writes them."""
    found: dict[str, str] = {}
    for element in _marked(tree):
        people = _people(element.itertext())
        if people:
            found.setdefault(people.casefold(), people)
    whole = [text for key, text in found.items() if not any(key in other and key != other for other in found)]
    if found:
        return whole[0] if len(whole) == 1 else None
    alone = {people for element in _head(tree) if (people := _people_of_line(_line(element)))}
    return next(iter(alone)) if len(alone) == 1 else None


def printed_date(tree: HtmlElement) -> str | None:
    """The date that is marked as that of the publication, or printed about the headline, or after "Published"."""
    marked = [e for e in tree.iter("time") if _DATED.search(f"{e.get('class')} {e.get('itemprop')}")]
    head, boxes = list(_head(tree)), _headline_boxes(tree)
    for found in (
        [_time(e) for e in marked if not _of_others(e, boxes)],
        [_time(e) if e.tag == "time" else _dated_line(e) for e in head],
        [_dated_line(e) for e in tree.iter(*_LINES) if tells_publication(_line(e)) and not _of_others(e, boxes)],
    ):
        stated = {day[:10]: day for day in found if day}
        if stated:
            return next(iter(stated.values())) if len(stated) == 1 else None
    return None


def _head(tree: HtmlElement) -> Iterator[HtmlElement]:
    """The short lines and the `time` elements about the headline: until the article's third paragraph."""
    boxes = _headline_boxes(tree)
    top = next((h for h in tree.iter("h1") if not _of_others(h, boxes) and _line(h)), None)
    if top is None:
        only = list(tree.iter("article")) or list(tree.iter("main"))
        start = only[0] if len(only) == 1 else None
    else:
        start = next(top.iterancestors("header", "article", "main"), top)
    long = 0
    for number, element in enumerate(_from(start) if start is not None else ()):
        if long >= _HEAD_PARAGRAPHS or number > _HEAD_ELEMENTS:
            return
        if element.tag == "p" and len(_line(element, _LONG)) >= _LONG:
            long += 1
        elif (element.tag == "time" or element.tag in _LINES) and not _of_others(element, boxes):
            yield element


def _from(start: HtmlElement) -> Iterator[HtmlElement]:
    """`start`, what is in it and all that follows it in the page."""
    yield from start.iter()
    for ancestor in (start, *start.iterancestors()):
        for sibling in ancestor.itersiblings():
            yield from sibling.iter()


def _headline_boxes(tree: HtmlElement) -> set[HtmlElement]:
    """What holds a headline, whatever it is called, is not of others. A page has one or two of them."""
    return {box for heading in islice(tree.iter("h1"), 3) for box in heading.iterancestors()}


def _of_others(element: HtmlElement, boxes: set[HtmlElement]) -> bool:
    """Whether the element lies in a part of the page that is not the article's."""
    for part in (element, *islice(element.iterancestors(), _LEVELS)):
        if part.tag in ("body", "html"):
            return False
        if part.tag in _ELSEWHERE or _OTHERS.search(f"{part.get('class') or ''} {part.get('id') or ''}"):
            return part not in boxes
    return False


def _line(element: HtmlElement, limit: int = 160) -> str:
    """The element's text, its parts divided by bars; "" when it is longer than a line."""
    parts, length = [], 0
    for part in element.itertext():
        text = " ".join(part.split())
        if text:
            parts.append(text)
            length += len(text)
        if length > limit:
            return "x" * limit if limit == _LONG else ""
    return " | ".join(parts)


def _time(element: HtmlElement) -> str | None:
    if in_a_sentence(element) or tells_change(f"{element.get('class')} {element.get('itemprop')}") or _changed(element):
        return None
    return iso_date(element.get("datetime")) or iso_date(text := "".join(element.itertext())) or written_date(text)


def _dated_line(element: HtmlElement) -> str | None:
    if element.find(".//time") is not None or element.getparent().tag == "time" or _changed(element):
        return None
    return publication_date(_line(element))


def _changed(element: HtmlElement) -> bool:
    """Whether the label before the element speaks of an update."""
    parent, before = element.getparent(), element.getprevious()
    text = (parent.text if parent is not None and before is None else before.tail if before is not None else "") or ""
    if not text.strip() and before is not None:
        text = _line(before)
    return tells_change(text)


def _marked(tree: HtmlElement) -> Iterable[HtmlElement]:
    boxes = _headline_boxes(tree)
    for element in tree.iter("a", "address", "cite", "div", "em", "h5", "h6", "li", "p", "small", "span"):
        marked = _MARKED.search(element.get("class") or "") or _MARKED.search(element.get("rel") or "")
        if (marked or _begins_with_by(element)) and not _of_others(element, boxes):
            yield element


def _begins_with_by(element: HtmlElement) -> bool:
    return bool(element.text and element.text.strip() and _BY.match(element.text.strip()))


def _people_of_line(line: str) -> str | None:
    """The names of a line that is a byline in another language, or that ends with one: "Posted May 1, 2024 by X"."""
    labelled = _LABELLED.match(line)
    if labelled:
        return one_line(labelled[1])
    line = line.replace(" | ", " ")
    by = _BY_ABROAD.match(line) or (re.search(r"\bby:? ", line) if tells_publication(line) else None)
    people = _PEOPLE.fullmatch(line, by.end()) if by else None
    return people[0] if people and not _NO_NAME.search(people[0]) else None


def _people(segments: Iterable[str]) -> str | None:
    """The names with which a byline begins; its parts are what stands between tags."""
    names: list[str] = []
    wanted = True
    for segment in islice(segments, 20):
        text = one_line(segment, 200) or ""
        by = _BY.match(text) or (None if names else _BY_ABROAD.match(text))
        text = text[by.end() :].lstrip() if by else text
        if not text:
            continue
        if text in (",", "and", "&", ", and"):
            wanted = True
            continue
        match = _PEOPLE.match(text.lstrip(", "))
        if not (wanted and match and _AFTER.match(text.lstrip(", "), match.end())) or _NO_NAME.search(match[0]):
            break
        names.append(match[0])
        wanted = text.endswith((",", " and", "&"))
    return ", ".join(names) or None
