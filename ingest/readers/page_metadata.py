"""What a web page states about itself: JSON-LD, then OpenGraph, then meta elements, then the text.

Only statements count. A date taken from a copyright line or the first number on the page
is a guess and is not taken; a field that nothing states is None.
"""

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml.html import HtmlElement

from ingest.readers.build import iso_date, language_tag, one_line, web_url
from ingest.readers.byline import printed_author, printed_date
from ingest.readers.json_ld import Node, author_names, main_node, name_of, nodes, plain_words, single, title_of, types

_NOBODY = re.compile(
    r"(?:the )?(?:admin(?:istrator)?|editors?|author|staff|guest(?: (?:author|contributor|writer))?|unknown"
    r"|anonymous|null"
    r"|none|undefined|user|root|system|default|wordpress|webmaster|n/?a|newsroom|(?:news|web) ?desk|contributors?"
    r"|(?:staff|agency|special) (?:writer|reporter|correspondent)s?|(?:news|web|editorial) (?:staff|team)|redaktion"
    r"|(?:la )?rédaction|redacción|redazione|redação|редакция|編集部|hidden|nobody)",
    re.IGNORECASE,
)
# What stands in for a name or beside it: an address, a site, a handle.
_ADDRESS = re.compile(
    r"[(<\[]?(?:mailto:)?[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+[)>\]]?|[(\[]?(?<!\w)@\w{1,40}[)\]]?"
)
_SITE = re.compile(r"(?i:https?:|www\.)|^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,12}(?:/|$)")
_AUTHOR_META = ("author", "article:author", "og:article:author", "citation_author", "parsely-author",
                "dc.creator", "dcterms.creator", "dc.creator.aut", "sailthru.author", "byl",
                "authors")  # fmt: skip
_SCHOLARLY = ("citation_author", "dc.creator", "dcterms.creator")
_LETTER = re.compile(r"[^\W\d_]")
_DATE_META = ("article:published_time", "og:article:published_time", "og:published_time", "datepublished",
              "citation_publication_date", "citation_date", "parsely-pub-date", "dc.date.issued",
              "dcterms.issued", "dcterms.created", "dc.date", "sailthru.date", "pubdate", "publishdate",
              "publish-date", "article.published", "originalpublicationdate", "date")  # fmt: skip
# "sn-post-date", "article_date_published": names of one site's own.
_DATE_NAME = re.compile(
    r"(?:^|[.:_-])(?:published?|publication|pub|post|posted|issued?)[._-]?(?:date|time|on)$"
    r"|date[._-]?(?:published|posted|issued)$"
)
_TITLE_META = ("citation_title", "parsely-title", "dc.title", "dcterms.title", "twitter:title")
_SUMMARY_META = ("description", "twitter:description", "dc.description")
_SEPARATOR = re.compile(r"\s+[|–—·•«»\-:]{1,2}\s+|\s*[｜|_]\s*")
_URL_DAY = re.compile(r"/((?:19|20)\d\d)[/-](\d\d)[/-](\d\d)(?=[/\-_.]|$)")
_BYLINE = re.compile(r"^\s*(?:written\s+)?by:?\s+", re.IGNORECASE)


