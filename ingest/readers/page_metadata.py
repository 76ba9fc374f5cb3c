"""What a web page states about itself: JSON-LD, then OpenGraph, then meta elements, then the text.

Only statements count. A date taken from a copyright line or the first number on the page
is a guess and is not taken; a field that nothing states is None.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement

from ingest.readers.build import iso_date, language_tag, one_line, web_url
from ingest.readers.byline import printed_author, printed_date

_ARTICLE = re.compile(
    r"(Article|BlogPosting|Report|Review|Posting|Recipe|HowTo|CreativeWork|Chapter|Book|Thesis)$",
    re.IGNORECASE,
)
_PAGE = re.compile(r"Page$")
_NOBODY = {"admin", "administrator", "editor", "author", "staff", "guest", "unknown", "anonymous", "null",
           "none", "undefined", "user", "webmaster", "n/a"}  # fmt: skip
_AUTHOR_META = ("author", "article:author", "og:article:author", "citation_author", "parsely-author",
                "dc.creator", "dcterms.creator", "dc.creator.aut", "sailthru.author", "byl",
                "authors")  # fmt: skip
_DATE_META = ("article:published_time", "og:article:published_time", "og:published_time", "datepublished",
              "citation_publication_date", "citation_date", "parsely-pub-date", "dc.date.issued",
              "dcterms.issued", "dcterms.created", "dc.date", "sailthru.date", "pubdate", "publishdate",
              "publish-date", "article.published", "originalpublicationdate", "date")  # fmt: skip
# "sn-post-date", "article_date_published": names of one site's own.
_DATE_NAME = re.compile(
    r"(?:^|[.:_-])(?:published?|publication|pub|post|posted|issued?)[._-]?(?:date|time|on)$"
    r"|date[._-]?(?:published|posted|issued)$"
)
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_TITLE_META = ("citation_title", "parsely-title", "dc.title", "dcterms.title", "twitter:title")
_SUMMARY_META = ("description", "twitter:description", "dc.description")
_SEPARATOR = re.compile(r"\s+[|–—·•«»\-:]{1,2}\s+")
_URL_DAY = re.compile(r"/((?:19|20)\d\d)[/-](\d\d)[/-](\d\d)(?=[/\-_.]|$)")
_BYLINE = re.compile(r"^\s*(?:written\s+)?by:?\s+", re.IGNORECASE)


def page_fields(tree: HtmlElement, url: str | None) -> dict[str, Any]:
    """The fields of `Metadata` (and `title`) that the page states; `url` is where it was fetched from."""
    nodes = list(_json_ld(tree))
    main = _main_node(nodes)
    meta = _meta(tree)
    link = _canonical(tree, meta, main, url)
    # og:site_name names the site; a JSON-LD publisher is often the agency that wrote the text.
    site = (
        next((_name(n) for n in nodes if "WebSite" in _types(n)), None)
        or first(meta, "og:site_name")
        or _name(main.get("publisher"))
        or first(meta, "application-name")
    )
    return {
        "title": _title(tree, meta, main, site),
        "author": _authors(main.get("author"), nodes) or _meta_authors(meta) or _text_author(tree),
        "published": iso_date(main.get("datePublished")) or _meta_date(meta) or _text_date(tree, link or url),
        "url": link or url,
        "site": site or (urlsplit(link or url or "").hostname or "").removeprefix("www.") or None,
        "section": one_line(_single(main.get("articleSection"))) or first(meta, "article:section", "og:section"),
        "summary": one_line(main.get("description"), 1000) or first(meta, "og:description", *_SUMMARY_META),
        "language": _language(tree, meta, main),
    }


def first(meta: dict[str, list[str]], *names: str) -> str | None:
    """The first non-empty value among the named meta elements, in that order."""
    return next((v for n in names for v in meta.get(n, ()) if v), None)


def _meta(tree: HtmlElement) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for element in tree.iter("meta"):
        key = element.get("property") or element.get("name") or element.get("itemprop")
        value = one_line(element.get("content"), 1000)
        if key and value:
            found.setdefault(key.strip().lower(), []).append(value)
    return found


def _json_ld(tree: HtmlElement) -> Iterator[dict[str, Any]]:
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
            yield from _nodes(loaded, 0)
            break


def _nodes(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > 5:
        return
    if isinstance(value, list):
        for item in value[:200]:
            yield from _nodes(item, depth + 1)
    elif isinstance(value, dict):
        yield value
        for key in ("@graph", "mainEntity", "mainEntityOfPage", "hasPart"):
            yield from _nodes(value.get(key), depth + 1)


def _types(node: dict[str, Any]) -> list[str]:
    kind = node.get("@type")
    return [k.rpartition("/")[2] for k in (kind if isinstance(kind, list) else [kind]) if isinstance(k, str)]


def _main_node(nodes: list[dict[str, Any]]) -> dict[str, Any]:
    """The node that speaks of the article; a page node only counts when there is no article."""
    for node in nodes:
        if any(_ARTICLE.search(t) for t in _types(node)) and (node.get("headline") or node.get("datePublished")):
            return node
    return next((n for n in nodes if any(_PAGE.search(t) for t in _types(n)) and n.get("datePublished")), {})


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _name(value: Any) -> str | None:
    value = _single(value)
    return one_line(value.get("name") if isinstance(value, dict) else value, 200)


def _people(names: list[str | None]) -> str | None:
    kept: list[str] = []
    for name in names:
        name = _BYLINE.sub("", name or "").strip(" ,;|")
        if not name or name.lower() in _NOBODY or "http" in name.lower() or "@" in name or len(name) > 150:
            continue
        if name.lower() not in (k.lower() for k in kept):
            kept.append(name)
    return ", ".join(kept[:20]) or None


def _authors(value: Any, nodes: list[dict[str, Any]]) -> str | None:
    values = value if isinstance(value, list) else [value]
    names: list[str | None] = []
    for item in values[:40]:
        if isinstance(item, dict) and "name" not in item and item.get("@id"):  # it is described elsewhere
            item = next((n for n in nodes if n.get("@id") == item["@id"] and n.get("name")), item)
        name = item.get("name") if isinstance(item, dict) else item
        names.extend(one_line(n, 200) for n in (name if isinstance(name, list) else [name]))
    return _people(names)


def _meta_authors(meta: dict[str, list[str]]) -> str | None:
    return next((p for n in _AUTHOR_META if (p := _people(list(meta.get(n, []))))), None)


def _text_author(tree: HtmlElement) -> str | None:
    """A byline that is marked up as one; the page must not mark up several (a list of articles does)."""
    for path in ('.//*[@rel="author"]', './/*[@itemprop="author"]'):
        found = {one_line(" ".join(e.itertext()), 100) for e in tree.xpath(path)}
        names = [f for f in found if f and len(f.split()) <= 6]
        if len(names) == 1:
            return _people(list(names))
    return _people([printed_author(tree)])


def _meta_date(meta: dict[str, list[str]]) -> str | None:
    names = [*_DATE_META, *filter(_DATE_NAME.search, meta)]
    return next((d for n in names for v in meta.get(n, ()) if (d := iso_date(v))), None)


def _text_date(tree: HtmlElement, url: str | None) -> str | None:
    """A `time` element marked as the publication, the only `time` of the page, or a full day in the URL."""
    marked = tree.xpath('.//*[contains(@itemprop, "datePublished")]|.//time[@pubdate]')
    for element in marked:
        stated = iso_date(element.get("datetime") or element.get("content") or "".join(element.itertext()))
        if stated:
            return stated
    alone = {d[:10]: d for t in tree.iter("time") if (d := iso_date(t.get("datetime")))}
    if len(alone) == 1:
        return next(iter(alone.values()))
    if printed := printed_date(tree):
        return printed
    in_url = _URL_DAY.search(urlsplit(url or "").path)
    return iso_date("-".join(in_url.groups())) if in_url else None


def _canonical(tree: HtmlElement, meta: dict[str, list[str]], main: dict[str, Any], url: str | None) -> str | None:
    """The stated address of the page, when the page may state it."""
    entity = main.get("mainEntityOfPage")
    stated = [
        entity.get("@id") if isinstance(entity, dict) else entity,
        main.get("url"),
        first(meta, "og:url"),
    ]
    links = [e.get("href") for e in tree.iter("link") if "canonical" in (e.get("rel") or "").lower().split()]
    for value in [*links, *stated]:
        if not isinstance(value, str):
            continue
        try:
            found = web_url(urljoin(url, value.strip()) if url else value)
        except ValueError:
            continue
        if found and (url is None or _speaks_for(found, url)):
            return found
    return None


def _speaks_for(stated: str, fetched: str) -> bool:
    """Whether `stated` may name the page that was fetched.

    No page speaks for another host, and the front page of a site is no article's address.
    """
    hosts = [re.sub(r"^(www|m|amp|mobile)\.", "", (urlsplit(u).hostname or "").lower()) for u in (stated, fetched)]
    paths = [urlsplit(u).path.rstrip("/") for u in (stated, fetched)]
    return hosts[0] == hosts[1] and bool(paths[0] or not paths[1])


def _title(tree: HtmlElement, meta: dict[str, list[str]], main: dict[str, Any], site: str | None) -> str | None:
    stated = one_line(main.get("headline") or main.get("name")) or first(meta, "og:title", *_TITLE_META)
    if stated:
        return _without_site(stated, site)
    headings = [h for e in tree.iter("h1") if (h := one_line(" ".join(e.itertext())))]
    element = tree.find(".//head/title")
    title = one_line("".join(element.itertext())) if element is not None else None
    if len(headings) == 1 and (title is None or headings[0].lower() in title.lower()):
        return headings[0]
    return _without_site(title, site) if title else headings[0] if headings else None


def _without_site(title: str, site: str | None) -> str:
    parts = _SEPARATOR.split(title)
    if site and len(parts) > 1 and _plain(parts[-1]) == _plain(site):
        return title[: title.rindex(parts[-1])].rstrip(" |–—·•«»-:") or title
    return title


def _plain(text: str) -> str:
    return re.sub(r"\W|^www\.|\.(com|org|net|co\.uk)$", "", text.lower())


def _language(tree: HtmlElement, meta: dict[str, list[str]], main: dict[str, Any]) -> str | None:
    root = tree.getroottree().getroot()
    stated = (main.get("inLanguage"), first(meta, "og:locale"), first(meta, "dc.language", "language"),
              root.get("lang"), root.get("{http://www.w3.org/XML/1998/namespace}lang"))  # fmt: skip
    equiv = [e.get("content") for e in tree.iter("meta") if (e.get("http-equiv") or "").lower() == "content-language"]
    return next(
        (t for s in (*stated, *equiv) if (t := language_tag(_name(s) if isinstance(s, (dict, list)) else s))),
        None,
    )
