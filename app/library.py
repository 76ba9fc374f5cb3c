"""The page's library: what it shows of the sources, and adding, removing and refreshing them."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from app import shelf
from app.room import UNFORESEEN, Room
from app.suggest import Suggestion, suggest
from ingest import UserError
from ingest.add import Upload, add_sources, refresh_sources
from ingest.document import Document
from ingest.progress import Pace, Progress, Report
from ingest.sync import remove, sync

MOST_SOURCES = 100  # that one request may add
MOST_CHARACTERS = 4_000  # of an address
SUGGESTED = 4  # questions, and articles that they are drawn from
REMEMBERED = 200  # articles whose questions are kept
WEB = ("http://", "https://")


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
        document = self._room.road.store.catalog.document(document_id)
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
                outcome.update(self._change(wanted, say, stopped.is_set))
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
            yield {"done": True, "results": [], "opened": None, "removed": None, **outcome}
        finally:
            stopped.set()
            self._stops.pop(session, None)

    def stop(self, session: str) -> None:
        """End the change that a browser session began; what is finished by then stays."""
        if stopped := self._stops.get(session):
            stopped.set()

    def _change(self, wanted: dict[str, Any], say: Report, stop: Callable[[], bool]) -> dict[str, Any]:
        if wanted.get("remove"):
            return self._remove(str(wanted["remove"]), say)
        if wanted.get("refresh"):
            return self._refresh(wanted["refresh"], say, stop)
        addresses = [str(address)[:MOST_CHARACTERS] for address in wanted.get("add") or []]
        files = [self._upload(str(path)) for path in wanted.get("files") or []]
        if not addresses and not files:
            raise UserError("Nothing to add: paste an address that begins with http:// or https://, or drop a file.")
        if len(addresses) + len(files) > MOST_SOURCES:
            raise UserError(f"At most {MOST_SOURCES} sources are added at a time.")
        for address in addresses:
            # From the page only addresses: a path would read the server's own files.
            if not address.startswith(WEB):
                raise UserError(f"{address} is no web address: it must begin with http:// or https://.")
        return self._add([*addresses, *files], say, stop)

    def _add(self, sources: Sequence[str | Upload], say: Report, stop: Callable[[], bool]) -> dict[str, Any]:
        report = add_sources(self._room.settings, sources, progress=say, stop=stop)
        self._sync(say, stop)
        rows = self._room.road.store.catalog.documents()
        kept = [*report.added, *report.updated, *report.unchanged]
        written = {one.path.relative_to(self._room.settings.corpus_dir).as_posix() for one in kept if one.path}
        opened = [row for row in rows if written.intersection(row.paths)]
        lines = [(f"Added “{row.metadata.title}”.", False) for row in opened[:5]]
        if len(opened) > 5:
            lines.append((f"Added {len(opened) - 5} more.", False))
        lines += [(f"{_name(one.source)}: {one.reason}", True) for one in report.failed]
        if report.stopped:
            lines.append(("Stopped: the rest was not added.", True))
        failed = [one.source for one in report.failed if one.source.startswith(WEB)]
        return {**_results(*lines), "opened": opened[0].document_id if opened else None, "failed": failed}

    def _refresh(self, which: Any, say: Report, stop: Callable[[], bool]) -> dict[str, Any]:
        rows = self._room.road.store.catalog.documents()
        origins = None if which is True else [row.metadata.origin or "" for row in rows if row.document_id == which]
        report = refresh_sources(self._room.settings, origins, progress=say, stop=stop)
        self._sync(say, stop)
        fetched = f"Fetched again: {len(report.updated)} changed, {len(report.unchanged)} as before."
        failed = [(f"{one.source}: {one.reason}", True) for one in report.failed]
        stopped = [("Stopped: the rest was not fetched.", True)] if report.stopped else []
        return _results((fetched, False), *failed, *stopped)

    def _remove(self, document_id: str, say: Report) -> dict[str, Any]:
        rows = [row for row in self._room.road.store.catalog.documents() if row.document_id == document_id]
        if not rows:
            raise UserError("This source is not in the library any more.")
        remove(self._room.settings, document_id)
        self._sync(say, lambda: False)
        return {**_results((f"Removed “{rows[0].metadata.title}”.", False)), "removed": document_id}

    def _sync(self, say: Report, stop: Callable[[], bool]) -> None:
        sync(self._room.settings, say, stop)
        self._room.road.store.refresh()

    def _upload(self, path: str) -> Upload:
        """A file that the browser uploaded, read and deleted; nothing outside the uploads is touched."""
        uploads = self._uploads.resolve()
        try:
            file = Path(path).resolve()
        except (OSError, ValueError, RuntimeError):  # no path at all: zero bytes, too long
            file = uploads
        # Each upload has a folder of its own in that of all.
        if file.parent.parent != uploads or not file.is_file():
            raise UserError("An upload is no longer there: choose the file again.")
        data = file.read_bytes()
        shutil.rmtree(file.parent, ignore_errors=True)
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


def _results(*lines: tuple[str, bool]) -> dict[str, Any]:
    return {"results": [{"line": line, "fault": fault} for line, fault in lines]}


def _name(source: str) -> str:
    """A file by its name, an address as it is."""
    return source if source.startswith(WEB) else Path(source).name or source
