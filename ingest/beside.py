"""Vectors beside the graph: the few that HNSW does not reach are compared one by one.

Of 425,000 vectors one was never found by itself, however often it was linked anew. They are kept in a file
of the build, so that they are sealed and copied with it. Knows nothing of Chroma.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

FILE_NAME = "beside.npz"


class Beside:
    """Entries of one index, by id, with their vectors (unit length)."""

    def __init__(self, path: Path) -> None:
        """Those of the file at `path`; none if it is not there."""
        self._path = path
        self._vectors: dict[str, np.ndarray] = {}
        if path.exists():
            with np.load(path, allow_pickle=False) as held:
                self._vectors = dict(zip(held["ids"].tolist(), held["vectors"], strict=True))

    def add(self, ids: Sequence[str], vectors: np.ndarray) -> None:
        """Keep entries, or set those that are there."""
        self._vectors |= dict(zip(ids, vectors, strict=True))
        self._write()

    def delete(self, ids: Sequence[str]) -> None:
        """Let go of entries; unknown ids are ignored."""
        gone = self._vectors.keys() & set(ids)
        if gone:
            self._vectors = {entry: vector for entry, vector in self._vectors.items() if entry not in gone}
            self._write()

    def merged(
        self, vector: np.ndarray, hits: Sequence[str], scores: Sequence[float], k: int
    ) -> tuple[list[str], list[float]]:
        """The `k` best of what the graph found for `vector` and of the entries here, with cosine similarities."""
        if not self._vectors:
            return list(hits), list(scores)
        unit = vector / np.linalg.norm(vector)
        own = {entry: float(other @ unit) for entry, other in self._vectors.items()}
        best = sorted((own | dict(zip(hits, scores, strict=True))).items(), key=lambda one: -one[1])[:k]
        return [entry for entry, _ in best], [score for _, score in best]

    def _write(self) -> None:
        vectors = np.stack(list(self._vectors.values())) if self._vectors else np.zeros((0, 0), np.float32)
        np.savez(self._path, ids=np.array(list(self._vectors), dtype=np.str_), vectors=vectors)
