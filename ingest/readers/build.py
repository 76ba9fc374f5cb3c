"""What all readers share: their one error, and how text and fields become a Document.

Knows nothing of any format.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from html import unescape
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ingest import UserError
from ingest.clean import clean_text
from ingest.document import Document, Metadata

PAGE_BREAK = "\n\n"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?)?")
_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)[a-z]*"
_DAY_WITHIN = re.compile(
    rf"\b(?:({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})|(\d{{1,2}}) ({_MONTH})\.?,? (\d{{4}}))\b"
)
_LONG_DATES = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%Y/%m/%d", "%Y%m%d")


class ReadError(UserError):
    """This source cannot become a document; the message is the reason, one line."""


class ArchiveError(ReadError):
    """The source is an archive of several files: open it with `archive.unzip`."""


def one_line(value: object, limit: int = 500) -> str | None:
    """`value` as clean text on one line of at most `limit` characters; None if it is empty or no text."""
    if not isinstance(value, str):
        return None
    text = value[: 8 * limit]
    if "&" in text:
        # Fields are often escaped once too often; a tag that appears by this stays mere text.
        text = unescape(text)
    text = " ".join(clean_text(text).split())
    return text[:limit].strip() or None


def iso_date(value: object) -> str | None:
    """A stated date or time as ISO 8601; None when it is not a real date between 1500 and tomorrow.

    Takes ISO 8601, RFC 5322 and a few written-out English forms. Words such as
    "yesterday" or a bare year are not dates and give None.
    """
    text = one_line(value, 100)
    if text is None:
        return None
    found = _ISO_DATE.match(text)
    if found:
        day, clock, zone = "-".join(found.group(1, 2, 3)), found[4], (found[5] or "").replace("Z", "+00:00")
        if zone and ":" not in zone:
            zone = zone[:3] + ":" + zone[3:]
        return _plausible(day + (f"T{clock}{zone}" if clock else ""))
    for form in _LONG_DATES:
        with suppress(ValueError):
            return _plausible(datetime.strptime(text, form).date().isoformat())  # noqa: DTZ007 - a day
    try:
        return _plausible(parsedate_to_datetime(text).isoformat())
    except (ValueError, TypeError, IndexError, OverflowError):
        return _day_within(text)


def _day_within(text: str) -> str | None:
    """The one full day in a longer statement, as "1:39 am EST, Wednesday, November 20, 2019"."""
    found = [match.groups() for match in _DAY_WITHIN.finditer(text)]
    if len(found) != 1:
        return None
    month, day, year = found[0][:3] if found[0][0] else (found[0][4], found[0][3], found[0][5])
    with suppress(ValueError):
        return _plausible(datetime.strptime(f"{day} {month[:3]} {year}", "%d %b %Y").date().isoformat())  # noqa: DTZ007
    return None


def _plausible(iso: str) -> str | None:
    try:
        moment = datetime.fromisoformat(iso)
    except ValueError:
        return None
    limit = datetime.now(timezone.utc) + timedelta(days=1)
    return iso if moment.year >= 1500 and moment.date() <= limit.date() else None


def language_tag(value: object) -> str | None:
    """A BCP 47 tag from a stated language ("en_GB" too); None if it is not one."""
    text = (one_line(value, 40) or "").replace("_", "-")
    return text if _LANGUAGE.fullmatch(text) else None


def web_url(value: object) -> str | None:
    """An absolute http(s) URL without fragment, or None."""
    text = one_line(value, 2000)
    if text is None or " " in text:
        return None
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host:
        return None
    return parts._replace(scheme=parts.scheme.lower(), fragment="").geturl()


def first_heading(text: str) -> str | None:
    """The text of the first Markdown heading within the first 2,000 characters."""
    found = re.search(r"^#{1,3} +(.+?) *#*$", text[:2000], re.MULTILINE)
    return one_line(found[1]) if found else None


def make_document(
    text: str,
    *,
    name: str,
    title: str | None = None,
    pages: Iterable[str] | None = None,
    **fields: str | None,
) -> Document:
    """Clean the text and make the document; raises `ReadError` when no letter or digit is left.

    `pages`, if given, replaces `text`: one string a page, of which the offsets are remembered.
    A source without a title is called by its first heading, else by the last part of its `name`.
    """
    starts: list[int] = []
    if pages is None:
        text = clean_text(text).strip()
    else:
        text, starts = _join_pages(pages)
    if not any(c.isalnum() for c in text):
        raise ReadError("no text in it")
    stem = PurePosixPath(name.replace("\\", "/").rpartition("!")[2]).stem.replace("_", " ")
    title = one_line(title) or first_heading(text) or one_line(stem) or "Untitled"
    return Document(text, Metadata(title=title, pages=tuple(starts), **fields))  # type: ignore[arg-type]


def _join_pages(pages: Iterable[str]) -> tuple[str, list[int]]:
    """Join cleaned pages; a paragraph that runs over a page end stays one paragraph."""
    joined: list[str] = []
    starts: list[int] = []
    length = 0
    for page in pages:
        page = clean_text(page).strip()
        if joined and page:
            before = next((p for p in reversed(joined) if p.strip()), "")
            runs_on = before[-1:].isalnum() or before[-1:] in ",;"
            gap = "" if not before else " " if runs_on and page[:1].islower() else PAGE_BREAK
            joined.append(gap)
            length += len(gap)
        starts.append(length)
        joined.append(page)
        length += len(page)
    return "".join(joined), starts
