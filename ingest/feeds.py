"""Feeds and sitemaps -> the addresses of the newest pages that they list."""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from ingest import UserError
from ingest.fetch import Fetched
from ingest.jobs import Added, Outcome
from ingest.readers import ReadError
from ingest.sandbox import Sandbox

LIMIT = 20  # pages of one feed, unless the user says otherwise
_SITEMAP_PARTS = 10
_OPENINGS = (b"<?xml", b"<rss", b"<feed", b"<rdf:", b"<urlset", b"<sitemapindex", b"\x1f\x8b")
# The root of a feed or sitemap, after whatever may stand before it. Each part can match in one way only.
_ROOT = re.compile(
    rb"(?:\s|<\?[^>]*>|<!--(?:(?!-->).)*-->|<!(?!--)[^>]*>|\]\s*>)*"
    rb"<(?:[\w-]+:)?(?:rss|feed|urlset|sitemapindex|RDF)[\s>/]",
    re.DOTALL,
)

Entry = dict[str, str | None]  # what the reader gives: kind, url, date
Fetcher = Callable[..., "Fetched | None"]


@dataclass(frozen=True)
class Feeds:
    """Reads feeds; `limit` pages of each are taken, `since` (an ISO date) leaves out those dated earlier."""

    sandbox: Sandbox
    fetch: Fetcher
    limit: int = LIMIT
    since: str | None = None

    def entries(self, data: bytes, name: str) -> list[Entry] | None:
        """What a feed or sitemap lists; None for all else, also for a page that only begins like XML.

        Raises `ReadError` for a feed that is damaged.
        """
        if not data[:200].lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(_OPENINGS):
            return None
        try:
            return self.sandbox.entries(data, name)
        except ReadError:
            if _ROOT.match(_opening(data)):
                raise
            return None

    def newest(self, entries: list[Entry]) -> tuple[list[str], list[Outcome]]:
        """The addresses of the newest pages (undated ones come last, in their order), and what failed.

        Parts of a sitemap index are fetched, one level deep; one that fails loses no other.
        Raises `UserError` when there is no page at all.
        """
        pages, failed = self._pages(entries)
        if self.since:
            pages = [page for page in pages if page["date"] is None or page["date"][:10] >= self.since]
        if not pages and not failed:
            raise UserError(f"lists no page since {self.since}" if self.since else "lists no page")
        pages.sort(key=_date, reverse=True)
        return list(dict.fromkeys(str(page["url"]) for page in pages))[: self.limit], failed

    def _pages(self, entries: list[Entry]) -> tuple[list[Entry], list[Outcome]]:
        pages = [entry for entry in entries if entry["kind"] == "page"]
        failed: list[Outcome] = []
        parts = sorted((entry for entry in entries if entry["kind"] == "sitemap"), key=_date, reverse=True)
        for url in dict.fromkeys(str(part["url"]) for part in parts[:_SITEMAP_PARTS]):
            try:
                pages.extend(self._part(url))
            except UserError as error:  # noqa: PERF203 - one part that fails must not lose the others
                failed.append(("failed", Added(url, reason=str(error))))
        return pages, failed

    def _part(self, url: str) -> list[Entry]:
        answer = self.fetch(url)
        found = self.sandbox.entries(answer.data, "sitemap") if answer else None
        if found is None:
            raise UserError("not a sitemap")
        if any(entry["kind"] == "sitemap" for entry in found):
            raise UserError("an index of sitemaps within another")
        return found


def _date(entry: Entry) -> str:
    return entry["date"] or ""


def _opening(data: bytes) -> bytes:
    """The first kilobytes, unpacked if they are gzip; nothing if that is damaged."""
    if not data.startswith(b"\x1f\x8b"):
        return data[:4096].removeprefix(b"\xef\xbb\xbf")
    try:
        return zlib.decompressobj(31).decompress(data[:65_536], 4096)
    except zlib.error:
        return b""
