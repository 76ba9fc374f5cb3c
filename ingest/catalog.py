"""What readers ask of the catalog: documents, passages, vectors, and the lexical search.

`CatalogWriter` changes it. Knows nothing of Chroma, embedders or files of the corpus.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest import UserError
from ingest.catalog_file import CatalogFile
from ingest.catalog_schema import DamagedError, stored_metadata, verify
from ingest.document import Document, Metadata, Passage
from ingest.lexical import TITLE_WEIGHT, Collection, bm25, query_tokens

MAX_QUERY_TOKENS = 64  # of a long query, the rarest tokens
_CANDIDATES = 200  # passages that SQLite ranks first, for our own BM25 to score
_MATCHES = 15_000  # passages, about, that rare words may find for it to rank: each takes some microseconds
_RANKING = 16  # tokens, the rarest, that it ranks by
_CACHED_DOCUMENTS = 64

_LEXICAL = """
SELECT passage_id, title, body FROM passages WHERE row IN (
  SELECT rowid FROM lexical WHERE lexical MATCH :match
  ORDER BY bm25(lexical, :weight, 1.0) LIMIT :limit)"""
_LEXICAL_CHOSEN = """
SELECT passage_id, title, body FROM passages WHERE row IN (
  SELECT rowid FROM lexical WHERE lexical MATCH :match AND rowid IN (
    SELECT p.row FROM passages p JOIN documents d ON d.row = p.document
    WHERE d.document_id IN (SELECT value FROM json_each(:chosen)))
  ORDER BY bm25(lexical, :weight, 1.0) LIMIT :limit)"""


@dataclass(frozen=True)
class DocumentRow:
    """One stored document, for lists. `paths` are relative to the corpus folder, sorted."""

    document_id: str
    metadata: Metadata
    paths: tuple[str, ...]
    origins: tuple[str, ...]
    characters: int
    passages: int


class Catalog(CatalogFile):
    """The catalog, open for reading; safe to use from several threads."""

    def __init__(self, path: Path, uri: str) -> None:
        super().__init__(path, uri)
        self._documents: dict[int, Document] = {}
        self._statistics: tuple[int, int, float, tuple[str, ...]] | None = None

    def documents(self) -> list[DocumentRow]:
        """Every document, sorted by title."""
        with self.read() as connection:
            files: dict[str, list[tuple[str, str | None]]] = {}
            query = "SELECT document_id, path, metadata FROM files WHERE live = 1 ORDER BY path"
            for document_id, path, metadata in connection.execute(query):
                files.setdefault(document_id, []).append((path, json.loads(metadata).get("origin")))
            rows = connection.execute(
                "SELECT document_id, metadata, characters, passages FROM documents WHERE live = 1"
            ).fetchall()
        found = []
        for document_id, metadata, characters, passages in rows:
            paths = tuple(path for path, _ in files.get(document_id, []))
            origins = tuple(dict.fromkeys(origin for _, origin in files.get(document_id, []) if origin))
            found.append(DocumentRow(document_id, stored_metadata(metadata), paths, origins, characters, passages))
        return sorted(found, key=lambda row: (row.metadata.title.casefold(), row.document_id))

    def document(self, document_id: str) -> Document:
        """The document of this id, or of a unique start of it of at least 8 characters."""
        exact = len(document_id) == 64
        if not exact and (len(document_id) < 8 or not document_id.isalnum()):
            raise UserError(f"{document_id!r} is no document id: `python -m ingest list` shows them.")
        with self.read() as connection:
            rows = connection.execute(
                "SELECT row FROM documents WHERE live = 1 AND document_id >= ? AND document_id < ? LIMIT 2",
                (document_id, document_id + "g"),  # ids are hexadecimal: "g" comes after them all
            ).fetchall()
            if not rows:
                raise UserError(f"No document {document_id}: `python -m ingest list` shows them.")
            if len(rows) > 1:
                raise UserError(f"Several documents begin with {document_id}: give more of the id.")
            return self._document(connection, rows[0][0])

    def passages(self, ids: Sequence[str]) -> dict[str, tuple[Passage, Metadata]]:
        """The passages of these ids that the index holds now; others are left out."""
        with self.read() as connection:
            rows = connection.execute(
                "SELECT p.passage_id, p.document, p.start, p.end, p.sentences, p.heading FROM passages p "
                "JOIN documents d ON d.row = p.document AND d.live = 1 "
                "WHERE p.passage_id IN (SELECT value FROM json_each(?))",
                (json.dumps(list(ids)),),
            ).fetchall()
            found = {}
            for passage_id, row, start, end, sentences, heading in rows:
                document = self._document(connection, row)
                spans = tuple((int(a), int(b)) for a, b in json.loads(sentences))
                found[passage_id] = (Passage(document.span(start, end), spans, heading), document.metadata)
        return found

    def passage_ids(self, document_ids: Sequence[str] | None = None) -> list[str]:
        """The ids of all passages, or of those of these documents, in the order of the text."""
        with self.read() as connection:
            rows = connection.execute(
                "SELECT p.passage_id FROM documents d JOIN passages p ON p.document = d.row "
                "WHERE d.live = 1 AND (?1 IS NULL OR d.document_id IN (SELECT value FROM json_each(?1))) "
                "ORDER BY d.row, p.ordinal",
                (None if document_ids is None else json.dumps(list(document_ids)),),
            ).fetchall()
        return [row[0] for row in rows]

    def held(self, ids: Sequence[str]) -> set[str]:
        """Those of these passage ids that the index holds now."""
        with self.read() as connection:
            rows = connection.execute(
                "SELECT p.passage_id FROM passages p JOIN documents d ON d.row = p.document AND d.live = 1 "
                "WHERE p.passage_id IN (SELECT value FROM json_each(?))",
                (json.dumps(list(ids)),),
            ).fetchall()
        return {row[0] for row in rows}

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """The vectors (float32, unit length) of these passages; unknown ids are left out."""
        with self.read() as connection:
            rows = connection.execute(
                # CROSS JOIN keeps this order; SQLite's own choice begins with every vector of the space.
                "SELECT p.passage_id, v.vector FROM passages p "
                "CROSS JOIN documents d ON d.row = p.document AND d.live = 1 "
                "CROSS JOIN vectors v ON v.key = p.key "
                "AND v.space = (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'space') "
                "WHERE p.passage_id IN (SELECT value FROM json_each(?))",
                (json.dumps(list(ids)),),
            ).fetchall()
        return {passage_id: np.frombuffer(vector, np.float32) for passage_id, vector in rows}

    def lexical(self, query: str, k: int, document_ids: Sequence[str] | None = None) -> list[tuple[str, float]]:
        """The `k` passages of the highest BM25 score (> 0), best first, as (passage id, score).

        SQLite finds and ranks the candidates; the scores are our own BM25, since SQLite's counts a
        word that is in more than half of the passages as nothing, which ruins small corpora.
        """
        with self.read() as connection:
            tokens, collection = self._query(connection, query)
            if not tokens or k < 1:
                return []
            rows = connection.execute(
                _LEXICAL if document_ids is None else _LEXICAL_CHOSEN,
                {
                    "match": _match(tokens, collection),
                    "chosen": json.dumps(list(document_ids or ())),
                    "weight": TITLE_WEIGHT,
                    "limit": max(_CANDIDATES, 4 * k),
                },
            ).fetchall()
        return _scored(rows, tokens, collection)[:k]

    def lexical_scores(self, query: str, passage_ids: Sequence[str]) -> dict[str, float]:
        """The BM25 score (>= 0) of each of these passages for the query."""
        with self.read() as connection:
            tokens, collection = self._query(connection, query)
            rows = connection.execute(
                "SELECT p.passage_id, p.title, p.body FROM passages p "
                "JOIN documents d ON d.row = p.document AND d.live = 1 "
                "WHERE p.passage_id IN (SELECT value FROM json_each(?))",
                (json.dumps(list(passage_ids)),),
            ).fetchall()
        return dict(_scored(rows, tokens, collection))

    def query_tokens(self, query: str) -> list[str]:
        """The tokens that `lexical` searches for, in the languages of the index."""
        with self.read() as connection:
            return query_tokens(query, self._counts(connection)[3])

    def collection(self, tokens: Sequence[str]) -> Collection:
        """BM25's facts of the index for these tokens: passages, mean length, frequencies, idf."""
        with self.read() as connection:
            return self._collection(connection, tokens)

    def document_frequency(self, tokens: Sequence[str]) -> dict[str, int]:
        """In how many passages each of these tokens (see `query_tokens`) occurs."""
        return dict(self.collection(tokens).document_frequency)

    def verify(self) -> None:
        """Hold everything stored against its checksums; raises `DamagedError` at the first fault."""
        with self.read() as connection:
            verify(connection)

    def _document(self, connection: sqlite3.Connection, row: int) -> Document:
        """The document of a version row. A row never changes its text, so it can be cached."""
        document = self._documents.get(row)
        if document is not None:
            return document
        text, metadata, document_id = connection.execute(
            "SELECT text, metadata, document_id FROM documents WHERE row = ?", (row,)
        ).fetchone()
        document = Document(text, stored_metadata(metadata))
        if document.document_id != document_id:
            raise DamagedError(
                f"The stored text of document {document_id[:12]} is damaged: run `python -m ingest sync`."
            )
        with self._lock:
            if len(self._documents) >= _CACHED_DOCUMENTS:
                self._documents.clear()
            self._documents[row] = document
        return document

    def _counts(self, connection: sqlite3.Connection) -> tuple[int, int, float, tuple[str, ...]]:
        """(generation, passages, mean length in tokens, languages), counted once a generation."""
        row = connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
        generation = int(row[0]) if row else 0
        if self._statistics and self._statistics[0] == generation:
            return self._statistics
        passages, words = connection.execute(
            "SELECT count(*), coalesce(sum(p.words), 0) FROM passages p "
            "JOIN documents d ON d.row = p.document AND d.live = 1"
        ).fetchone()
        tags = connection.execute(
            "SELECT language FROM documents WHERE live = 1 GROUP BY language ORDER BY count(*) DESC"
        ).fetchall()
        # Regions and scripts share words and stemmer: en-US and en-GB are one language.
        languages = tuple(dict.fromkeys(tag.split("-")[0].lower() for (tag,) in tags))
        counts = (generation, passages, words / max(1, passages), languages)
        self._statistics = counts
        return counts

    def _collection(self, connection: sqlite3.Connection, tokens: Sequence[str]) -> Collection:
        _, passages, mean, _ = self._counts(connection)
        rows = connection.execute(
            "SELECT term, doc FROM vocabulary WHERE term IN (SELECT value FROM json_each(?))",
            (json.dumps(list(tokens)),),
        )
        return Collection(passages, mean, dict(rows.fetchall()))

    def _query(self, connection: sqlite3.Connection, query: str) -> tuple[list[str], Collection]:
        tokens = query_tokens(query, self._counts(connection)[3])
        collection = self._collection(connection, tokens)
        known = [token for token in tokens if collection.document_frequency.get(token)]
        rarest = sorted(known, key=lambda token: collection.document_frequency[token])
        return rarest[:MAX_QUERY_TOKENS], collection


