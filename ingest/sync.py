"""Make the index equal to the corpus, doing only the work that changed.

In this order, so that a kill at any moment loses nothing and shows nothing half: prepare versions
and vectors in the catalog, unseen (`prepare`); build Chroma's folder for the state to come, unknown
to readers (`rebuild`); make both visible in one transaction of the catalog (`CatalogWriter.flip`).
Whatever an interrupted run left behind is unseen, and the next run drops or finishes it.
"""

import hashlib
import json
import time
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ingest import UserError, builds
from ingest.catalog import Catalog
from ingest.catalog_schema import FILE_NAME, DamagedError
from ingest.catalog_writer import CatalogWriter
from ingest.clean import visible
from ingest.corpus import corpus_files, other_files, sweep
from ingest.embed import Embedder, open_embedder
from ingest.lock import writer_lock
from ingest.prepare import Failed, Preparer, relative
from ingest.progress import Progress, Report, Stop, StoppedError
from ingest.rebuild import Builder
from ingest.receipts import Receipts
from ingest.settings import Settings
from ingest.store import CHROMA, MADE, probe_of, same_probe

_STATE = "catalog.state"  # size and time of the catalog as the last sync left it
COMMIT = 2000  # passages after which a long sync makes visible what it has, ...
GROWTH = 0.5  # ... or this share of the index, so that copying Chroma's folder stays cheap in sum


@dataclass(frozen=True)
class SyncReport:
    """What a sync did: documents now in the index, those that came or went, files that failed."""

    documents: int
    passages: int
    added: int
    removed: int
    embedded: int
    failed: tuple[Failed, ...]
    rebuilt: str = ""
    stopped: bool = False
    seconds: float = 0.0
    others: tuple[str, ...] = ()  # files in the corpus folder of formats that only `add` makes documents of


@dataclass(frozen=True)
class _Space:
    """Vectors of one embedder; a rebuild fills another beside the one in use."""

    number: int
    fingerprint: str
    dimension: int
    probe: str

    @property
    def facts(self) -> dict[str, object]:
        return {
            "space": self.number,
            "fingerprint": self.fingerprint,
            "dimension": self.dimension,
            "probe": self.probe,
            "made": MADE,
        }

    @property
    def mark(self) -> str:
        """A short name of whose vectors these are."""
        whole = f"{self.fingerprint} {self.dimension} {self.probe}"
        return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def sync(
    settings: Settings,
    progress: Report | None = None,
    stop: Stop | None = None,
    rebuild: bool = False,
    embedder: Embedder | None = None,
) -> SyncReport:
    """Index what changed in the corpus since the last sync, and mend what is broken.

    `rebuild` reads every file and makes every vector again, beside the index in use, and swaps at
    the end; it is how to change the embedder. When `stop` turns true the work that is finished is
    committed and the report says `stopped`. Raises `UserError` when the corpus folder is missing,
    another process is writing, the embedder is not the index's, or the disk is full or read-only.
    """
    started = time.monotonic()
    if not settings.corpus_dir.is_dir():
        raise UserError(f"There is no corpus folder {settings.corpus_dir}: create it, or set CORPUS_DIR.")
    with writer_lock(settings.index_dir):
        try:
            embedder = embedder or open_embedder(settings)
            writer, why = _open(settings, progress)
            try:
                with closing(_Sync(settings, writer, embedder, progress, stop, rebuild)) as run:
                    report = run.run()
            finally:
                writer.close()
            _remember(settings.index_dir)
        except OSError as error:
            raise UserError(
                f"Cannot write the index in {settings.index_dir} ({error.strerror or error}): "
                "free disk space or make the folder writable, then run it again."
            ) from error
    seconds = time.monotonic() - started
    return SyncReport(**{**vars(report), "rebuilt": why or report.rebuilt, "seconds": seconds})


def remove(settings: Settings, document_id: str) -> None:
    """Delete the corpus files of a document (an id, or a unique start of it) and what was kept of it.

    The `sync` after it takes it out of the index.

    Raises `UserError` when there is no such document or a file cannot be removed.
    """
    catalog = Catalog.open(settings.index_dir)
    try:
        whole = catalog.document(document_id).document_id
        rows = [row for row in catalog.documents() if row.document_id == whole]
    finally:
        catalog.close()
    receipts = Receipts(settings.corpus_dir)
    try:
        for name in rows[0].paths:
            (settings.corpus_dir / name).unlink(missing_ok=True)
        for origin in rows[0].origins:
            receipts.forget(origin)
    except OSError as error:
        raise UserError(f"Cannot remove {error.filename}: {error.strerror}.") from error


