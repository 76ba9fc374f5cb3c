"""A page's JSON-LD: the node that speaks of the article, in the many shapes that sites write it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from lxml.html import HtmlElement

from ingest.readers.build import one_line

_ARTICLE = re.compile(
    r"(Article|BlogPosting|Report|Review|Posting|Recipe|HowTo|CreativeWork|Chapter|Book|Thesis|Question)$",
    re.IGNORECASE,
)
_PAGE = re.compile(r"Page$")
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
Node = dict[str, Any]


def nodes(tree: HtmlElement) -> list[Node]:
    """All described things of the page, outermost first."""
    return [node for loaded in _loaded(tree) for node in _nodes(loaded, 0)]


def _loaded(tree: HtmlElement) -> Iterator[Any]:
    for script in tree.iter("script"):
        if "ld+json" not in (script.get("type") or "").lower():
            continue
        text = (script.text or "").strip().removeprefix("<!--").removesuffix("-->").strip().rstrip(";")
        text = text.removeprefix("//<![CDATA[").removesuffix("//]]>").strip()
        for version in (text, _TRAILING_COMMA.sub("", text)):
            try:
                loaded = json.loads(version, strict=False)
            except (ValueError, RecursionError):
                continue
            yield loaded
            break


def _nodes(value: Any, depth: int) -> Iterator[Node]:
    if depth > 5:
        return
    if isinstance(value, list):
        for item in value[:200]:
            yield from _nodes(item, depth + 1)
    elif isinstance(value, dict):
        yield value
        for key in ("@graph", "mainEntity", "mainEntityOfPage", "hasPart"):
            yield from _nodes(value.get(key), depth + 1)


def types(node: Node) -> list[str]:
    """The last part of each type that the node names."""
    kind = node.get("@type")
    return [
        k.rpartition("/")[2].rpartition(":")[2]
        for k in (kind if isinstance(kind, list) else [kind])
        if isinstance(k, str)
    ]


def main_node(found: list[Node], shown: list[str]) -> Node:
    """The node that speaks of the article; a page node only counts when there is no article.

    `shown` are the titles that the page shows: of several articles the one that they name is meant,
    for pages also describe those that they link to.
    """
    articles = [
        node
        for node in found
        if any(_ARTICLE.search(t) for t in types(node)) and (node.get("headline") or node.get("datePublished"))
    ]
    named = [n for n in articles if any(_named(title_of(n), title) for title in shown)]
    if articles:
        return (named or articles)[0]
    return next((n for n in found if any(_PAGE.search(t) for t in types(n)) and n.get("datePublished")), {})


def title_of(node: Node) -> str | None:
    """The headline, else the name."""
    return one_line(single(node.get("headline"))) or one_line(single(node.get("name")))


def _named(title: str | None, shown: str) -> bool:
    return bool(title) and plain_words(title or "")[:80] in plain_words(shown)


def plain_words(text: str) -> str:
    """The words in small letters, for comparison."""
    return " ".join(re.findall(r"\w+", text.lower()))


def single(value: Any) -> Any:
    """The first of a list; the value of a value object."""
    if isinstance(value, list):
        value = value[0] if value else None
    return value.get("@value", value) if isinstance(value, dict) else value


def name_of(value: Any) -> str | None:
    """The name of a thing, given as text, object or list."""
    value = single(value)
    return one_line(single(value.get("name")) if isinstance(value, dict) else value, 200)


def author_names(main: Node, found: list[Node]) -> tuple[list[str], list[str]]:
    """The names of the people, and of the organisations, that the node says wrote the article."""
    value = main.get("author") or main.get("creator")
    if isinstance(value, dict) and isinstance(value.get("@list"), list):
        value = value["@list"]
    people: list[str] = []
    organisations: list[str] = []
    for item in (value if isinstance(value, list) else [value])[:40]:
        if isinstance(item, dict) and "name" not in item and item.get("@id"):  # it is described elsewhere
            item = next((n for n in found if n.get("@id") == item["@id"] and n.get("name")), item)
        kept = organisations if isinstance(item, dict) and any("Organization" in t for t in types(item)) else people
        kept.extend(name for part in _names(item) if (name := one_line(part, 200)))
    return people, organisations


def _names(item: Any) -> list[Any]:
    if not isinstance(item, dict):
        return [item]
    name = item.get("name") or " ".join(str(item[k]) for k in ("givenName", "familyName") if item.get(k))
    return name if isinstance(name, list) else [single(name)]
