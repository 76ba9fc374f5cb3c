"""Peak memory of a sync by size of the corpus, beside bare Chroma taking the same vectors.

Each runs in a process of its own, with vectors drawn instead of embedded: the model's memory is
the same at every size. A sync builds Chroma's folder anew at each commit, from a copy of the one
before; bare Chroma does so too, after as many passages. Linux only, which tells a peak.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import chromadb
import numpy as np

from bench.large_store import write_corpus
from bench.report import ROOT, Table
from bench.retrieval_sets import load, settings_for
from ingest.embed import LocalEmbedder
from ingest.embed_endpoint import OnDone
from ingest.index import HNSW
from ingest.sentences import sentence_spans
from ingest.sync import COMMIT, GROWTH, sync

SIZES = (1_000, 10_000)
TOPICS = 64  # that drawn vectors lie around
NOISE = 0.8  # length of what a vector of length 1 is moved away from its topic
PART = 1000  # vectors of one upsert


class TopicEmbedder(LocalEmbedder):
    """A vector near one of some topics, drawn from the text; says that it is the real embedder."""

    _topics = np.random.default_rng(7).standard_normal((TOPICS, LocalEmbedder.dimension)) / LocalEmbedder.dimension**0.5

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        """See `Embedder`."""
        vectors = np.stack([self._draw(hashlib.sha256(text.encode()).digest()) for text in texts])
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def _draw(self, seed: bytes) -> np.ndarray:
        draw = np.random.default_rng(list(seed[:8]))
        noise = draw.standard_normal(self.dimension) / self.dimension**0.5
        return np.asarray(self._topics[draw.integers(TOPICS)] + NOISE * noise)


def memory() -> tuple[dict[int, dict[str, Any]], Table]:
    """What both need at each size, above what their imports take, in MB."""
    found_set = load("squad_new_wiki")
    sentences = [one.text[a:b] for one in found_set.documents for a, b in sentence_spans(one.text)]
    titles = sorted({one.metadata.title for one in found_set.documents})
    found = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory(prefix="bench-memory-") as place:
            write_corpus(Path(place), size, sentences, titles)
            ours = _in_child("ours", place)
            found[size] = {"ours": ours, "chroma": _in_child("chroma", str(ours["passages"]))}
    return found, _table(found)


def _in_child(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.ingest_memory", *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _sync(corpus: Path, folder: Path) -> dict[str, int]:
    report = sync(settings_for(corpus, folder), embedder=TopicEmbedder())
    return {"documents": report.documents, "passages": report.passages}


def _chroma(passages: int, folder: Path) -> dict[str, int]:
    """As many vectors in as many builds as our sync makes."""
    embedder, done, builds = TopicEmbedder(), 0, 0
    while done < passages:
        build = folder / str(builds)
        if builds:
            shutil.copytree(folder / str(builds - 1), build)
        client = chromadb.PersistentClient(str(build))
        collection = client.get_or_create_collection("passages", embedding_function=None, configuration={"hnsw": HNSW})
        end = min(passages, done + int(max(COMMIT, GROWTH * done)))
        for start in range(done, end, PART):
            ids = [f"{number:064x}" for number in range(start, min(end, start + PART))]
            vectors = embedder.embed(ids)
            collection.upsert(ids, embeddings=vectors)
            collection.query(query_embeddings=vectors, n_results=3, include=["distances"])
        client.close()
        done, builds = end, builds + 1
    return {"builds": builds}


def _megabytes(kind: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    found = re.search(rf"{kind}:\s+(\d+) kB", status)
    return int(found[1]) / 1e3 if found else 0.0


def _table(found: dict[int, dict[str, Any]]) -> Table:
    rows = [
        (
            f"{one['ours']['passages']:,}",
            f"{one['ours']['documents']:,}",
            f"{one['ours']['start']:.0f} + {one['ours']['above']:.0f}",
            f"{one['chroma']['start']:.0f} + {one['chroma']['above']:.0f}",
            f"{one['ours']['above'] - one['chroma']['above']:.0f}",
        )
        for one in found.values()
    ]
    header = ("passages", "documents", "ours, `sync`", "bare Chroma", "ours above it")
    note = "After the imports + at the peak above that. Vectors are drawn, not embedded: no model is in memory."
    return Table("Peak memory of a sync, MB", header, rows, note)


def main() -> None:
    """The child's side: run one of both and print its figures."""
    kind, argument = sys.argv[1:]
    start = _megabytes("VmRSS")
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as place:
        found = _sync(Path(argument), Path(place)) if kind == "ours" else _chroma(int(argument), Path(place))
    print(json.dumps({**found, "start": start, "above": round(_megabytes("VmHWM") - start, 1)}))


if __name__ == "__main__":
    main()
