"""The library and the reader of the page: sources and documents as HTML, questions to begin with."""

import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from app.render import byline, visible, web_link
from app.typeset import document_html
from ingest.document import Document

# Capitalised words inside a sentence, joined by small words: names, mostly.
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][\w’'-]+(?: (?:of |the |de |for )?[A-Z][\w’'-]+)*")
_DULL = re.compile(
    r"^(?:The|This|That|These|I|It|He|She|They|We|In|On|At|As|But|And|If|When|Mr|Mrs|Ms|Dr|Prof|"
    r"January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)(?:’s|'s)?$"
)


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
    """One source of the library: choose it, open it, remove it."""
    title = escape(visible(metadata.title))
    find = escape(visible(" ".join(filter(None, (metadata.title, metadata.author, metadata.site)))).lower())
    about = " · ".join(filter(None, (byline(metadata), f"{passages} passage{'' if passages == 1 else 's'}")))
    return (
        f'<li class="source" data-document="{document_id}" data-find="{find}">'
        f'<input type="checkbox" checked aria-label="Ask {title}">'
        f'<button type="button" class="opens" data-document="{document_id}" dir="auto">{title}</button>'
        f'<p class="about" dir="auto">{escape(about)}</p>'
        f'<button type="button" class="remove" aria-label="Remove {title}" title="Remove">×</button></li>'
    )


def suggestions(documents: Sequence[Document], most: int = 3) -> list[str]:
    """Questions that the articles can answer, made of the names they mention most; no model is asked."""
    asked = []
    for document in documents:
        names = _names(document)
        asked.append([f"What is “{visible(document.metadata.title)}” about?"])
        asked[-1] += [f"What does the article say about {name}?" for name in names]
    rounds = max((len(questions) for questions in asked), default=0)
    return [questions[i] for i in range(rounds) for questions in asked if i < len(questions)][:most]


def _names(document: Document) -> list[str]:
    found = Counter(match[0].removesuffix("’s").removesuffix("'s") for match in _NAME.finditer(document.text[:50_000]))
    title = document.metadata.title.lower()
    known = [name for name, times in found.most_common(40) if times > 1 and not _DULL.match(name)]
    kept: list[str] = []
    for name in sorted(known, key=lambda name: (-found[name] * (1 + name.count(" ")), name)):
        if name.lower() not in title and not any(name in other or other in name for other in kept):
            kept.append(name)
    return [visible(name) for name in kept[:4]]


def _host(url: str) -> str:
    return url.split("/")[2]
