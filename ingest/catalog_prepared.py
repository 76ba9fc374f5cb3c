"""What a writer asks of the catalog: the versions that are prepared, unseen, and what their commit will change.

Changes nothing; `CatalogWriter` does, and keeps in `temp.keep` the rows of the versions to be live
after the commit, in `temp.removed` the paths of files that are gone.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ingest.catalog import Catalog
from ingest.catalog_schema import DamagedError, metadata_json
from ingest.document import Document, Metadata


@dataclass(frozen=True)
class FileState:
    """A corpus file as it was when it was read; `path` is relative to the corpus folder."""

    path: str
    size: int
    mtime_ns: int
    read_ns: int
    sha256: str
    document_id: str
    metadata: Metadata


# Chroma's entries that a commit adds ("new") or takes away ("gone"), and all that it keeps ("wanted"):
# the documents whose passages they are, and the documents of which none may have the same entry.
_KEPT = "row IN (SELECT row FROM temp.keep)"
_ENTRIES = {
    "wanted": (_KEPT, "0"),
    "new": (f"live = 0 AND {_KEPT}", "o.live = 1"),
    "gone": (f"live = 1 AND NOT {_KEPT}", f"o.{_KEPT}"),
}


class PreparedCatalog(Catalog):
    """The catalog, with what is prepared beside what is live. One thread uses it."""

    def file(self, path: str) -> FileState | None:
        """The live corpus file of this path; its metadata are not read.

        None for a path that is not UTF-8: no such file is ever in the catalog.
        """
        if any("\ud800" <= letter <= "\udfff" for letter in path):
            return None
        with self.read() as connection:
            row = connection.execute(
                "SELECT size, mtime_ns, read_ns, sha256, document_id FROM files WHERE path = ? AND live = 1", (path,)
            ).fetchone()
        if row is None:
            return None
        size, mtime_ns, read_ns, sha256, document_id = row
        return FileState(path, size, mtime_ns, read_ns, sha256, document_id, Metadata(""))

    def paths(self) -> list[str]:
        """The paths of the live corpus files."""
        with self.read() as connection:
            return [row[0] for row in connection.execute("SELECT path FROM files WHERE live = 1")]

    def origins(self, paths: Iterable[str] | None = None) -> set[str]:
        """The origins that the live corpus files name, or those of these `paths`."""
        chosen = None if paths is None else json.dumps(list(paths))
        with self.read() as connection:
            rows = connection.execute(
                "SELECT json_extract(metadata, '$.origin') FROM files WHERE live = 1 "
                "AND (?1 IS NULL OR path IN (SELECT value FROM json_each(?1)))",
                (chosen,),
            )
            return {row[0] for row in rows if row[0]}

    def size(self) -> tuple[int, int]:
        """How many documents and passages are live."""
        with self.read() as connection:
            row = connection.execute("SELECT count(*), coalesce(sum(passages), 0) FROM documents WHERE live = 1")
            documents, passages = row.fetchone()
        return documents, passages

    def has_version(self, document_id: str, metadata: Metadata, made: str) -> bool:
        """Whether this version is live or prepared."""
        with self.read() as connection:
            row = connection.execute(
                "SELECT 1 FROM documents WHERE document_id = ? AND metadata = ? AND made = ?",
                (document_id, metadata_json(metadata), made),
            ).fetchone()
        return row is not None

    def missing_vectors(self, space: int, keys: Iterable[str]) -> list[str]:
        """Those of `keys` without a vector in this space."""
        wanted = list(dict.fromkeys(keys))
        with self.read() as connection:
            rows = connection.execute(
                "SELECT key FROM vectors WHERE space = ? AND key IN (SELECT value FROM json_each(?))",
                (space, json.dumps(wanted)),
            ).fetchall()
        known = {row[0] for row in rows}
        return [key for key in wanted if key not in known]

    def text(self, document_id: str) -> str:
        """The text of any version of a document, live or prepared."""
        with self.read() as connection:
            row = connection.execute("SELECT text FROM documents WHERE document_id = ?", (document_id,)).fetchone()
        if Document(row[0], Metadata("")).document_id != document_id:
            raise DamagedError(f"The stored text of document {document_id[:12]} is damaged.")
        return str(row[0])

    def turnover(self) -> tuple[int, int]:
        """How many documents come and how many go with `flip`; a document in another version is the same."""
        live, kept = (f"SELECT document_id FROM documents WHERE {rows}" for rows in ("live = 1", _KEPT))  # noqa: S608
        with self.read() as connection:
            come = connection.execute(f"SELECT count(*) FROM ({kept} EXCEPT {live})").fetchone()[0]  # noqa: S608
            go = connection.execute(f"SELECT count(*) FROM ({live} EXCEPT {kept})").fetchone()[0]  # noqa: S608
        return come, go

    def kept_passages(self) -> int:
        """How many passages there will be after `flip`."""
        with self.read() as connection:
            row = connection.execute(f"SELECT coalesce(sum(passages), 0) FROM documents WHERE {_KEPT}")  # noqa: S608
            return int(row.fetchone()[0])

    def entries(self, which: str) -> Iterator[tuple[str, str]]:
        """(vector id, key) of the passages that `flip` keeps ("wanted"), of these the "new" ones, or the "gone" ones.

        A vector id names document, passage and embedded text, so an id never changes its vector.
        One document at a time is in memory.
        """
        chosen, others = _ENTRIES[which]
        with self.read() as connection:
            documents = connection.execute(
                f"SELECT row, substr(document_id, 1, 16) FROM documents WHERE {chosen}"  # noqa: S608
            ).fetchall()
        for row, document in documents:
            with self.read() as connection:
                passages = connection.execute(
                    "SELECT passage_id, key FROM passages p WHERE document = ? AND NOT EXISTS ("  # noqa: S608
                    "SELECT 1 FROM passages q JOIN documents o ON o.row = q.document "
                    f"WHERE q.passage_id = p.passage_id AND q.key = p.key AND {others}) ORDER BY ordinal",
                    (row,),
                ).fetchall()
            for passage, key in passages:
                yield f"{document}-{passage}-{key[:16]}", key

    def vectors_of(self, space: int, keys: Sequence[str]) -> np.ndarray:
        """The vectors of these keys, in their order. Raises `DamagedError` when one is not intact."""
        with self.read() as connection:
            rows = connection.execute(
                "SELECT key, digest, vector FROM vectors WHERE space = ? AND key IN (SELECT value FROM json_each(?))",
                (space, json.dumps(list(keys))),
            ).fetchall()
        found = {key: vector for key, digest, vector in rows if zlib.crc32(vector) == digest}
        if len(found) < len(set(keys)):
            raise DamagedError("Vectors of the index are damaged: run `python -m ingest sync`.")
        return np.stack([np.frombuffer(found[key], np.float32) for key in keys])

    def unembedded(self, space: int) -> Iterator[Document]:
        """Each wanted version that has passages without a vector in `space`."""
        last: int | None = -1
        while True:
            with self.read() as connection:
                last = connection.execute(
                    "SELECT min(p.document) FROM passages p WHERE p.document > ? "
                    "AND p.document IN (SELECT row FROM temp.keep) AND NOT EXISTS "
                    "(SELECT 1 FROM vectors v WHERE v.space = ? AND v.key = p.key)",
                    (last, space),
                ).fetchone()[0]
                if last is None:
                    return
                document = self._document(connection, last)
            yield document

    def prepared(self) -> bool:
        """Whether `flip` would change any file or document."""
        with self.read() as connection:
            changes = connection.execute(
                "SELECT EXISTS (SELECT 1 FROM files WHERE live = 0) OR EXISTS (SELECT 1 FROM temp.removed) "
                "OR EXISTS (SELECT 1 FROM documents WHERE live = 0 OR row NOT IN (SELECT row FROM temp.keep))"
            ).fetchone()
        return bool(changes[0])
