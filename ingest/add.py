"""Sources (files, folders, URLs, feeds, zips, standard input) -> corpus files. Leaves the index alone.

A source's key is its origin: the canonical URL, or the absolute path, or "archive.zip!member".
Adding an origin again replaces its corpus file when the text or metadata changed and does nothing
when they did not. Beside the corpus, originals/ keeps the bytes of what was not text, and for each
origin a receipt (hash of the bytes, ETag, Last-Modified) that spares work; receipts may be deleted.
The same text under two origins is written as two files with one document id: the catalog makes
them one document with two origins, and each can be changed or removed without the other.
"""

import hashlib
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ingest import UserError
from ingest.clean import clean_line, visible
from ingest.corpus import ORIGINALS
from ingest.feeds import LIMIT, Entry, Feeds, Fetcher
from ingest.fetch import fetch
from ingest.importer import Importer, Raw, Within, is_web
from ingest.jobs import Added, AddReport, Job, Outcome, work_off
from ingest.progress import Report, Stop, StoppedError
from ingest.readers import SUFFIXES, ArchiveError
from ingest.receipts import Receipts
from ingest.sandbox import Sandbox
from ingest.settings import SOURCE_BYTES, Settings

_ARCHIVE_BYTES = 500_000_000  # unpacked, of one archive
_TICK = 0.2  # seconds between two looks whether the user stopped
_LOG_IN = re.compile(r"/(?:log-?in|sign-?in|auth|consent|account)(?:[/._-]|$)", re.IGNORECASE)

__all__ = ["AddReport", "Added", "Upload", "add_sources", "refresh_sources"]


@dataclass(frozen=True)
class Upload:
    """A file that came as bytes, not as a path; `name` is what its owner calls it."""

    name: str
    data: bytes


def add_sources(
    settings: Settings,
    sources: Sequence[str | Upload],
    *,
    progress: Report | None = None,
    stop: Stop | None = None,
    limit: int | None = None,
    since: str | None = None,
    fetch: Fetcher = fetch,
) -> AddReport:
    """Add every source to the corpus; one that fails is reported and stops no other.

    A source is a path of a file or folder, an http(s) URL (of a page, file, feed or sitemap), "-"
    for standard input, or an `Upload`. `limit` is how many pages of each feed or sitemap are
    taken (default 20), newest first; `since` (an ISO date) leaves out those dated earlier.
    `progress` hears of sources done and known so far (a folder or feed makes more known); `stop` is
    asked before each source. Raises `UserError` only when the corpus cannot be written at all.
    """
    if since is not None:
        since = _checked_date(since)
    with Sandbox(workers=_workers()) as sandbox:
        adder = _Adder(settings, sandbox, Feeds(sandbox, fetch, limit or LIMIT, since), stop)
        return work_off([adder.job(source) for source in dict.fromkeys(sources)], _workers(), progress, stop)


def refresh_sources(
    settings: Settings,
    origins: Sequence[str] | None = None,
    *,
    progress: Report | None = None,
    stop: Stop | None = None,
    fetch: Fetcher = fetch,
) -> AddReport:
    """Fetch every document again that came from a URL, or only those of these `origins`.

    Unchanged ones cost one conditional request. A page that has gone or fails now is reported as
    failed and its document stays, as is one that leads to the front page, a log-in or another host. A file of a
    fetched archive is left out: the archive is added again instead. Raises `UserError` when none of the `origins`
    given is a URL.
    """
    if origins is not None and not any(map(_is_url, origins)):
        raise UserError("It was not added from a URL, so there is nothing to fetch: add its file again instead.")
    with Sandbox(workers=_workers()) as sandbox:
        adder = _Adder(settings, sandbox, Feeds(sandbox, fetch), stop)
        urls = sorted(filter(_is_url, adder.receipts.origins() if origins is None else set(origins)))
        return work_off([Job(url, partial(adder.page, url, True)) for url in urls], _workers(), progress, stop)


def _is_url(origin: str) -> bool:
    return is_web(origin) and ".zip!" not in origin.lower()


