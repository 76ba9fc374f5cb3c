"""The page's library: what it shows of the sources, and adding, removing and refreshing them."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from app import shelf
from app.room import UNFORESEEN, Room
from app.suggest import Suggestion, suggest
from ingest import UserError
from ingest.add import Added, Upload, add_sources, refresh_sources
from ingest.corpus import read_document
from ingest.document import Document
from ingest.progress import Pace, Progress, Report
from ingest.sync import remove, sync

MOST_SOURCES = 100  # that one request may add
MOST_CHARACTERS = 4_000  # of an address
SUGGESTED = 4  # questions, and articles that they are drawn from
REMEMBERED = 200  # articles whose questions are kept
NAMED = 5  # of what was added, by title; the rest is counted
NEXT = "the next change of the library, or `python -m ingest sync`,"
GONE = "This source is not in the library any more."
NOT_FOUND = f"not found yet: {NEXT} indexes it"
STILL_FOUND = f"still found: {NEXT} takes it out of the index"
WEB = ("http://", "https://")

Line = tuple[str, bool]  # for the reader, and whether it tells of a fault


class Library:
    """Sources as the page shows them; changes run one at a time and can be stopped."""

    def __init__(self, room: Room, uploads: Path) -> None:
        self._room, self._uploads = room, uploads
        self._stops: dict[str, threading.Event] = {}
        self._questions: dict[str, list[str]] = {}
        self._first: tuple[int, list[str]] = (-1, [])

    def sources(self) -> dict[str, Any]:
        """The list as HTML, the ids, and how many sources can be fetched again."""
        catalog = self._room.road.store.catalog
        entries = catalog.documents()
        items = [shelf.source_html(entry.document_id, entry.metadata, entry.passages) for entry in entries]
        return {
            "list": shelf.list_html(items),
            "ids": [entry.document_id for entry in entries],
            "fetched": sum((entry.metadata.origin or "").startswith(WEB) for entry in entries),
        }

    def document(self, document_id: str) -> dict[str, Any]:
        """One article for the reader. Raises `UserError` if it is gone."""
        try:
            document = self._room.road.store.catalog.document(document_id)
        except UserError as error:
            raise UserError(GONE) from error
        return {
            "id": document.document_id,
            "title": document.metadata.title,
            "html": shelf.reader_html(document),
        }

    def suggestions(self, document_id: str | None) -> dict[str, Any]:
        """Questions that one article, or the first few, can answer: their own sentences are what is found."""
        catalog = self._room.road.store.catalog
        ids = [document_id] if document_id else self._first_ids()
        found = [self._suggested(catalog.document(one)) for one in ids]
        turns = max(map(len, found), default=0)
        return {"questions": [one[turn] for turn in range(turns) for one in found if turn < len(one)][:SUGGESTED]}

    def _first_ids(self) -> list[str]:
        """The first few articles: all must be read to tell, so once for each commit."""
        catalog = self._room.road.store.catalog
        generation = catalog.generation()
        if self._first[0] != generation:
            self._first = generation, [entry.document_id for entry in catalog.documents()[:SUGGESTED]]
        return self._first[1]

    def _suggested(self, document: Document) -> list[str]:
        """Kept for each document, because holding a question against the store takes a while."""
        from app.ask import finds

        store = self._room.road.store

        def answers(one: Suggestion) -> bool:
            self._room.step_aside()
            return finds(store, one.question, one.sentence)

        if document.document_id not in self._questions:
            while len(self._questions) >= REMEMBERED:
                self._questions.pop(next(iter(self._questions)))
            asked = (one.question for one in suggest(document) if answers(one))
            self._questions[document.document_id] = list(islice(asked, SUGGESTED))
        return self._questions[document.document_id]

    def change(self, session: str, wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Change the library, as messages; never raises.

        `wanted` comes from the browser: `add` (addresses) and `files` (uploads), or `remove` (a document
        id), or `refresh` (a document id, or true for all: fetch again what came from an address).
        """
        stopped, lines, pace = threading.Event(), SimpleQueue[str](), Pace()
        self._stops[session] = stopped
        outcome: dict[str, Any] = {}

        def say(now: Progress) -> None:
            lines.put(f"{pace.line(now)} …")

        def work() -> None:
            try:
                outcome.update(self._change(wanted, say, stopped))
            except UserError as error:
                outcome.update(_results((str(error), True)))
            except Exception:
                outcome.update(_results((UNFORESEEN, True)))
                raise

        thread = threading.Thread(target=work, name="change-library", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                if line := _newest(lines):
                    yield {"done": False, "line": line}
            yield {"done": True, "id": wanted.get("id"), "results": [], "opened": None, "removed": None, **outcome}
        finally:
            stopped.set()
            self._stops.pop(session, None)

    def stop(self, session: str) -> None:
        """End what a session's change is doing: reading sources (those read are still indexed), or indexing."""
        if stopped := self._stops.get(session):
            stopped.set()

    def _change(self, wanted: dict[str, Any], say: Report, stop: threading.Event) -> dict[str, Any]:
        if wanted.get("remove"):
            return self._remove(str(wanted["remove"]), say)
        if wanted.get("refresh"):
            return self._refresh(wanted["refresh"], say, stop)
        addresses = [str(address)[:MOST_CHARACTERS] for address in wanted.get("add") or []]
        files = [self._upload(path) for path in dict.fromkeys(map(str, wanted.get("files") or []))]
        if not addresses and not files:
            raise UserError("Nothing to add: paste an address that begins with http:// or https://, or drop a file.")
        if len(addresses) + len(files) > MOST_SOURCES:
            raise UserError(f"At most {MOST_SOURCES} sources are added at a time.")
        # From the page only addresses: a path would read the server's own files.
        others = [one for one in addresses if not one.startswith(WEB)]
        faults = [f"{one} is no web address: it must begin with http:// or https://." for one in others]
        sources: list[str | Upload] = [*(one for one in addresses if one.startswith(WEB)), *files]
        if not sources:
            raise UserError(" ".join(faults))
        outcome = self._add(sources, say, stop)
        told = [{"line": line, "fault": True} for line in faults]
        return {**outcome, "results": [*outcome["results"], *told], "failed": [*outcome["failed"], *others]}

    def _add(self, sources: Sequence[str | Upload], say: Report, stop: threading.Event) -> dict[str, Any]:
        report = add_sources(self._room.settings, sources, progress=say, stop=stop.is_set)
        if report.stopped:
            stop.clear()
        faults = self._index(say, stop.is_set)
        kept = _paths([*report.added, *report.updated, *report.unchanged])
        waiting = self._not_indexed(kept) if faults else []
        names = {self._relative(path) for path in kept if path not in waiting}
        opened = [row for row in self._room.road.store.catalog.documents() if names.intersection(row.paths)]
        lines = [(f"Added “{row.metadata.title}”.", False) for row in opened[:NAMED]]
        if len(opened) > NAMED:
            lines.append((f"Added {len(opened) - NAMED} more.", False))
        lines += [*_unfound(waiting), *faults]
        lines += [(f"{_name(one.source)}: {one.reason}", True) for one in report.failed]
        if report.stopped:
            lines.append(("Stopped: the rest was not added.", True))
        failed = [one.source for one in report.failed if one.source.startswith(WEB)]
        return {**_results(*lines), "opened": opened[0].document_id if opened else None, "failed": failed}

    def _refresh(self, which: Any, say: Report, stop: threading.Event) -> dict[str, Any]:
        rows = self._room.road.store.catalog.documents()
        origins = None if which is True else [row.metadata.origin or "" for row in rows if row.document_id == which]
        report = refresh_sources(self._room.settings, origins, progress=say, stop=stop.is_set)
        if report.stopped:
            stop.clear()
        faults = self._index(say, stop.is_set)
        waiting = self._not_indexed(_paths(report.updated)) if faults else []
        fetched = f"Fetched again: {len(report.updated)} changed, {len(report.unchanged)} as before."
        failed = [(f"{one.source}: {one.reason}", True) for one in report.failed]
        stopped = [("Stopped: the rest was not fetched.", True)] if report.stopped else []
        return _results((fetched, False), *_unfound(waiting), *faults, *failed, *stopped)

    def _remove(self, document_id: str, say: Report) -> dict[str, Any]:
        catalog = self._room.road.store.catalog
        rows = [row for row in catalog.documents() if row.document_id == document_id]
        if not rows:
            raise UserError(GONE)
        remove(self._room.settings, document_id)
        faults = self._index(say, lambda: False)
        if any(row.document_id == document_id for row in catalog.documents()):
            line = f"“{rows[0].metadata.title}” is deleted, but {STILL_FOUND}."
            return _results((line, True), *faults)
        return {**_results((f"Removed “{rows[0].metadata.title}”.", False), *faults), "removed": document_id}

    def _index(self, say: Report, stop: Callable[[], bool]) -> list[Line]:
        """Index what the corpus holds now; lines on what could not be."""
        try:
            report = sync(self._room.settings, say, stop)
        except UserError as error:  # such as another process at work on the index
            return [(str(error), True)]
        finally:
            self._room.road.store.refresh()
        here = f"{self._room.settings.corpus_dir}{os.sep}"  # where it lies is nothing to the browser
        lines = [(one.reason.replace(here, ""), True) for one in report.failed]
        return [*lines, ("Stopped before all was indexed.", True)] if report.stopped else lines

    def _not_indexed(self, paths: Sequence[Path]) -> list[Path]:
        """Those of these corpus files whose text is not what is found under their name."""
        rows = self._room.road.store.catalog.documents()
        found = {(name, row.document_id) for row in rows for name in row.paths}
        return [path for path in paths if (self._relative(path), _id(path)) not in found]

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._room.settings.corpus_dir).as_posix()

    def _upload(self, path: str) -> Upload:
        """A file that the browser uploaded, read and deleted; nothing outside the uploads is touched."""
        uploads = self._uploads.resolve()
        try:
            file = Path(path).resolve()
        except (OSError, ValueError, RuntimeError):  # no path at all: zero bytes, too long
            file = uploads
        # Each upload lies in a folder of its own (app/page.py).
        if file.parent.parent != uploads or not file.is_file():
            raise UserError("An upload is no longer there: choose the file again.")
        data = file.read_bytes()
        with suppress(OSError):
            file.unlink()
            file.parent.rmdir()
        return Upload(file.name, data)


def _newest(lines: "SimpleQueue[str]") -> str | None:
    """The last line of those that wait, or None when there is none for a while."""
    try:
        line = lines.get(timeout=0.1)
        while not lines.empty():
            line = lines.get_nowait()
    except Empty:
        return None
    return line


def _paths(sources: Sequence[Added]) -> list[Path]:
    return [source.path for source in sources if source.path]


def _id(path: Path) -> str | None:
    try:
        return read_document(path).document_id
    except UserError:
        return None


def _unfound(paths: Sequence[Path]) -> list[Line]:
    """Lines on what was written but is not indexed."""
    lines = [(f"{path.name} is added, but {NOT_FOUND}.", True) for path in paths[:NAMED]]
    if len(paths) > NAMED:
        lines.append((f"{len(paths) - NAMED} more are added, but {NOT_FOUND}.", True))
    return lines


def _results(*lines: Line) -> dict[str, Any]:
    return {"results": [{"line": line, "fault": fault} for line, fault in lines]}


def _name(source: str) -> str:
    """A file by its name, an address as it is."""
    return source if source.startswith(WEB) else Path(source).name or source