def _match(tokens: Sequence[str], collection: Collection) -> str:
    """SQLite's query for the candidates, `tokens` being rarest first.

    Rare tokens find them, and so do the next two where they meet; the common ones find none by
    themselves, but rank what is found: without them the many passages of one rare word would be
    ranked by that word alone, and those that hold the others too be lost among them.
    """
    selective = _selective(tokens, collection)
    rest = tokens[len(selective) :]
    if not rest:
        return _any(selective)
    pair = f" OR {_all(rest[:2])}" if len(rest) > 1 else ""
    return f"({_any(selective)}{pair}) AND ({_any(tokens[: max(_RANKING, len(selective))])})"


def _any(tokens: Sequence[str]) -> str:
    return " OR ".join(f'"{token}"' for token in tokens)


def _all(tokens: Sequence[str]) -> str:
    return "(" + " AND ".join(f'"{token}"' for token in tokens) + ")"


def _selective(tokens: Sequence[str], collection: Collection) -> list[str]:
    """Of tokens, rarest first, those that find candidates by themselves."""
    chosen, matches = list[str](), 0
    for token in tokens:
        matches += collection.document_frequency[token]
        if matches > _MATCHES and matches - collection.document_frequency[token] >= _CANDIDATES:
            break
        chosen.append(token)
    return chosen


def _scored(
    rows: Sequence[tuple[str, str, str]], tokens: Sequence[str], collection: Collection
) -> list[tuple[str, float]]:
    scores = [(row[0], bm25(tokens, row[1].split(), row[2].split(), collection)) for row in rows]
    return sorted(scores, key=lambda pair: (-pair[1], pair[0]))