def _leads_away(url: str, answered: str) -> bool:
    """Has the article gone, so that its address leads to the front page, a log-in or another host now?"""
    before, now = urlsplit(url), urlsplit(answered)
    hosts = [(parts.hostname or "").removeprefix("www.") for parts in (before, now)]
    front = not now.path.strip("/") and bool(before.path.strip("/"))
    return hosts[0] != hosts[1] or front or (now.path != before.path and bool(_LOG_IN.search(now.path)))


def _read_input(found: Future[bytes]) -> None:
    """Standard input, or the fault of reading it."""
    try:
        found.set_result(sys.stdin.buffer.read(SOURCE_BYTES + 1))
    except OSError as error:
        found.set_exception(error)
    except (AttributeError, ValueError):  # there is none, or it is closed
        found.set_exception(UserError("it is closed"))


def _workers() -> int:
    return max(1, min(4, os.cpu_count() or 1))


def _checked_date(text: str) -> str:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).date().isoformat()
    except ValueError as error:
        raise UserError(f"{text!r} is not a date: write it as 2026-11-24.") from error


class _Adder:
    """The jobs of sources: what each is, and what is in it."""

    def __init__(self, settings: Settings, sandbox: Sandbox, feeds: Feeds, stop: Stop | None) -> None:
        self._settings, self._sandbox, self._feeds, self._stop = settings, sandbox, feeds, stop
        self.receipts = Receipts(settings.corpus_dir)
        self._importer = Importer(self.receipts, sandbox)
        self._lock = threading.Lock()
        self._taken: set[str] = set()  # URLs of this run, so that feeds that list each other end

    def job(self, source: str | Upload) -> Job:
        """The job of one source as the user gave it."""
        if isinstance(source, Upload):
            name = clean_line(source.name.replace("\\", "/").rpartition("/")[2]) or "upload"
            return Job(name, partial(self._upload, source.data, name))
        if source == "-":
            return Job("standard input", self._standard_input)
        if "://" in source[:40] or source.lower().startswith(("http:", "https:")):
            self._taken.add(source)
            return Job(source, partial(self.page, source))
        return Job(visible(source), partial(self._path, source))

    def _upload(self, data: bytes, key: str, within: Within | None = None) -> list[Job | Outcome]:
        return self._content(Raw(data, key, self._importer.upload_origin(data, key), within=within))

    def _standard_input(self) -> list[Job | Outcome]:
        """What is piped or typed. Raises `StoppedError` when the user stops instead of ending it."""
        found: Future[bytes] = Future()
        # In a thread that nobody waits for: a read cannot be broken off.
        threading.Thread(target=_read_input, args=(found,), daemon=True).start()
        while not wait([found], _TICK).done:
            if self._stop and self._stop():
                raise StoppedError
        data = found.result()
        return self._content(Raw(data, "standard input", "stdin:" + hashlib.sha256(data).hexdigest()[:16]))

    def _path(self, name: str) -> list[Job | Outcome]:
        if not name.strip():  # a variable that is not set, not the folder that happens to be the current one
            raise UserError("an empty name: say which file or folder")
        path = Path(name).expanduser()
        # By one name whichever way it is given: the name is the source's origin, and tells what lies in the corpus.
        path = path.resolve() if ".." in path.parts else path.absolute()
        if path.is_dir():
            found = list(self._below(path))
            if not found:
                raise UserError("no file in this folder has a format that is read here")
            return found
        return self._file(path)

    def _below(self, folder: Path) -> Iterator[Job | Outcome]:
        """Jobs for the files of known formats below a folder; hidden ones and our own folders are left out.

        A link is read only where it leads to something in the same folder: who packed the folder must not
        choose what else of this machine is read.
        """
        own = {
            self._settings.corpus_dir,
            self._settings.corpus_dir / ORIGINALS,
            self._settings.index_dir,
            self._settings.cache_dir,
        }
        closed: list[OSError] = []
        inside = folder.resolve()
        for here, folders, names in os.walk(folder, onerror=closed.append):
            folders[:] = sorted(f for f in folders if not f.startswith(".") and Path(here, f) not in own)
            for file in (Path(here, name) for name in sorted(names) if not name.startswith(".")):
                if file.suffix.lower() not in SUFFIXES:
                    continue
                if file.is_symlink() and not Path(os.path.realpath(file)).is_relative_to(inside):
                    yield "failed", Added(visible(str(file)), reason="a link that leads out of the folder")
                else:
                    yield Job(visible(str(file)), partial(self._file, file))
        for error in closed:
            yield "failed", Added(visible(str(error.filename)), reason=error.strerror or "cannot be read")

    def _file(self, path: Path) -> list[Job | Outcome]:
        if not path.exists():
            raise UserError("a link that leads nowhere" if path.is_symlink() else "no such file or folder")
        if not path.is_file():
            raise UserError("not a regular file")
        if path.is_relative_to(self._settings.corpus_dir / ORIGINALS):
            raise UserError("kept from a source that was added: its document is in the corpus")
        if path.is_relative_to(self._settings.corpus_dir) and path.suffix.lower() == ".md":
            return [("unchanged", Added(str(path), path, "already in the corpus"))]
        if path.stat().st_size > SOURCE_BYTES:
            raise UserError(f"larger than {SOURCE_BYTES // 1_000_000} MB")
        return self._content(Raw(path.read_bytes(), path.name, visible(str(path))))

    def page(self, url: str, conditional: bool = False, within: Within | None = None) -> list[Job | Outcome]:
        """Fetch a URL and add what it gives; `conditional` asks only for what changed."""
        receipt = self.receipts.get(url) if conditional else None
        path = self.receipts.find(url)
        held = receipt if path else None
        answer = self._feeds.fetch(
            url, etag=held.etag if held else None, last_modified=held.last_modified if held else None
        )
        if answer is None:
            return [("unchanged", Added(url, path))]
        if held and _leads_away(url, answer.url):
            raise UserError(f"it leads to {answer.url} now: what was added is kept")
        name = unquote(urlsplit(answer.url).path.rstrip("/").rpartition("/")[2]) or urlsplit(answer.url).netloc
        # A refreshed page keeps its key even when it names another address for itself now.
        origin = url if conditional else answer.url
        return self._content(Raw(answer.data, name, origin, answer, conditional, within))

    def _content(self, source: Raw) -> list[Job | Outcome]:
        """Add the bytes of one source, or of all that is in it if it is a feed or an archive."""
        unchanged = self._importer.unchanged(source)
        if unchanged:
            return [unchanged]
        listed = None if source.within == "archive" else self._feeds.entries(source.data, source.name)
        if listed is not None:
            if source.within or source.fixed:
                raise UserError("a feed within a feed" if source.within else "it is a feed now, no article")
            return self._listed(listed)
        try:
            return [self._importer.store(source)]
        except ArchiveError:
            if source.within == "archive":
                raise
            return self._members(source.data, source.origin)

    def _members(self, data: bytes, origin: str, seen: int = 0, size: int = 0) -> list[Job | Outcome]:
        """Jobs for some members of an archive after the first `seen`, and one for the rest.

        The bytes of those some are held until they are worked off.
        """
        members, complete = self._sandbox.unzip(data, seen)
        size += sum(len(found) for _, found in members if isinstance(found, bytes))
        jobs = [self._member(f"{origin}!{clean_line(name)}", name, found) for name, found in members]
        if size > _ARCHIVE_BYTES:
            jobs.append(("failed", Added(origin, reason=f"unpacks to more than {_ARCHIVE_BYTES // 1_000_000} MB")))
        elif not complete:
            jobs.append(Job(origin, partial(self._members, data, origin, seen + len(members), size)))
        return jobs

    def _member(self, key: str, name: str, found: bytes | str) -> Job | Outcome:
        if isinstance(found, str):
            return "failed", Added(key, reason=found)
        if Path(name).suffix.lower() not in SUFFIXES:
            return "failed", Added(key, reason="not a format that is read here")
        if is_web(key) or Path(key).is_absolute():
            return Job(key, partial(self._content, Raw(found, name, key, within="archive")))
        return Job(key, partial(self._upload, found, key, "archive"))

    def _listed(self, entries: list[Entry]) -> list[Job | Outcome]:
        """Jobs for the newest pages that a feed or sitemap lists."""
        urls, failed = self._feeds.newest(entries)
        return [*failed, *(Job(url, partial(self.page, url, within="feed")) for url in urls if self._new(url))]

    def _new(self, url: str) -> bool:
        """Whether nobody has taken this URL in this run; it is taken now."""
        with self._lock:
            new = url not in self._taken
            self._taken.add(url)
        return new
