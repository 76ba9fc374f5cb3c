"""The shape of the catalog's file: tables, the form of stored metadata, digests, SQLite's errors."""

import json
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from ingest import UserError
from ingest.document import Document, Metadata

FILE_NAME = "catalog.sqlite"
SCHEMA_VERSION = 1
PASSAGE_COLUMNS = "words, ordinal, start, end, passage_id, key, sentences, heading, title, body"

# A row of `documents` is a version: one text with one set of metadata, split by one splitter.
# Rows with live = 0 are being prepared, and no reader sees them; `flip` makes them live.
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
  row INTEGER PRIMARY KEY AUTOINCREMENT, document_id TEXT NOT NULL, live INTEGER NOT NULL, made TEXT NOT NULL,
  language TEXT NOT NULL, digest INTEGER NOT NULL, characters INTEGER NOT NULL,
  passages INTEGER NOT NULL, metadata TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX documents_id ON documents (document_id, live);
CREATE TABLE files (
  path TEXT NOT NULL, live INTEGER NOT NULL, document_id TEXT NOT NULL, size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL, read_ns INTEGER NOT NULL, sha256 TEXT NOT NULL, metadata TEXT NOT NULL,
  PRIMARY KEY (path, live)) WITHOUT ROWID;
CREATE TABLE passages (
  row INTEGER PRIMARY KEY, document INTEGER NOT NULL REFERENCES documents (row),
  words INTEGER NOT NULL, ordinal INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
  passage_id TEXT NOT NULL, key TEXT NOT NULL, sentences TEXT NOT NULL, heading TEXT NOT NULL,
  title TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX passages_id ON passages (passage_id);
CREATE INDEX passages_document ON passages (document, ordinal);
CREATE INDEX passages_key ON passages (key);
CREATE TABLE vectors (
  space INTEGER NOT NULL, key TEXT NOT NULL, digest INTEGER NOT NULL, vector BLOB NOT NULL,
  PRIMARY KEY (space, key));
CREATE VIRTUAL TABLE lexical USING fts5 (
  title, body, content='passages', content_rowid='row', tokenize="ascii tokenchars '.'");
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (lexical, 'row');
"""


class DamagedError(UserError):
    """The catalog cannot be read as what it should be; the next sync rebuilds it from the corpus."""


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into `UserError`s that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error).lower()
        if "full" in text:
            raise UserError(f"The disk of {path.parent} is full: free space, then run it again.") from error
        if "readonly" in text or "unable to open" in text or "read-only" in text:
            raise UserError(
                f"Cannot open {path} for this ({error}): make {path.parent} readable and writable, "
                "or set INDEX_DIR to another folder."
            ) from error
        if "locked" in text or "busy" in text:
            raise UserError(f"{path} is in use by another process: try again.") from error
        if "disk i/o" in text:
            raise UserError(f"The disk failed at {path} ({error}): check its space and health.") from error
        raise DamagedError(
            f"The index file {path} is damaged ({error}): run `python -m ingest sync`, which rebuilds it."
        ) from error


def metadata_json(metadata: Metadata) -> str:
    """Metadata as it is stored: equal metadata give equal text."""
    told = {key: value for key, value in asdict(metadata).items() if value not in (None, ())}
    return json.dumps(told, ensure_ascii=False, sort_keys=True)


def stored_metadata(stored: str) -> Metadata:
    """What `metadata_json` stored."""
    told = json.loads(stored)
    return Metadata(**{**told, "pages": tuple(told.get("pages", ()))})


def digest_of(made: str, language: str, metadata: str, rows: Sequence[Sequence[object]]) -> int:
    """The checksum of a version: everything stored of it but the text, which its id is the hash of."""
    whole = json.dumps([made, language, metadata, [list(row) for row in rows]])
    return zlib.crc32(whole.encode())


def verify(connection: sqlite3.Connection) -> None:
    """Read everything and hold it against its checksums; raises `DamagedError` at the first fault."""
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise DamagedError(f"The catalog is damaged: {verdict}")
    for row, *stored in connection.execute(
        "SELECT row, document_id, made, language, metadata, digest, text FROM documents WHERE live = 1"
    ):
        _verify_document(connection, row, stored)
    for key, digest, vector in connection.execute("SELECT key, digest, vector FROM vectors"):
        if zlib.crc32(vector) != digest:
            raise DamagedError(f"The stored vector {key} is damaged.")


def _verify_document(connection: sqlite3.Connection, row: int, stored: Sequence[object]) -> None:
    document_id, made, language, metadata, digest, text = stored
    rows = connection.execute(
        f"SELECT {PASSAGE_COLUMNS} FROM passages WHERE document = ? ORDER BY ordinal",  # noqa: S608
        (row,),
    ).fetchall()
    whole = Document(str(text), Metadata("")).document_id == document_id
    if not whole or digest_of(str(made), str(language), str(metadata), rows) != digest:
        raise DamagedError(f"What is stored of document {document_id} is damaged.")
