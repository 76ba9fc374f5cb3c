"""Corpus files -> versions in the catalog, unseen by readers, with every vector they need.

Works in bounded batches, so memory does not grow with the number of documents; what is embedded is
kept at once, so a killed run need not embed it again. The embedder has a thread of its own: while it
works, this one keeps the vectors of the part before and reads the files of the batch after.
Knows nothing of Chroma.
"""

import hashlib
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ingest import UserError
from ingest.catalog_prepared import FileState
from ingest.catalog_writer import CatalogWriter, PassageRow
from ingest.clean import visible
from ingest.corpus import file_bytes, parse_document
from ingest.document import Document
from ingest.embed import Embedder
from ingest.lexical import guess_language, tokens
from ingest.progress import Progress, Report, Stop, StoppedError
from ingest.split import embedding_text, heading_text, split

BATCH = 512  # passages that are embedded together, of several documents, sorted by length
KEPT = 64  # of these, so many are embedded and kept at a time
AHEAD = 2  # such parts with the embedder, one at work and one waiting: what a kill loses at most
_RACY_NS = 2_000_000_000  # a file written so shortly before it was read may change unseen


@dataclass(frozen=True)
class Failed:
    """A corpus file that cannot be read as a document; what the index had of it stays."""

    path: str
    reason: str


@dataclass
class _Batch:
    """Texts to embed, by key, and the corpus files that they came from."""

    texts: dict[str, str] = field(default_factory=dict)
    files: list[FileState] = field(default_factory=list)
    size: int = 0  # bytes of the files


@dataclass(frozen=True)
class _Part:
    """Some texts of a batch, with the embedder; `files` are the batch's, at its last part."""

    keys: Sequence[str]
    vectors: "Future[np.ndarray] | None"
    files: Sequence[FileState]
    size: float


