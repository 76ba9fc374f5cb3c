"""Corpus files -> versions in the catalog, unseen by readers, with every vector they need.

Works in bounded batches, so memory does not grow with the number of documents; what is embedded is
kept at once, so a killed run need not embed it again. Knows nothing of Chroma.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest import UserError
from ingest.catalog_writer import CatalogWriter, FileState, PassageRow
from ingest.clean import visible
from ingest.corpus import file_bytes, parse_document
from ingest.document import Document
from ingest.embed import Embedder
from ingest.lexical import guess_language, tokens
from ingest.progress import Progress, Report, Stop, StoppedError
from ingest.split import embedding_text, heading_text, split

BATCH = 512  # passages that are embedded together, of several documents, sorted by length
KEPT = 64  # of these, so many are embedded and kept at a time: what a kill or a stop loses at most
_RACY_NS = 2_000_000_000  # a file written so shortly before it was read may change unseen


@dataclass(frozen=True)
class Failed:
    """A corpus file that cannot be read as a document; what the index had of it stays."""

    path: str
    reason: str


@dataclass
class _Waiting:
    """Texts to embed, by key."""

    texts: dict[str, str] = field(default_factory=dict)
    size: int = 0  # bytes of the corpus files they came from


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
        self._done, self._total = 0, 0
        self._waiting = _Waiting()
        self.failed: list[Failed] = []
        self.embedded = 0  # texts, in this run

    def changed(self, corpus_dir: Path, paths: Sequence[Path], all_of_them: bool) -> list[Path]:
        """Those of `paths` that may differ from what the catalog read."""
        if all_of_them:
            return list(paths)
        known = self._writer.files()
        return [path for path in paths if not _same(known.get(relative(corpus_dir, path)), path)]

    def files(self, corpus_dir: Path, paths: Sequence[Path]) -> Iterator[int]:
        """Prepare these files; yields the passages prepared so far whenever a batch is finished.

        Raises `StoppedError` between batches when the user asked to stop; what is finished stays
        prepared.
        """
        self._total = sum(_size(path) for path in paths)
        known = self._writer.files()
        passages, batch = 0, list[FileState]()
        for path in paths:
            self._check_stop()
            state = self._read(corpus_dir, path, known)
            if state is None:
                continue
            document, file = state
            passages += self._version(document)
            batch.append(file)
            self._waiting.size += file.size
            if len(self._waiting.texts) >= BATCH:
                self.embed()
                self._writer.prepare_files(batch)
                batch.clear()
                yield passages
        self.embed()
        self._writer.prepare_files(batch)
        yield passages

    def wanted(self, removed: Sequence[str]) -> None:
        """Prepare what else the final set of files asks for: other metadata, splitter or embedder."""
        for version in self._writer.wanted(removed, self._made):
            self._check_stop()
            self._version(Document(self._writer.text(version.document_id), version.metadata))
            if len(self._waiting.texts) >= BATCH:
                self.embed()
        self.embed()
        self._writer.wanted(removed, self._made)
        for document in self._writer.unembedded(self._space):
            self._check_stop()
            self._waiting.texts |= {row.key: text for row, text in self._rows(document)}
            if len(self._waiting.texts) >= BATCH:
                self.embed()
        self.embed()

    def stopping(self) -> None:
        """From now on finish without asking again; what waits belongs to files that are left for the next run."""
        self._stop = None
        self._waiting = _Waiting()

    def embed(self) -> None:
        """Embed what waits, and keep the vectors."""
        keys = self._writer.missing_vectors(self._space, self._waiting.texts)
        size, self._waiting.size = self._waiting.size, 0
        keys.sort(key=lambda key: -len(self._waiting.texts[key]))
        for start in range(0, len(keys), KEPT):
            part = keys[start : start + KEPT]
            vectors = self._embedder.embed([self._waiting.texts[key] for key in part])
            self._writer.add_vectors(self._space, part, vectors)
            self.embedded += len(part)
            self._tell(size * (start + len(part)) / len(keys))
        self._waiting.texts.clear()
        self._done += size
        self._tell(0)

    def _read(self, corpus_dir: Path, path: Path, known: dict[str, FileState]) -> tuple[Document, FileState] | None:
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
        before = known.get(name)
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
        self._waiting.texts |= {row.key: text for row, text in rows}
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

    def _tell(self, part: float) -> None:
        if self._report:
            self._report(Progress("Embedding", self._done + part, self._total, "B"))
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