def page_fields(tree: HtmlElement, url: str | None) -> dict[str, Any]:
    """The fields of `Metadata` (and `title`) that the page states; `url` is where it was fetched from."""
    found = nodes(tree)
    meta = _meta(tree)
    main = main_node(found, _shown_titles(tree, meta))
    link = _canonical(tree, meta, main, url)
    # og:site_name names the site; a JSON-LD publisher is often the agency that wrote the text.
    site = (
        next((name_of(n) for n in found if "WebSite" in types(n)), None)
        or first(meta, "og:site_name")
        or name_of(main.get("publisher"))
        or first(meta, "application-name")
    )
    return {
        "title": _title(tree, meta, main, site),
        "author": _authors(main, found) or _meta_authors(meta) or _text_author(tree),
        "published": iso_date(single(main.get("datePublished"))) or _meta_date(meta) or _text_date(tree, link or url),
        "url": link or url,
        "site": site or (urlsplit(link or url or "").hostname or "").removeprefix("www.") or None,
        "section": one_line(single(main.get("articleSection"))) or first(meta, "article:section", "og:section"),
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


def _shown_titles(tree: HtmlElement, meta: dict[str, list[str]]) -> list[str]:
    texts = [*meta.get("og:title", []), *(" ".join(e.itertext()) for e in tree.iter("title", "h1"))]
    return [text for text in texts if text.strip()]


def _people(names: list[str]) -> str | None:
    """The names without what is no name; None when none is left."""
    kept: list[str] = []
    for name in names:
        name = _BYLINE.sub("", _ADDRESS.sub(" ", name)).strip(" ,;|/-–()")
        name = " ".join(name.split())
        if not name or _NOBODY.fullmatch(name) or _SITE.search(name) or len(name) > 150 or not _LETTER.search(name):
            continue
        if name.lower() not in (k.lower() for k in kept):
            kept.append(name)
    return ", ".join(kept[:20]) or None


def _authors(main: Node, found: list[Node]) -> str | None:
    """The people who wrote it; organisations only when no person is named."""
    people, organisations = author_names(main, found)
    publisher = name_of(main.get("publisher"))
    return _people([p for p in people if p != publisher]) or _people(organisations or people)


def _meta_authors(meta: dict[str, list[str]]) -> str | None:
    return next((p for n in _AUTHOR_META if (p := _people([_forename_first(n, v) for v in meta.get(n, [])]))), None)


def _forename_first(name: str, value: str) -> str:
    """Scholarly pages write "Doe, Jane", one element a person; joined with others that reads as two."""
    parts = [part.strip() for part in value.split(",")]
    return f"{parts[1]} {parts[0]}" if name in _SCHOLARLY and len(parts) == 2 and all(parts) else value


def _text_author(tree: HtmlElement) -> str | None:
    """A byline that is marked up as one; the page must not mark up several (a list of articles does)."""
    for path in ('.//*[@rel="author"]', './/*[@itemprop="author"]'):
        found = {one_line(" ".join(e.itertext()), 100) for e in tree.xpath(path)}
        names = [f for f in found if f and len(f.split()) <= 6]
        if len(names) == 1:
            return _people([n for n in names if n])
    return _people([printed_author(tree) or ""])


def _meta_date(meta: dict[str, list[str]]) -> str | None:
    names = [*_DATE_META, *filter(_DATE_NAME.search, meta)]
    return next((d for n in names for v in meta.get(n, ()) if (d := iso_date(v))), None)


def _text_date(tree: HtmlElement, url: str | None) -> str | None:
    """A date marked as that of the publication, printed about the headline, or a full day in the URL."""
    marked = tree.xpath('.//*[contains(@itemprop, "datePublished")]|.//time[@pubdate]')
    for element in marked:
        stated = iso_date(element.get("datetime") or element.get("content") or "".join(element.itertext()))
        if stated:
            return stated
    if printed := printed_date(tree):
        return printed
    in_url = _URL_DAY.search(urlsplit(url or "").path)
    return iso_date("-".join(in_url.groups())) if in_url else None


def _canonical(tree: HtmlElement, meta: dict[str, list[str]], main: Node, url: str | None) -> str | None:
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


def _title(tree: HtmlElement, meta: dict[str, list[str]], main: Node, site: str | None) -> str | None:
    headings = [h for e in tree.iter("h1") if (h := (one_line(" ".join(e.itertext())) or "").rstrip(" ¶#"))]
    element = tree.find(".//head/title")
    title = one_line("".join(element.itertext())) if element is not None else None
    stated = _stated_title(main, headings, title) or first(meta, "og:title", *_TITLE_META)
    if stated:
        return _without_site(stated, site, headings)
    if title is None:
        return headings[0] if headings else None
    shown = [h for h in headings if _begins(title, h) or (2 * len(h) > len(title) and h.lower() in title.lower())]
    shown = [h for h in shown if site is None or _plain(h) != _plain(site)]
    return max(shown, key=len) if shown else _without_site(title, site, headings)


def _stated_title(main: Node, headings: list[str], title: str | None) -> str | None:
    """The headline of the JSON-LD, unless the page shows that it is a description or was cut off."""
    headline, name = title_of(main), one_line(single(main.get("name")))
    if headline is None:
        return None
    shown = [plain_words(text) for text in (*headings, title or "")]
    if name and not any(plain_words(headline) in text for text in shown) and plain_words(name) in shown:
        return name
    whole = [h for h in headings if len(h) > len(headline) >= 60 and h.startswith(headline.rstrip(" .…"))]
    return whole[0] if len(whole) == 1 else headline


def _begins(title: str, heading: str) -> bool:
    """Whether the title is the heading, or goes on after it with a separator: "Heading | Site"."""
    if not title.lower().startswith(heading.lower()):
        return False
    return len(title) == len(heading) or bool(_SEPARATOR.match(title, len(heading)))


def _without_site(title: str, site: str | None, headings: list[str]) -> str:
    cuts = [match.span() for match in _SEPARATOR.finditer(title)]
    for start, _ in cuts:
        # The headline as the page shows it; what follows is the section or the site.
        if title[:start] in headings and (site is None or _plain(title[:start]) != _plain(site)):
            return title[:start]
    if site and cuts and _plain(title[cuts[-1][1] :]) == _plain(site):
        return title[: cuts[-1][0]] or title
    if site and cuts and _plain(title[: cuts[0][0]]) == _plain(site) and title[cuts[0][1] :] in headings:
        return title[cuts[0][1] :]
    return title


def _plain(text: str) -> str:
    return re.sub(r"\W|^www\.|\.(com|org|net|co\.uk)$", "", text.lower())


def _language(tree: HtmlElement, meta: dict[str, list[str]], main: Node) -> str | None:
    root = tree.getroottree().getroot()
    stated = (main.get("inLanguage"), first(meta, "og:locale"), first(meta, "dc.language", "language"),
              root.get("lang"), root.get("{http://www.w3.org/XML/1998/namespace}lang"))  # fmt: skip
    equiv = [e.get("content") for e in tree.iter("meta") if (e.get("http-equiv") or "").lower() == "content-language"]
    return next(
        (t for s in (*stated, *equiv) if (t := language_tag(name_of(s) if isinstance(s, (dict, list)) else s))),
        None,
    )
