"""The product's embedder, keeping every vector in .cache/bench, so that a bench run again need not embed again.

Vectors are those of the embedder, to the bit. Not for anything whose time is measured.
"""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench.report import CACHE
from ingest.embed import LocalEmbedder
from ingest.embed_endpoint import OnDone

_ASKED = 500  # keys of one query


class Remembering(LocalEmbedder):
    """The embedder in this process, with a memory on disk. Several processes may use one file."""

    def __init__(self, path: Path = CACHE / "vectors.sqlite3") -> None:
        super().__init__()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        """See `Embedder`."""
        keys = [
            hashlib.sha256(f"{self.fingerprint}\n{text}".encode("utf-8", "surrogatepass")).digest() for text in texts
        ]
        known = self._known(list(dict.fromkeys(keys)))
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        for start in range(0, len(new), _ASKED):
            part = list(new.items())[start : start + _ASKED]
            vectors = super().embed([text for _, text in part])
            known |= dict(zip([key for key, _ in part], vectors, strict=True))
            rows = [(key, known[key].tobytes()) for key, _ in part]
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
            self._connection.execute("COMMIT")
        if on_done:
            on_done(len(texts))
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, self.dimension), np.float32)

    def _known(self, keys: list[bytes]) -> dict[bytes, np.ndarray]:
        found: dict[bytes, np.ndarray] = {}
        for start in range(0, len(keys), _ASKED):
            part = keys[start : start + _ASKED]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", part)
            found |= {key: np.frombuffer(vector, np.float32) for key, vector in rows}
        return found
