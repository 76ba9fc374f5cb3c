"""Make the index equal to the corpus, doing only the work that changed.

In this order, so that a kill at any moment loses nothing and shows nothing half: prepare versions
and vectors in the catalog, unseen (`prepare`); build Chroma's folder for the state to come, unknown
to readers (`builds`); make both visible in one transaction of the catalog (`CatalogWriter.flip`).
Whatever an interrupted run left behind is unseen, and the next run drops or finishes it.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from ingest import UserError, builds
from ingest.catalog import Catalog
from ingest.catalog_schema import FILE_NAME, DamagedError
from ingest.catalog_writer import CatalogWriter
from ingest.corpus import corpus_files, sweep
from ingest.embed import PROBE, Embedder, LocalEmbedder, open_embedder
from ingest.index import IndexFailedError, VectorIndex
from ingest.lock import writer_lock
from ingest.prepare import Failed, Preparer, relative
from ingest.progress import Progress, Report, Stop, StoppedError
from ingest.receipts import Receipts
from ingest.settings import Settings
from ingest.store import CHROMA, MADE

_STATE = "catalog.state"  # size and time of the catalog as the last sync left it
_COMMIT = 2000  # passages after which a long sync makes visible what it has, ...
_GROWTH = 0.5  # ... or this share of the index, so that copying Chroma's folder stays cheap in sum
_BATCH = 1000  # vectors in memory on their way from the catalog to Chroma
_PROBE_SAME = 0.99  # cosine similarity above which an endpoint still serves the model that it did


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
        self._chroma = settings.index_dir / CHROMA
        self._rebuilt = ""
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
                if prepared - last >= max(_COMMIT, _GROWTH * self._writer.size()[1]) and not self._rebuild:
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
            builds.sweep(self._chroma, self._writer.meta("build") or "")
        documents, passages = self._writer.size()
        return SyncReport(
            documents=documents,
            passages=passages,
            added=self._added,
            removed=self._removed,
            embedded=self._preparer.embedded,
            failed=tuple(self._preparer.failed),
            rebuilt=self._rebuilt,
            stopped=stopped,
        )

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
        probe = _probe(embedder)
        current = int(writer.meta("space") or 0)
        if not current:
            return _Space(1, embedder.fingerprint, embedder.dimension, probe)
        same = writer.fingerprint() == embedder.fingerprint and _alike(writer.meta("probe") or "", probe)
        if same and not self._rebuild:
            return _Space(current, embedder.fingerprint, embedder.dimension, writer.meta("probe") or "")
        if not self._rebuild:
            raise UserError(
                f"The index was made with the embedder {writer.fingerprint()}, but {embedder.fingerprint} is "
                "set now, or serves another model than it did: run `python -m ingest sync --rebuild`, or set "
                "EMBEDDING_MODEL and EMBEDDING_BASE_URL back."
            )
        return _Space(current + 1, embedder.fingerprint, embedder.dimension, probe)

    def _commit(self, removed: list[str]) -> None:
        """Make what is prepared visible, together with the build of Chroma that belongs to it."""
        self._preparer.wanted(removed)
        if self._settings.chroma_url:
            facts, obsolete = self._on_server()
        else:
            facts, obsolete = self._in_folder(), None
        changed = self._space.facts | facts
        if not self._writer.prepared() and all(self._writer.meta(k) == str(v) for k, v in changed.items()):
            return
        added, gone = self._writer.turnover()
        self._writer.flip(changed)
        if obsolete:
            obsolete()
        self._added += added
        self._removed += gone

    def _in_folder(self) -> dict[str, object]:
        """The build for what is wanted: the current one when it serves, else a changed copy, else a new one."""
        name, sealed = self._writer.meta("build") or "", json.loads(self._writer.meta("seal") or "{}")
        current = self._writer.meta("space") == str(self._space.number)
        usable = bool(sealed) and current and builds.intact(self._chroma / name, sealed)
        if usable and not any(next(self._writer.entries(which), None) for which in ("new", "gone")):
            return {"build": name, "seal": json.dumps(sealed)}
        if name and sealed and current and not usable:
            self._rebuilt = "the vector index was damaged or missing"
        if usable:
            with suppress(IndexFailedError, builds.BrokenSealError):
                return self._build(name, sealed)
        return self._build("", {})

    def _build(self, base: str, sealed: builds.Seal) -> dict[str, object]:
        name = f"build-{secrets.token_hex(6)}"
        folder = self._chroma / name
        folder.mkdir(parents=True, mode=0o700)
        builds.copy(self._chroma / base, sealed, folder)
        index = VectorIndex.in_folder(folder, create=True)
        try:
            for part in _parts(self._writer.entries("gone") if base else ()):
                index.delete([entry for entry, _ in part])
            self._fill(index, lambda: self._writer.entries("new" if base else "wanted"))
            if index.count() != self._writer.kept_passages():
                raise IndexFailedError(f"Chroma holds {index.count()} of {self._writer.kept_passages()} entries.")
        finally:
            index.close()
        return {"build": name, "seal": json.dumps(builds.seal(folder))}

    def _on_server(self) -> tuple[dict[str, object], Callable[[], None]]:
        identity = self._writer.meta("identity") or secrets.token_hex(6)
        self._writer.set_meta({"identity": identity})
        name = f"article-chat-{identity}-{self._space.number}"
        index = VectorIndex.on_server(self._settings, name, create=True)
        held = index.ids()
        self._fill(index, lambda: (entry for entry in self._writer.entries("wanted") if entry[0] not in held))
        obsolete = held.difference(entry for entry, _ in self._writer.entries("wanted"))
        return {"build": name, "seal": ""}, lambda: index.delete(list(obsolete))

    def _fill(self, index: VectorIndex, new: Callable[[], Iterable[tuple[str, str]]]) -> None:
        """Add entries, and see that each is found by its own vector; try once more what is not."""
        done, total = 0, sum(1 for _ in new())
        for part in _parts(new()):
            if self._progress:
                self._progress(Progress("Indexing", done, total, "passages"))
            index.add([entry for entry, _ in part], self._vectors(part))
            done += len(part)
        for part in _parts(new()):
            missing = {*index.not_found([entry for entry, _ in part], self._vectors(part))}
            if not missing:
                continue
            lost = [(entry, key) for entry, key in part if entry in missing]
            ids, vectors = [entry for entry, _ in lost], self._vectors(lost)
            index.delete(ids)
            index.add(ids, vectors)
            if index.not_found(ids, vectors):
                raise IndexFailedError(f"Chroma does not find {len(lost)} passages by their own vectors.")

    def _vectors(self, entries: Sequence[tuple[str, str]]) -> np.ndarray:
        return self._writer.vectors_of(self._space.number, [key for _, key in entries])


def _parts(entries: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    """So many entries at a time as may be in memory with their vectors."""
    left = iter(entries)
    while part := list(islice(left, _BATCH)):
        yield part


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


def _probe(embedder: Embedder) -> str:
    """The vector of a fixed text, which tells two models behind one endpoint and name apart."""
    if isinstance(embedder, LocalEmbedder):
        return ""  # its fingerprint is the hash of the model itself
    return json.dumps([round(float(x), 5) for x in embedder.embed([PROBE])[0]])


def _alike(stored: str, now: str) -> bool:
    if not stored or not now:
        return stored == now
    a, b = np.array(json.loads(stored)), np.array(json.loads(now))
    return a.shape == b.shape and float(a @ b) > _PROBE_SAME
