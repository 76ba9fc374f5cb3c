"""Feeds (RSS 2.0, RSS 1.0, Atom, RFC 4287) and sitemaps (sitemaps.org) to the pages they list."""

import zlib

from lxml import etree

from ingest.readers.archive import MAX_MEMBER, parse_xml
from ingest.readers.build import ReadError, iso_date, one_line, web_url

MAX_ENTRIES = 50_000  # as sitemaps.org allows
_ROOTS = {"rss": "item", "RDF": "item", "feed": "entry", "urlset": "url", "sitemapindex": "sitemap"}
_DATES = ("published", "pubDate", "date", "issued", "updated", "lastmod")


def entries(data: bytes) -> list[dict[str, str | None]] | None:
    """What a feed or sitemap lists, in its order: `url`, `date` (ISO 8601 or None), `kind`.

    `kind` is "page", or "sitemap" for the parts of a sitemap index. None when the data is XML
    of another kind; raises `ReadError` when it is no XML at all.
    """
    root = parse_xml(_unpacked(data), "the feed")
    wanted = _ROOTS.get(etree.QName(root).localname)
    if wanted is None:
        return None
    found = []
    for element in root.iter(f"{{*}}{wanted}"):
        url = _link(element)
        if url:
            kind = "sitemap" if wanted == "sitemap" else "page"
            found.append({"url": url, "date": _date(element), "kind": kind})
        if len(found) >= MAX_ENTRIES:
            break
    return found


def _unpacked(data: bytes) -> bytes:
    """Sitemaps are often stored as .xml.gz."""
    if data[:2] != b"\x1f\x8b":
        return data
    inflate = zlib.decompressobj(31)
    try:
        unpacked = inflate.decompress(data, MAX_MEMBER)
    except zlib.error as error:
        raise ReadError("a damaged gzip file") from error
    if not inflate.eof:
        raise ReadError(f"a gzip file that is cut off or unpacks to more than {MAX_MEMBER // 1_000_000} MB")
    return unpacked


def _link(element: etree._Element) -> str | None:
    for child in element:
        name = etree.QName(child).localname if isinstance(child.tag, str) else ""
        if name == "loc":
            return web_url(child.text)
        if name == "link" and child.get("rel", "alternate") == "alternate":
            url = web_url(child.get("href") or child.text)
            if url:
                return url
    identity = element.find("{*}guid")
    permanent = identity is not None and identity.get("isPermaLink", "true") == "true"
    return web_url(identity.text) if permanent else None


def _date(element: etree._Element) -> str | None:
    stated = {etree.QName(c).localname: one_line(c.text) for c in element if isinstance(c.tag, str)}
    return next((d for name in _DATES if (d := iso_date(stated.get(name)))), None)
