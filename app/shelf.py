"""The library and the reader of the page: sources and documents as HTML."""

from collections.abc import Sequence
from html import escape
from typing import Any

from app.render import byline, visible, web_link
from app.typeset import document_html
from ingest.document import Document

BLOCK = 40  # sources of a block of the list


def reader_html(document: Document) -> str:
    """The article with its title, author, date and address, for the reader."""
    metadata = document.metadata
    link = web_link(metadata)
    address = (
        f'<a href="{escape(link)}" target="_blank" rel="noopener noreferrer nofollow">{escape(_host(link))}</a>'
        if link
        else escape(visible(metadata.origin or ""))
    )
    about = " · ".join(filter(None, (escape(byline(metadata)), address)))
    summary = f'<p class="summary" dir="auto">{escape(visible(metadata.summary))}</p>' if metadata.summary else ""
    language = f' lang="{escape(metadata.language)}"' if metadata.language else ""
    section = f'<p class="section">{escape(visible(metadata.section))}</p>' if metadata.section else ""
    return (
        f'<header{language}>{section}<h2 dir="auto" tabindex="-1">{escape(visible(metadata.title))}</h2>'
        f'{summary}<p class="about" dir="auto">{about}</p></header>'
        f'<div class="text"{language}>{document_html(document)}</div>'
    )


def source_html(document_id: str, metadata: Any, passages: int) -> str:
    """One source of the library: choose it, open it, fetch it again, remove it."""
    title = escape(visible(metadata.title))
    known = (metadata.title, metadata.author, metadata.site, metadata.published)
    find = escape(visible(" ".join(filter(None, known))).lower())
    about = " · ".join(filter(None, (byline(metadata), f"{passages} passage{'' if passages == 1 else 's'}")))
    again = (
        f'<button type="button" class="again" aria-label="Fetch {title} again" title="Fetch again">↻</button>'
        if (metadata.origin or "").startswith(("http://", "https://"))
        else ""
    )
    return (
        f'<div role="listitem" class="source" data-document="{document_id}" data-find="{find}">'
        f'<input type="checkbox" checked aria-label="Ask {title}">'
        f'<button type="button" class="opens" data-document="{document_id}" dir="auto">{title}</button>'
        f'<p class="about" dir="auto">{escape(about)}</p>'
        f'{again}<button type="button" class="remove" aria-label="Remove {title}" title="Remove">×</button></div>'
    )


def list_html(sources: Sequence[str]) -> str:
    """The list of sources in blocks, of which the browser lays out those alone that are in sight.

    The browser looks at each block whenever it draws: one a source would be a task of its own with thousands.
    """
    blocks = (sources[at : at + BLOCK] for at in range(0, len(sources), BLOCK))
    return "".join(f'<div class="block" style="--sources: {len(block)}">{"".join(block)}</div>' for block in blocks)


def _host(url: str) -> str:
    return url.split("/")[2]
