"""The command line of the store: python -m ingest add|sync|list|show|remove|refresh|watch."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ingest import UserError
from ingest.catalog import Catalog, DocumentRow
from ingest.clean import visible
from ingest.exiting import INTERRUPTED, leave
from ingest.progress import TerminalProgress
from ingest.settings import Settings, load_settings

if TYPE_CHECKING:
    from ingest.add import AddReport
    from ingest.sync import SyncReport

RETRY = 5.0  # seconds after which watch tries a refused sync again
_TICK_MS = 500  # how often watch looks whether such a sync is due


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0 done, 2 the user must mend something, 130 stopped."""
    options = _parser().parse_args(arguments)
    stop = _stop_on_interrupt()
    try:
        return int(options.run(load_settings(), options, stop))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of a pipe, as in `list | head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush would fail too
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ingest", description="Articles into the index.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add = commands.add_parser("add", help="add files, folders, URLs, feeds, or - for standard input")
    add.add_argument("sources", nargs="+", metavar="SOURCE")
    add.add_argument("--limit", type=_count, metavar="N", help="newest N pages of each feed or sitemap")
    add.add_argument("--since", metavar="DATE", help="only pages of feeds and sitemaps from DATE (ISO) on")
    add.set_defaults(run=_add)

    sync = commands.add_parser("sync", help="make the index equal to the corpus folder")
    sync.add_argument("--rebuild", action="store_true", help="make every vector again (another embedder)")
    sync.set_defaults(run=_sync)

    listing = commands.add_parser("list", help="the documents of the index")
    listing.add_argument("--json", action="store_true", help="one JSON object a document")
    listing.set_defaults(run=_list)

    show = commands.add_parser("show", help="the stored text of a document, to the character")
    show.add_argument("id", metavar="ID", help="a document id, or its first 8 or more characters")
    show.set_defaults(run=_show)

    remove = commands.add_parser("remove", help="remove a document from corpus and index")
    remove.add_argument("id", metavar="ID", help="a document id, or its first 8 or more characters")
    remove.set_defaults(run=_remove)

    refresh = commands.add_parser("refresh", help="fetch again what was added from URLs")
    refresh.add_argument("ids", nargs="*", metavar="ID", help="only these documents")
    refresh.set_defaults(run=_refresh)

    watch = commands.add_parser("watch", help="sync whenever the corpus folder changes, until Ctrl-C")
    watch.set_defaults(run=_watch)
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _stop_on_interrupt() -> threading.Event:
    """The first Ctrl-C asks the work to end cleanly, the second ends it at once."""
    stop = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("\nStopping; what is finished is kept. Press Ctrl-C again to stop at once.", file=sys.stderr)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, interrupt)
    return stop


def _add(settings: Settings, options: argparse.Namespace, stop: threading.Event) -> int:
    from ingest.add import add_sources

    if "-" in options.sources and sys.stdin and sys.stdin.isatty():
        print("Reading the text to add from standard input: type or paste it, then press Ctrl-D.", file=sys.stderr)
    with TerminalProgress() as progress:
        report = add_sources(
            settings,
            options.sources,
            progress=progress,
            stop=stop.is_set,
            limit=options.limit,
            since=options.since,
        )
    return _sync_added(settings, report, stop)


def _refresh(settings: Settings, options: argparse.Namespace, stop: threading.Event) -> int:
    from ingest.add import refresh_sources

    origins = _origins(settings, options.ids) if options.ids else None
    with TerminalProgress() as progress:
        report = refresh_sources(settings, origins, progress=progress, stop=stop.is_set)
    return _sync_added(settings, report, stop)


def _origins(settings: Settings, ids: Sequence[str]) -> list[str]:
    catalog = Catalog.open(settings.index_dir)
    chosen = {catalog.document(document_id).document_id for document_id in ids}
    return [origin for row in catalog.documents() if row.document_id in chosen for origin in row.origins]


def _sync_added(settings: Settings, report: "AddReport", stop: threading.Event) -> int:
    """Say what came of the sources, then index what is new; files that failed make the status 2."""
    told = {"added": report.added, "updated": report.updated, "unchanged": report.unchanged}
    print(", ".join(f"{len(sources)} {name}" for name, sources in told.items()) + ".")
    for failed in report.failed:
        print(f"{failed.source}: {failed.reason}", file=sys.stderr)
    if report.stopped:
        print("Stopped; run `python -m ingest sync` to index what was added.", file=sys.stderr)
        return INTERRUPTED
    try:
        status = _sync_once(settings, stop)
    except UserError as error:  # another process may be writing the index
        if not report.added and not report.updated:
            raise
        raise UserError(f"{error} What was added is in {settings.corpus_dir}; the next sync indexes it.") from error
    return status or (2 if report.failed else 0)


def _sync(settings: Settings, options: argparse.Namespace, stop: threading.Event) -> int:
    return _sync_once(settings, stop, options.rebuild)


def _sync_once(settings: Settings, stop: threading.Event, rebuild: bool = False) -> int:
    from ingest.sync import sync

    with TerminalProgress() as progress:
        report = sync(settings, progress, stop.is_set, rebuild)
    print(_summary(report))
    for failed in report.failed:
        print(failed.reason, file=sys.stderr)
    if report.others:
        print(_others(settings, report.others), file=sys.stderr)
    if report.stopped:
        return INTERRUPTED
    return 2 if report.failed else 0


def _summary(report: "SyncReport") -> str:
    parts = [f"{_counted(report.documents, 'document')}, {_counted(report.passages, 'passage')}"]
    if report.added or report.removed:
        parts.append(f"{report.added:,} added, {report.removed:,} removed")
    if report.embedded:
        rate = report.embedded / max(report.seconds, 0.001)
        parts.append(f"{report.embedded:,} passages embedded ({rate:,.0f}/s)")
    if report.rebuilt:
        parts.append(f"rebuilt: {report.rebuilt}")
    if report.stopped:
        parts.append("stopped; run `python -m ingest sync` to go on")
    return f"Index: {'; '.join(parts)}; {report.seconds:.1f} s."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _others(settings: Settings, names: Sequence[str]) -> str:
    told = f"{visible(names[0])} is" if len(names) == 1 else f"{visible(names[0])} and {len(names) - 1} more are"
    return f"{told} no Markdown and not indexed: `python -m ingest add {settings.corpus_dir}` makes documents of such."


def _list(settings: Settings, options: argparse.Namespace, stop: threading.Event) -> int:
    rows = Catalog.open(settings.index_dir).documents()
    if options.json:
        for row in rows:
            print(json.dumps(_as_json(row), ensure_ascii=False))
        return 0
    for row in rows:
        told = [
            row.metadata.author,
            row.metadata.published,
            _counted(row.passages, "passage"),
            *map(visible, row.paths),
        ]
        print(f"{row.document_id[:12]}  {row.metadata.title}  ({', '.join(part for part in told if part)})")
    if not rows:
        print("No documents yet: `python -m ingest add SOURCE` adds some.")
    return 0


def _as_json(row: DocumentRow) -> dict[str, object]:
    return {
        "document_id": row.document_id,
        "title": row.metadata.title,
        "author": row.metadata.author,
        "published": row.metadata.published,
        "url": row.metadata.url,
        "origin": row.origins[0] if row.origins else None,
        "path": row.paths[0] if row.paths else None,
        "characters": row.characters,
        "passages": row.passages,
    }


def _show(settings: Settings, options: argparse.Namespace, stop: threading.Event) -> int:
    text = Catalog.open(settings.index_dir).document(options.id).text
    sys.stdout.flush()
    sys.stdout.buffer.write(text.encode("utf-8"))  # no line end added or changed: it is the text
    sys.stdout.buffer.flush()
    return 0


def _remove(settings: Settings, options: argparse.Namespace, stop: threading.Event) -> int:
    from ingest.sync import remove

    remove(settings, options.id)
    return _sync_once(settings, stop)


def _watch(settings: Settings, options: argparse.Namespace, stop: threading.Event) -> int:
    from watchfiles import watch

    corpus_dir = settings.corpus_dir
    events = watch(
        corpus_dir,
        stop_event=stop,
        raise_interrupt=False,
        debounce=800,
        rust_timeout=_TICK_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,  # the sync says which folder cannot be read
    )
    try:
        next(events, None)  # opens the watcher: what changes during the first sync is told after it
    except OSError as error:
        raise UserError(
            f"Cannot watch the corpus folder {corpus_dir} ({error}): see that it exists, or set CORPUS_DIR."
        ) from error
    status = _sync_once(settings, stop)
    print(f"Watching {corpus_dir}; Ctrl-C ends it.", flush=True)
    refused, again = "", 0.0
    for changes in events:
        if any(_concerns(corpus_dir, Path(path)) for _, path in changes) or (refused and time.monotonic() >= again):
            try:
                status = _sync_once(settings, stop)
                refused = ""
            except UserError as error:  # such as another writer at work
                if str(error) != refused:
                    print(error, file=sys.stderr)
                refused, again = str(error), time.monotonic() + RETRY
    return INTERRUPTED if stop.is_set() else status


def _concerns(corpus_dir: Path, path: Path) -> bool:
    """Whether a change of this path may be one of articles: it is one, or a folder, or may have been one."""
    from ingest.corpus import ORIGINALS

    if path.name.startswith(".") or path.is_relative_to(corpus_dir / ORIGINALS):
        return False
    return path.suffix.lower() == ".md" or path.is_dir() or not path.exists()


if __name__ == "__main__":
    leave(main())
