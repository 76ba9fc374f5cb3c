"""Changes the catalog: prepares versions of documents unseen, then makes them live in one transaction.

Only the holder of the writer's lock uses it.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest.catalog_prepared import FileState, PreparedCatalog
from ingest.catalog_schema import (
    FILE_NAME,
    PASSAGE_COLUMNS,
    SCHEMA,
    SCHEMA_VERSION,
    digest_of,
    faults,
    metadata_json,
    stored_metadata,
)
from ingest.document import Document, Metadata, Passage


@dataclass(frozen=True)
class PassageRow:
    """A passage as it is stored: `key` names the text that is embedded, `title` and `body` are tokens."""

    passage: Passage
    key: str
    title: str
    body: str


@dataclass(frozen=True)
class Wanted:
    """A version that the corpus asks for and the catalog does not have."""

    document_id: str
    metadata: Metadata


# Files as they will be after the commit: the prepared ones hide the live ones of the same path.
_FINAL_FILES = """
SELECT path, document_id, metadata FROM files f WHERE live = 0 OR (live = 1
  AND NOT EXISTS (SELECT 1 FROM files s WHERE s.path = f.path AND s.live = 0)
  AND path NOT IN (SELECT path FROM temp.removed))"""
# Of several files with one text, the first path's metadata are the document's.
_WINNERS = f"SELECT document_id, metadata, min(path) FROM ({_FINAL_FILES}) GROUP BY document_id"  # noqa: S608
_TEMP = """
CREATE TEMP TABLE removed (path TEXT PRIMARY KEY);
CREATE TEMP TABLE keep (row INTEGER PRIMARY KEY);
"""


class CatalogWriter(PreparedCatalog):
    """The catalog, open for writing. One thread uses it; `Catalog`'s readers work beside it."""

    @classmethod
    def open(cls, index_dir: Path) -> "CatalogWriter":
        """Open or create the catalog and drop what an interrupted run had prepared.

        Raises `DamagedError` when the file is not a whole catalog of this version.
        """
        path = index_dir / FILE_NAME
        writer = cls(path, f"{path.absolute().as_uri()}?mode=rwc")
        try:
            with faults(path):
                writer._prepare()
        except BaseException:
            writer.close()
            raise
        return writer

    def _prepare(self) -> None:
        connection = self._connection()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA secure_delete = ON")  # a removed document leaves no trace in the file
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            connection.executescript(f"BEGIN;{SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        self._check_version()
        connection.executescript(_TEMP)
        with self.write():
            self._drop("SELECT row FROM documents WHERE live = 0")
            connection.execute("DELETE FROM files WHERE live = 0")

    def close(self) -> None:
        """Fold the log into the file and close."""
        with suppress(sqlite3.Error):
            self._connection().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        super().close()

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it or nothing.

        A kill takes back nothing that was committed. A power cut takes back what came after the last
        `durable` commit, which waits for the disk; what is only prepared need not wait.
        """
        with faults(self.path):
            connection = self._connection()
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def set_meta(self, facts: Mapping[str, object]) -> None:
        """Store facts of the catalog's own."""
        with self.write(durable=True) as connection:
            _set_meta(connection, facts)

    def touch(self, file: FileState) -> None:
        """The file has a new time but the same bytes."""
        with self.write() as connection:
            connection.execute(
                "UPDATE files SET size = ?, mtime_ns = ?, read_ns = ? WHERE path = ? AND live = 1",
                (file.size, file.mtime_ns, file.read_ns, file.path),
            )

    def add_vectors(self, space: int, keys: Sequence[str], vectors: np.ndarray) -> None:
        """Keep vectors at once, though nothing live uses them yet: a killed run need not embed again."""
        rows = [(space, key, *_packed(vector)) for key, vector in zip(keys, vectors, strict=True)]
        with self.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO vectors (space, key, digest, vector) VALUES (?, ?, ?, ?)", rows
            )

    def begin_space(self, space: int, filled_by: str) -> None:
        """Empty a space that nothing live uses, and keep who fills it from now on, before its first vector.

        Vectors are known by space and text alone, so those of two embedders would mix unnoticed.
        """
        with self.write() as connection:
            connection.execute("DELETE FROM vectors WHERE space = ?", (space,))
            _set_meta(connection, {"filling": filled_by})

    def prepare_files(self, files: Sequence[FileState]) -> None:
        """Store files for the next `flip`."""
        with self.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO files (path, live, size, mtime_ns, read_ns, sha256, document_id, "
                "metadata) VALUES (?, 0, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        f.path,
                        f.size,
                        f.mtime_ns,
                        f.read_ns,
                        f.sha256,
                        f.document_id,
                        metadata_json(f.metadata),
                    )
                    for f in files
                ],
            )

    def prepare_document(self, document: Document, language: str, made: str, passages: Sequence[PassageRow]) -> None:
        """Store a version with its passages for the next `flip`."""
        metadata = metadata_json(document.metadata)
        rows = [_passage_values(ordinal, passage) for ordinal, passage in enumerate(passages)]
        with self.write() as connection:
            row = connection.execute(
                "INSERT INTO documents (document_id, live, made, language, digest, characters, passages, "
                "metadata, text) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?)",
                (
                    document.document_id,
                    made,
                    language,
                    digest_of(made, language, metadata, rows),
                    len(document.text),
                    len(rows),
                    metadata,
                    document.text,
                ),
            ).lastrowid
            connection.executemany(
                f"INSERT INTO passages (document, {PASSAGE_COLUMNS}) "  # noqa: S608
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [(row, *values) for values in rows],
            )

    def wanted(self, removed: Iterable[str], made: str) -> list[Wanted]:
        """Fix which files are gone, and tell which versions are still to be prepared before `flip`."""
        with self.write() as connection:
            connection.execute("DELETE FROM temp.removed")
            connection.executemany("INSERT INTO temp.removed VALUES (?)", [(path,) for path in removed])
            connection.execute("DELETE FROM temp.keep")
            connection.execute(
                "INSERT INTO temp.keep SELECT max(d.row) FROM "  # noqa: S608
                f"({_WINNERS}) w JOIN documents d ON d.document_id = w.document_id "
                "AND d.metadata = w.metadata AND d.made = ? GROUP BY d.document_id",
                (made,),
            )
            rows = connection.execute(
                f"SELECT w.document_id, w.metadata FROM ({_WINNERS}) w WHERE w.document_id NOT IN "  # noqa: S608
                "(SELECT document_id FROM documents WHERE row IN (SELECT row FROM temp.keep))"
            ).fetchall()
        return [Wanted(document_id, stored_metadata(metadata)) for document_id, metadata in rows]

    def flip(self, facts: Mapping[str, object]) -> None:
        """The commit: what was prepared becomes live, what it replaces is gone, in one transaction."""
        with self.write(durable=True) as connection:
            connection.execute(
                "DELETE FROM files WHERE live = 1 AND (path IN (SELECT path FROM temp.removed) "
                "OR path IN (SELECT path FROM files WHERE live = 0))"
            )
            connection.execute("UPDATE files SET live = 1 WHERE live = 0")
            dropped = self._drop("SELECT row FROM documents WHERE row NOT IN (SELECT row FROM temp.keep)")
            connection.execute(
                "INSERT INTO lexical (rowid, title, body) SELECT row, title, body FROM passages "
                "WHERE document IN (SELECT row FROM documents WHERE live = 0)"
            )
            if dropped:  # FTS5 only marks words as deleted until it rewrites its index
                connection.execute("INSERT INTO lexical (lexical) VALUES ('optimize')")
            connection.execute("UPDATE documents SET live = 1 WHERE live = 0")
            generation = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
            _set_meta(connection, {**facts, "generation": int(generation[0]) + 1 if generation else 1})

    def forget_vectors(self, space: int) -> None:
        """Drop the vectors that no passage uses, and those of other spaces."""
        with self.write() as connection:
            connection.execute(
                "DELETE FROM vectors WHERE space <> ? OR key NOT IN (SELECT key FROM passages)", (space,)
            )

    def verify(self) -> None:
        """As for readers, and the lexical index too."""
        super().verify()
        with self.write() as connection:
            connection.execute("INSERT INTO lexical (lexical, rank) VALUES ('integrity-check', 1)")

    def _drop(self, rows: str) -> int:
        """Delete versions with their passages, and return how many; `rows` is one of this file's queries."""
        connection = self._connection()
        connection.execute(
            "INSERT INTO lexical (lexical, rowid, title, body) SELECT 'delete', p.row, p.title, p.body "  # noqa: S608
            f"FROM passages p JOIN documents d ON d.row = p.document AND d.live = 1 WHERE d.row IN ({rows})"
        )
        connection.execute(f"DELETE FROM passages WHERE document IN ({rows})")  # noqa: S608
        return connection.execute(f"DELETE FROM documents WHERE row IN ({rows})").rowcount  # noqa: S608


def _passage_values(ordinal: int, row: PassageRow) -> tuple[object, ...]:
    span = row.passage.span
    words = row.title.count(" ") + row.body.count(" ") + 2
    sentences = json.dumps(row.passage.sentences, separators=(",", ":"))
    named = (row.passage.passage_id, row.key, sentences, row.passage.heading, row.title, row.body)
    return (words, ordinal, span.start, span.end, *named)


def _packed(vector: np.ndarray) -> tuple[int, bytes]:
    data = np.ascontiguousarray(vector, np.float32).tobytes()
    return zlib.crc32(data), data


def _set_meta(connection: sqlite3.Connection, facts: Mapping[str, object]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
        [(key, str(value)) for key, value in facts.items()],
    )
