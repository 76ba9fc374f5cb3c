"""EPUB books (W3C EPUB 3.3) to Markdown, chapter after chapter in reading order.

Read with lxml directly: ebooklib is AGPL, and the format is a zip of XHTML with an index.
"""

import posixpath
from urllib.parse import unquote

from lxml import etree

from ingest.document import Document
from ingest.readers.archive import BoundedZip
from ingest.readers.build import ReadError, iso_date, language_tag, make_document, web_url
from ingest.readers.html import parse_html
from ingest.readers.inline import plain_inline, with_notes
from ingest.readers.markup import drop_hidden, markdown
from ingest.readers.text import decode

_MAX_TEXT = 20_000_000
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")


def read_epub(data: bytes, name: str) -> Document:
    """The text of a book; a chapter that is missing or damaged is left out, all of them is an error."""
    archive = BoundedZip(data)
    if archive.has("META-INF/encryption.xml") and b"EncryptedKey" in archive.read("META-INF/encryption.xml"):
        raise ReadError("the book is protected (DRM)")
    package_path = _package_path(archive)
    package = archive.xml(package_path)
    chapters, size, problem = [], 0, "the book lists no chapters"
    for path in _spine(package, posixpath.dirname(package_path)):
        try:
            text = _chapter(archive.read(path))
        except ReadError as error:
            problem = str(error)
            continue
        size += len(text)
        if size > _MAX_TEXT:
            raise ReadError(f"more than {_MAX_TEXT:,} characters of text")
        chapters.append(text)
    if not any(chapters):
        raise ReadError(problem if not chapters else "no text in the book")
    stated = _metadata(package)
    return make_document(
        "\n\n".join(c for c in chapters if c),
        name=name,
        title=next(iter(stated.get("title", [])), None),
        author=", ".join(stated.get("creator", [])) or None,
        published=next((d for v in stated.get("date", []) if (d := iso_date(v))), None),
        language=next((t for v in stated.get("language", []) if (t := language_tag(v))), None),
        summary=_plain(next(iter(stated.get("description", [])), "")),
        url=next((u for v in stated.get("source", []) if (u := web_url(v))), None),
    )


def _package_path(archive: BoundedZip) -> str:
    if archive.has("META-INF/container.xml"):
        for element in archive.xml("META-INF/container.xml").iter("{*}rootfile"):
            path = element.get("full-path")
            if path:
                return str(path)
    found = next((n for n in archive.names() if n.lower().endswith(".opf")), None)
    if found is None:
        raise ReadError("damaged: the book has no index of its chapters")
    return found


def _spine(package: etree._Element, folder: str) -> list[str]:
    """Member names of the chapters in reading order. They only ever name members of the archive."""
    manifest = {e.get("id"): e for e in package.iter("{*}item")}
    paths = []
    for reference in package.iter("{*}itemref"):
        item = manifest.get(reference.get("idref"))
        if item is None or (item.get("media-type") or _PAGES[0]) not in _PAGES:
            continue
        if "nav" in (item.get("properties") or "").split():
            continue
        href = unquote((item.get("href") or "").split("#")[0])
        paths.append(posixpath.normpath(posixpath.join(folder, href)).removeprefix("./"))
    return list(dict.fromkeys(paths))


def _metadata(package: etree._Element) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for element in package.iter("{http://purl.org/dc/elements/1.1/}*"):
        text = " ".join("".join(element.itertext()).split())
        if text:
            found.setdefault(etree.QName(element).localname, []).append(text)
    return found


def _chapter(data: bytes) -> str:
    tree = parse_html(decode(data))
    notes = plain_inline(tree)
    drop_hidden(tree)
    body = tree.find("body")
    return with_notes(markdown(tree if body is None else body), notes)


def _plain(description: str) -> str | None:
    return " ".join(parse_html(description).text_content().split())[:1000] if description else None
