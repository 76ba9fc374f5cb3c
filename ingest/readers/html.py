"""Web pages to articles: trafilatura (Apache-2.0) finds the article, we keep its structure.

Measured on 91 labelled pages (bench/extraction.py prints the table): F1 0.979 with 0.962 of trafilatura's
default, 0.975 of its precision mode, 0.903 of readability-lxml. Precision mode alone would lose pages
that are not news, so when it keeps little the next mode is asked.
"""

import re
from copy import deepcopy
from typing import Any

import lxml.html
from lxml import etree

from ingest.document import Document
from ingest.readers.build import ReadError, make_document
from ingest.readers.inline import plain_inline, with_notes
from ingest.readers.markup import drop_hidden, markdown
from ingest.readers.page_metadata import page_fields
from ingest.readers.preformatted import protect, restore
from ingest.readers.surroundings import drop_surroundings, without_surroundings
from ingest.readers.text import decode

_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]{2,40})", re.IGNORECASE)
_SHORT = 200
_MUCH_MORE = 1.5
_MAX_ATTRIBUTES = 200
_REFUSED_PAGE = re.compile(r"enable javascript|checking your browser|are you a robot|access denied", re.IGNORECASE)


def read_html(data: bytes, name: str, url: str | None = None, charset: str | None = None) -> Document:
    """The article of a page with its metadata; `url` is where it was fetched from, if it was."""
    declared = _META_CHARSET.search(data[:4096])
    text = decode(data, charset or (declared[1].decode("ascii", "replace") if declared else None))
    return article(parse_html(text), name=name, url=url)


def parse_html(text: str) -> lxml.html.HtmlElement:
    """Parse with libxml2's own limits on depth and size; raises `ReadError` when nothing is left."""
    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        tree = lxml.html.document_fromstring(text.replace("\0", "").encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError, AssertionError) as error:
        raise ReadError("no content in the page") from error
    # Look-up of an attribute is linear: 50,000 of them cost half a minute (measured).
    for element in tree.iter(etree.Element):
        if len(element.attrib) > _MAX_ATTRIBUTES:
            element.attrib.clear()
    return tree


def article(tree: lxml.html.HtmlElement, *, name: str, url: str | None = None) -> Document:
    """A parsed page to its document."""
    fields = page_fields(tree, url)
    notes = plain_inline(tree)
    drop_hidden(tree)
    drop_surroundings(tree)
    protect(tree)
    text = _article_text(tree)
    if len(text) < 3 * _SHORT and _REFUSED_PAGE.search(text):
        raise ReadError("the page shows a robot check or asks for JavaScript instead of its text")
    text = with_notes(restore(without_surroundings(text, fields["title"], fields["author"])), notes)
    return make_document(text, name=name, **fields)


def _article_text(tree: lxml.html.HtmlElement) -> str:
    """The strictest reading that still keeps most of the article."""
    strict = _trafilatura(tree, favor_precision=True)
    balanced = _trafilatura(tree, fast=True)
    marked = _marked_main(tree)
    if len(strict) >= _SHORT and len(marked) > _MUCH_MORE * max(len(strict), len(balanced)):
        return marked
    if len(strict) >= _SHORT and len(strict) >= 0.35 * len(balanced):
        return strict
    if len(balanced) >= _SHORT:
        return balanced
    found = max(strict, balanced, _trafilatura(tree, favor_recall=True), key=len)
    body = tree.find("body")
    return found or markdown(tree if body is None else body)


def _marked_main(tree: lxml.html.HtmlElement) -> str:
    """The part that the page itself marks as its main one, if it is running text: few links, no forms.

    Manuals keep much of their text in definition lists and nested tables, of which trafilatura
    takes none.
    """
    found = tree.xpath('.//main|.//*[@role="main"]') or tree.xpath(".//article")
    if len(found) != 1:
        return ""
    words = len(found[0].text_content().split())
    linked = sum(len(link.text_content().split()) for link in found[0].iter("a"))
    definitions = sum(len(entry.text_content().split()) for entry in found[0].xpath(".//dl[not(ancestor::dl)]"))
    return markdown(found[0]) if linked < 0.2 * words and definitions > 0.2 * words else ""


def _trafilatura(tree: lxml.html.HtmlElement, **mode: Any) -> str:
    from trafilatura import bare_extraction

    found = bare_extraction(
        deepcopy(tree), include_comments=False, include_formatting=False, include_tables=True, **mode
    )
    body = getattr(found, "body", None)
    return "" if body is None else markdown(body)
