"""The author and the date that a page prints but does not state: only what is marked as a byline or a time.

Taken when the page prints one and no other: a list of articles prints several, and then none is known.
"""

import re
from collections.abc import Iterable

from lxml.html import HtmlElement

from ingest.readers.build import iso_date, one_line

_MARKED = re.compile(r"(?:^|[\s_-])(?:byline|author|authors|contributor)(?:$|[\s_-])", re.IGNORECASE)
_DATED = re.compile(r"publi|posted|pub-?date|entry-date|post-date", re.IGNORECASE)
_ELSEWHERE = ("nav", "footer", "aside", "form", "figure")
_BY = re.compile(r"(?:(?:written|posted|published|reviewed) )?by:?(?: |$)", re.IGNORECASE)
_WORD = r"(?:(?:van|von|de|da|del|di|la|le|bin|al|el|ten|der|dos) )*[A-ZÀ-ÖØ-ÞΑ-ΩА-Я][\w.'’-]*"
_PERSON = rf"{_WORD}(?: {_WORD}){{1,3}}"
_PEOPLE = re.compile(rf"{_PERSON}(?:(?:,| and| &|, and) {_PERSON})*")
_AFTER = re.compile(r"\s*(?:$|[^\w\s]|\d|(?:on|at|am|le|publi\w*|posted|updated)\b)")
_NO_NAME = re.compile(
    r"\b(?:about|authors?|more|follow|posts?|comments?|reply|view|all|share|e-?mail|contact|subscribe|sign|read|by"
    r"|january|february|march|april|may|june|july|august|september|october|november|december)\b",
    re.IGNORECASE,
)


def printed_author(tree: HtmlElement) -> str | None:
    """The people that the page's one byline names, as it writes them."""
    found: dict[str, str] = {}
    for element in _marked(tree):
        people = _people(element.itertext())
        if people:
            found.setdefault(people.casefold(), people)
    whole = [text for key, text in found.items() if not any(key in other and key != other for other in found)]
    return whole[0] if len(whole) == 1 else None


def printed_date(tree: HtmlElement) -> str | None:
    """The date of the one `time` element that is marked as that of the publication."""
    marked = [e for e in tree.iter("time") if _DATED.search(f"{e.get('class')} {e.get('itemprop')}")]
    stated = {d[:10]: d for e in marked if (d := iso_date(e.get("datetime")) or iso_date("".join(e.itertext())))}
    return next(iter(stated.values())) if len(stated) == 1 else None


def _marked(tree: HtmlElement) -> Iterable[HtmlElement]:
    for element in tree.iter("a", "address", "cite", "div", "em", "h5", "h6", "li", "p", "small", "span"):
        marked = _MARKED.search(element.get("class") or "") or _MARKED.search(element.get("rel") or "")
        if (marked or _begins_with_by(element)) and not any(True for _ in element.iterancestors(*_ELSEWHERE)):
            yield element


def _begins_with_by(element: HtmlElement) -> bool:
    return bool(element.text and element.text.strip() and _BY.match(element.text.strip()))


def _people(segments: Iterable[str]) -> str | None:
    """The names with which a byline begins; its parts are what stands between tags."""
    names: list[str] = []
    wanted = True
    for segment in list(segments)[:20]:
        text = one_line(segment, 200) or ""
        by = _BY.match(text)
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
