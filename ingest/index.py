"""The only Chroma: nearest passages by vector. Rebuildable from the catalog; takes vectors, never texts.

An entry's id names document, passage and embedded text (`PreparedCatalog.entries`), so an id never
changes its vector and an outdated entry is known by its id.
"""

import hashlib
import os
import struct
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from ingest import UserError
from ingest.address import shown
from ingest.settings import Settings

if TYPE_CHECKING:
    from chromadb.api.models.Collection import Collection

# Measured on 10,000 vectors of 384: `make bench` prints recall of the true ten nearest.
HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 24, "ef_search": 200}
COLLECTION = "passages"
_BATCH = 1000  # entries of one call
_APART = 1e-3  # how far vectors are moved, so that no two are equal: a similarity changes by some 0.00005
_SAME = 0.999  # cosine similarity of a vector to itself, as float32 goes
_FETCH_MORE = 8  # times k, where hits of other documents are cut off afterwards


_HNSW_HEADER = struct.Struct("<i4Q")  # version, offset, elements that fit, elements there, bytes of one


class IndexFailedError(UserError):
    """Chroma could not do what it was asked."""


class VectorIndex:
    """One Chroma collection, open. Safe to search from several threads."""

    def __init__(self, client: Any, name: str, create: bool) -> None:
        """Open the collection `name` of a client, which is closed with this object."""
        self.close = weakref.finalize(self, client.close)
        self._collection: Collection
        if create:
            self._collection = client.get_or_create_collection(
                name, embedding_function=None, configuration={"hnsw": HNSW}
            )
        else:
            self._collection = client.get_collection(name, embedding_function=None)

    @classmethod
    def in_folder(cls, folder: Path, create: bool = False) -> "VectorIndex":
        """The index of a build's folder, which no other process may have open."""
        import chromadb

        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _faults(str(folder)):
            client = chromadb.PersistentClient(str(folder), settings=_chroma_settings())
            return cls(client, COLLECTION, create)

    @classmethod
    def on_server(cls, settings: Settings, name: str, create: bool = False) -> "VectorIndex":
        """The collection `name` of the server at CHROMA_URL. Raises `UserError` when it does not answer."""
        import chromadb

        url = urlsplit(settings.chroma_url or "")
        token = settings.chroma_token
        headers = {"Authorization": f"Bearer {token}", "X-Chroma-Token": token} if token else {}
        tls = url.scheme == "https"
        with _faults(f"{shown(settings.chroma_url or '')} (CHROMA_URL)"):
            client = chromadb.HttpClient(
                host=url.hostname or "localhost",
                port=url.port or (443 if tls else 8000),
                ssl=tls,
                headers=headers,
                settings=_chroma_settings(),
            )
            return cls(client, name, create)

    def count(self) -> int:
        """Entries."""
        with _faults():
            return self._collection.count()

    def ids(self) -> set[str]:
        """The id of every entry."""
        found: set[str] = set()
        with _faults():
            while page := self._collection.get(limit=10 * _BATCH, offset=len(found), include=[])["ids"]:
                found |= set(page)
        return found

    def add(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Add entries, or set those that are there."""
        for start in range(0, len(ids), _BATCH):
            part = slice(start, start + _BATCH)
            with _faults():
                self._collection.upsert(list(ids[part]), embeddings=_apart(ids[part], vectors[part]))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove entries; unknown ids are ignored."""
        for start in range(0, len(ids), _BATCH):
            with _faults():
                self._collection.delete(ids=list(ids[start : start + _BATCH]))

    def not_found(self, ids: Sequence[str], vectors: np.ndarray) -> list[str]:
        """Those of `ids` that a search with their own vector does not find."""
        missing: list[str] = []
        for start in range(0, len(ids), _BATCH):
            part = slice(start, start + _BATCH)
            hits, scores = self._query(vectors[part], 3)
            for wanted, found, score in zip(ids[part], hits, scores, strict=True):
                # Equal texts have equal vectors: finding a twin is as good.
                if wanted not in found and not (score and score[-1] >= _SAME):
                    missing.append(wanted)
        return missing

    def search(self, vector: np.ndarray, k: int, document_ids: Sequence[str] | None = None) -> list[tuple[str, float]]:
        """The `k` nearest passages as (passage id, cosine similarity), best first.

        With `document_ids`, those of other documents are cut off from a longer list, so fewer than
        `k` may come back: Chroma's own filters cost far more (80 to 660 ms at 100,000 passages).
        """
        wanted = k if document_ids is None else k * _FETCH_MORE
        chosen = None if document_ids is None else {document_id[:16] for document_id in document_ids}
        hits, scores = self._query(vector[None], wanted)
        best: dict[str, float] = {}
        for entry, score in zip(hits[0], scores[0], strict=True):
            document, passage, _ = entry.split("-")
            if chosen is None or document in chosen:
                best.setdefault(passage, score)
        return list(best.items())[:k]

    def _query(self, vectors: np.ndarray, k: int) -> tuple[list[list[str]], list[list[float]]]:
        with _faults():
            reply: Any = self._collection.query(query_embeddings=vectors, n_results=max(1, k), include=["distances"])
        scores = [[1.0 - distance for distance in row] for row in reply["distances"]]
        return reply["ids"], scores


def _apart(ids: Sequence[str], vectors: np.ndarray) -> np.ndarray:
    """The vectors, each moved by a hair that its id chooses.

    HNSW links hundreds of equal vectors with each other alone and then finds none of the others; those that are
    nearly equal do it no harm.
    """
    size = vectors.shape[1]
    hairs: np.ndarray = np.stack(
        [np.frombuffer(hashlib.shake_128(entry.encode()).digest(size), np.int8) for entry in ids]
    )
    length = 128 * (size / 3) ** 0.5  # of such a row, on average
    moved: np.ndarray = (vectors + _APART / length * hairs).astype(np.float32)
    return moved


def blank_unused(folder: Path) -> None:
    """Blank the unused room in the files of an index that is closed.

    Chroma 1.5.9 writes it as it was in memory, with whatever this process had there before: texts
    that were removed since, or keys. Files of another shape are left as they are.
    """
    for header in folder.rglob("header.bin"):
        start = header.read_bytes()[: _HNSW_HEADER.size]
        if len(start) < _HNSW_HEADER.size:
            continue
        _, _, room, elements, size = _HNSW_HEADER.unpack(start)
        for path, each in ((header.with_name("data_level0.bin"), size), (header.with_name("length.bin"), 4)):
            if elements <= room and path.exists() and path.stat().st_size == room * each:
                os.truncate(path, elements * each)
                os.truncate(path, room * each)  # what a file grows by is zeros


def _chroma_settings() -> Any:
    from chromadb.config import Settings as ChromaSettings

    return ChromaSettings(anonymized_telemetry=False, allow_reset=False)


@contextmanager
def _faults(where: str = "") -> Iterator[None]:
    """Turn Chroma's errors, of many kinds, into one line that says what to do."""
    try:
        yield
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        if "full" in reason or "No space" in reason:
            raise UserError(f"The disk is full ({reason}): free space, then run it again.") from error
        mend = "run `python -m ingest sync`; if it stays so, with --rebuild"
        if "Could not connect" in reason or "refused" in reason:  # only a server can
            mend = "start the Chroma server, or mend or unset CHROMA_URL"
        place = f" {where}" if where else ""
        raise IndexFailedError(f"The vector index{place} failed ({reason}): {mend}.") from error