class Preparer:
    """Prepares changed files for one `CatalogWriter.flip` after another."""

    def __init__(
        self,
        writer: CatalogWriter,
        embedder: Embedder,
        space: int,
        made: str,
        report: Report | None = None,
        stop: Stop | None = None,
    ) -> None:
        self._writer, self._embedder, self._space, self._made = writer, embedder, space, made
        self._report, self._stop = report, stop
        self._done, self._total = 0.0, 0
        self._batch = _Batch()
        self._embedding = ThreadPoolExecutor(1, "embed")
        self._under_way: deque[_Part] = deque()
        self.failed: list[Failed] = []
        self.embedded = 0  # texts, in this run

    def changed(self, corpus_dir: Path, paths: Sequence[Path], all_of_them: bool) -> list[Path]:
        """Those of `paths` that may differ from what the catalog read."""
        if all_of_them:
            return list(paths)
        with self._writer.read():
            return [path for path in paths if not _same(self._writer.file(relative(corpus_dir, path)), path)]

    def files(self, corpus_dir: Path, paths: Sequence[Path]) -> Iterator[int]:
        """Prepare these files; yields the passages read so far whenever a batch is with the embedder.

        Raises `StoppedError` when the user asked to stop; batches that are finished stay prepared.
        """
        self._total = sum(_size(path) for path in paths)
        passages = 0
        for path in paths:
            self._check_stop()
            state = self._read(corpus_dir, path)
            if state is None:
                continue
            document, file = state
            passages += self._version(document)
            self._batch.files.append(file)
            self._batch.size += file.size
            if max(len(self._batch.texts), len(self._batch.files)) >= BATCH:
                self._hand_over()
                yield passages
        self.finish()
        yield passages

    def wanted(self, removed: Sequence[str]) -> None:
        """Prepare what else the final set of files asks for: other metadata, splitter or embedder."""
        self.finish()  # a commit drops what is prepared of files that it does not know
        for version in self._writer.wanted(removed, self._made):
            self._check_stop()
            self._version(Document(self._writer.text(version.document_id), version.metadata))
            if len(self._batch.texts) >= BATCH:
                self._hand_over()
        self.finish()
        self._writer.wanted(removed, self._made)
        for document in self._writer.unembedded(self._space):
            self._check_stop()
            self._batch.texts |= {row.key: text for row, text in self._rows(document)}
            if len(self._batch.texts) >= BATCH:
                self._hand_over()
        self.finish()

    def stopping(self) -> None:
        """From now on finish without asking again; batches that are not finished are left for the next run."""
        self._stop = None
        self._batch = _Batch()
        cut = [part.vectors is not None and part.vectors.cancel() for part in self._under_way]
        for _ in range(cut.index(True) if True in cut else len(cut)):
            self._finish_part()
        self._under_way.clear()

    def finish(self) -> None:
        """Embed and keep all that waits."""
        self._hand_over()
        while self._under_way:
            self._finish_part()

    def close(self) -> None:
        """Let the embedder's thread end; what it has not begun is dropped."""
        self._embedding.shutdown(cancel_futures=True)

    def _hand_over(self) -> None:
        """Give the batch to the embedder, in parts; waits until it has begun the last but one."""
        batch, self._batch = self._batch, _Batch()
        under_way = {key for part in self._under_way for key in part.keys}
        keys = self._writer.missing_vectors(self._space, batch.texts.keys() - under_way)
        keys.sort(key=lambda key: (-len(batch.texts[key]), key))
        for start in range(0, len(keys), KEPT):
            while len(self._under_way) >= AHEAD:
                self._finish_part()
            part = keys[start : start + KEPT]
            vectors = self._embedding.submit(self._embedder.embed, [batch.texts[key] for key in part])
            files = batch.files if start + KEPT >= len(keys) else ()
            self._under_way.append(_Part(part, vectors, files, batch.size * len(part) / len(keys)))
        if batch.files and not keys:
            self._under_way.append(_Part((), None, batch.files, batch.size))

    def _finish_part(self) -> None:
        """Wait for the oldest part; its batch's files are prepared once every vector of theirs is kept."""
        part = self._under_way.popleft()
        if part.vectors:
            self._writer.add_vectors(self._space, part.keys, part.vectors.result())
            self.embedded += len(part.keys)
        if part.files:
            self._writer.prepare_files(part.files)
        self._done += part.size
        self._tell()

    def _read(self, corpus_dir: Path, path: Path) -> tuple[Document, FileState] | None:
        name = relative(corpus_dir, path)
        try:
            _check_place(corpus_dir, path)
            read_ns, facts, data = time.time_ns(), path.stat(), file_bytes(path)
            digest = hashlib.sha256(data).hexdigest()
            document = parse_document(data, path)
        except UserError as error:
            self.failed.append(Failed(visible(name), str(error)))
            return None
        except OSError as error:
            self.failed.append(Failed(visible(name), f"Cannot read {visible(str(path))}: {error.strerror}."))
            return None
        file = FileState(
            name, facts.st_size, facts.st_mtime_ns, read_ns, digest, document.document_id, document.metadata
        )
        before = self._writer.file(name)
        if before and before.sha256 == digest and before.document_id == document.document_id:
            self._writer.touch(file)
            return None
        return document, file

    def _version(self, document: Document) -> int:
        """Prepare a version if the catalog has none like it; returns its passages."""
        if self._writer.has_version(document.document_id, document.metadata, self._made):
            return 0
        language = document.metadata.language or guess_language(document.text)
        rows = self._rows(document)
        self._writer.prepare_document(document, language, self._made, [row for row, _ in rows])
        self._batch.texts |= {row.key: text for row, text in rows}
        return len(rows)

    def _rows(self, document: Document) -> list[tuple[PassageRow, str]]:
        language = document.metadata.language or guess_language(document.text)
        rows = []
        for passage in split(document):
            text = embedding_text(document.metadata, passage)
            title = heading_text(document.metadata, passage)
            row = PassageRow(
                passage,
                hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32],
                " ".join(tokens(title, language)),
                " ".join(tokens(passage.span.text, language)),
            )
            rows.append((row, text))
        return rows

    def _tell(self) -> None:
        if self._report:
            self._report(Progress("Embedding", self._done, self._total, "B"))
        self._check_stop()

    def _check_stop(self) -> None:
        if self._stop and self._stop():
            raise StoppedError


def _check_place(corpus_dir: Path, path: Path) -> None:
    """Raises `UserError` for a name that cannot be stored and for a link by which a stranger's corpus reads ours."""
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UserError(f"{visible(str(path))} has a name that is not UTF-8: rename it.") from error
    if path.is_symlink() and not path.resolve().is_relative_to(corpus_dir.resolve()):
        raise UserError(f"{visible(str(path))} is a link that leads out of the corpus folder: copy the file instead.")


def relative(corpus_dir: Path, path: Path) -> str:
    """The path under the corpus folder, with forward slashes on every system."""
    return path.relative_to(corpus_dir).as_posix()


def _same(known: FileState | None, path: Path) -> bool:
    if known is None:
        return False
    facts = path.stat()
    racy = facts.st_mtime_ns > known.read_ns - _RACY_NS
    return not racy and (known.size, known.mtime_ns) == (facts.st_size, facts.st_mtime_ns)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