class _Sync:
    """One run, in the hands of the lock's holder."""

    def __init__(
        self,
        settings: Settings,
        writer: CatalogWriter,
        embedder: Embedder,
        progress: Report | None,
        stop: Stop | None,
        rebuild: bool,
    ) -> None:
        self._settings, self._writer, self._embedder = settings, writer, embedder
        self._progress, self._rebuild = progress, rebuild
        self._space = self._choose_space()
        self._preparer = Preparer(writer, embedder, self._space.number, MADE, progress, stop)
        self._builder = Builder(settings, writer, self._space.number, self._space.mark, progress)
        self._added = self._removed = 0

    def run(self) -> SyncReport:
        sweep(self._settings.corpus_dir)
        files = corpus_files(self._settings.corpus_dir)
        present = {relative(self._settings.corpus_dir, path) for path in files}
        removed = [path for path in self._writer.paths() if path not in present]
        everything = self._rebuild or self._writer.meta("made") != MADE
        changed = self._preparer.changed(self._settings.corpus_dir, files, everything)
        stopped = False
        gone = self._writer.origins(removed)
        try:
            last = 0
            for prepared in self._preparer.files(self._settings.corpus_dir, changed):
                if prepared - last >= max(COMMIT, GROWTH * self._writer.size()[1]) and not self._rebuild:
                    self._commit([])
                    last = prepared
            self._commit(removed)
        except StoppedError:
            stopped = True
            self._preparer.stopping()
            if not self._rebuild:
                self._commit([])
        if not stopped:
            self._forget(gone)
            self._writer.forget_vectors(self._space.number)
        if not self._settings.chroma_url:
            builds.sweep(self._settings.index_dir / CHROMA, self._writer.meta("build") or "")
        documents, passages = self._writer.size()
        return SyncReport(
            documents=documents,
            passages=passages,
            added=self._added,
            removed=self._removed,
            embedded=self._preparer.embedded,
            failed=tuple(self._preparer.failed),
            rebuilt=self._builder.rebuilt,
            stopped=stopped,
            others=self._others(),
        )

    def _others(self) -> tuple[str, ...]:
        others = other_files(self._settings.corpus_dir)
        origins = self._writer.origins() if others else set()
        added = origins | {origin.partition("!")[0] for origin in origins}  # archives, by their members
        return tuple(relative(self._settings.corpus_dir, path) for path in others if visible(str(path)) not in added)

    def close(self) -> None:
        """Let the embedder's thread end."""
        self._preparer.close()

    def _forget(self, origins: set[str]) -> None:
        """What add kept of sources whose corpus files are gone; a renamed file has its origin still."""
        receipts = Receipts(self._settings.corpus_dir)
        for origin in sorted(origins - self._writer.origins()) if origins else ():
            with suppress(OSError, UserError):  # litter, which costs no more than its space
                receipts.forget(origin)

    def _choose_space(self) -> _Space:
        """The vectors to work with: the index's own, or a new set on a rebuild or the first run."""
        writer, embedder = self._writer, self._embedder
        probe = probe_of(embedder)
        current = int(writer.meta("space") or 0)
        if not current:
            return self._under_way(1, probe)
        same = writer.fingerprint() == embedder.fingerprint and same_probe(writer.meta("probe") or "", probe)
        if same and not self._rebuild:
            return _Space(current, embedder.fingerprint, embedder.dimension, writer.meta("probe") or "")
        if not self._rebuild:
            raise UserError(
                f"The index was made with the embedder {writer.fingerprint()}, but {embedder.fingerprint} is "
                "set now, or serves another model than it did: run `python -m ingest sync --rebuild`, or set "
                "EMBEDDING_MODEL and EMBEDDING_BASE_URL back."
            )
        return self._under_way(current + 1, probe)

    def _under_way(self, number: int, probe: str) -> _Space:
        """A space that is not live yet: as far as this embedder filled it before, else emptied."""
        space = _Space(number, self._embedder.fingerprint, self._embedder.dimension, probe)
        kept = self._writer.meta("filling")
        before = _Space(**json.loads(kept)) if kept else None
        if before and same_probe(before.probe, probe) and replace(before, probe=probe) == space:
            return before
        self._writer.begin_space(number, json.dumps(asdict(space)))
        return space

    def _commit(self, removed: list[str]) -> None:
        """Make what is prepared visible, together with the build of Chroma that belongs to it."""
        self._preparer.wanted(removed)
        build = self._builder.build()
        changed = self._space.facts | build.facts
        if not self._writer.prepared() and all(self._writer.meta(k) == str(v) for k, v in changed.items()):
            return
        added, gone = self._writer.turnover()
        self._writer.flip(changed)
        build.drop_obsolete()
        self._added += added
        self._removed += gone


def _open(settings: Settings, progress: Report | None) -> tuple[CatalogWriter, str]:
    """The catalog, checked if the last run did not end well; a damaged one is set aside."""
    path = settings.index_dir / FILE_NAME
    try:
        writer = CatalogWriter.open(settings.index_dir)
        try:
            if writer.meta("space") and not _as_left(settings.index_dir):
                if progress:
                    progress(Progress("Checking the index", 0, 0, "passages"))
                writer.verify()
        except BaseException:
            writer.close()
            raise
        return writer, ""
    except DamagedError:
        _set_aside(path)
        return CatalogWriter.open(settings.index_dir), "the catalog was damaged; it was made anew from the corpus"


def _set_aside(path: Path) -> None:
    """Keep a damaged catalog, once, for whoever wants to look; its log files belong to it."""
    for ending in ("", "-wal", "-shm"):
        source = path.with_name(path.name + ending)
        with suppress(FileNotFoundError):
            source.replace(path.with_name(f"damaged-{path.name}{ending}"))


def _facts(index_dir: Path) -> list[int]:
    facts = (index_dir / FILE_NAME).stat()
    log = index_dir / f"{FILE_NAME}-wal"
    return [facts.st_size, facts.st_mtime_ns, log.stat().st_size if log.exists() else 0]


def _remember(index_dir: Path) -> None:
    (index_dir / _STATE).write_text(json.dumps(_facts(index_dir)))


def _as_left(index_dir: Path) -> bool:
    """Whether the catalog's file is as the last sync left it: no kill since, and no other hand."""
    try:
        return bool(json.loads((index_dir / _STATE).read_text()) == _facts(index_dir))
    except (OSError, ValueError):
        return False
