"""Stores of any size, made by the product's own sync from drawn documents, and kept in .cache/bench.

    python -m bench.large_store 100000     # build it ahead of a bench that needs it

Documents are sentences of the public sets, drawn anew; vectors lie between real ones, with noise:
embedding 100,000 passages would take an hour. The writing, the catalog, the lexical index and Chroma
are all the product's, so sizes and times of a query are real; what is found means nothing.
"""

import hashlib
import random
import shutil
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from bench.report import CACHE
from bench.retrieval_sets import folder, load, open_store, settings_for
from ingest.corpus import render
from ingest.document import Document, Metadata
from ingest.embed import LocalEmbedder
from ingest.embed_endpoint import OnDone
from ingest.sentences import sentence_spans
from ingest.settings import Settings
from ingest.sync import sync

PARAGRAPHS = 10  # a document
PARAGRAPH = (5, 8)  # sentences
PASSAGES_A_DOCUMENT = 17  # that makes, about
NOISE = 0.4  # length of the noise added to a vector of length 1
SEED = 7


class DrawnEmbedder(LocalEmbedder):
    """Vectors between two real ones, with noise, fixed by the text; says that it is the real embedder."""

    def __init__(self, real: np.ndarray) -> None:
        super().__init__()
        self._real = real

    def embed(self, texts: Sequence[str], on_done: OnDone | None = None) -> np.ndarray:
        """See `Embedder`."""
        vectors = np.stack([self._draw(text) for text in texts])
        if on_done:
            on_done(len(texts))
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)

    def _draw(self, text: str) -> np.ndarray:
        draw = np.random.default_rng(list(hashlib.sha256(text.encode()).digest()[:8]))
        one, other = self._real[draw.integers(0, len(self._real), 2)]
        noise = draw.standard_normal(self.dimension)
        weight = draw.uniform(0.5, 1.0)
        return np.asarray(weight * one + (1 - weight) * other + NOISE * noise / np.linalg.norm(noise))


@cache
def _real() -> tuple[tuple[str, ...], tuple[str, ...], np.ndarray]:
    """Sentences, titles and vectors of a public set."""
    if not folder("squad_new_wiki").is_dir():
        raise SystemExit(f"No set at {folder('squad_new_wiki')}: set BENCH_DATA to the folder that holds retrieval/.")
    found = load("squad_new_wiki")
    store = open_store(found)
    vectors = np.stack(list(store.catalog.vectors(store.catalog.passage_ids()).values()))
    store.close()
    sentences = [one.text[a:b] for one in found.documents for a, b in sentence_spans(one.text)]
    return tuple(sentences), tuple(sorted({one.metadata.title for one in found.documents})), vectors


def build(passages: int, **more: str) -> tuple[Settings, float]:
    """The settings of a store of about so many passages, and the seconds its sync took (0: it was there).

    `more` are further variables of the environment, such as CHROMA_URL.
    """
    home = CACHE / "large" / str(passages)
    settings = settings_for(home / "corpus", home / ("index-server" if more else "index"), **more)
    sentences, titles, vectors = _real()
    if not (home / "written").exists():
        shutil.rmtree(home, ignore_errors=True)
        write_corpus(settings.corpus_dir, passages, sentences, titles)
        (home / "written").touch()
    started = time.monotonic()
    report = sync(settings, embedder=DrawnEmbedder(vectors))
    return settings, time.monotonic() - started if report.added else 0.0


def write_corpus(corpus: Path, passages: int, sentences: Sequence[str], titles: Sequence[str]) -> None:
    """Corpus files of about so many passages, of these sentences and titles, drawn anew."""
    draw = random.Random(SEED)
    for number in range(-(-passages // PASSAGES_A_DOCUMENT)):
        paragraphs = [" ".join(draw.choices(sentences, k=draw.randint(*PARAGRAPH))) for _ in range(PARAGRAPHS)]
        title = f"{draw.choice(titles)} {number}"
        path = corpus / f"{number // 1000:03}" / f"{number:07}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(Document("\n\n".join(paragraphs), Metadata(title, language="en"))), encoding="utf-8")


if __name__ == "__main__":
    for size in sys.argv[1:]:
        print(f"{size} passages: {build(int(size))[1]:.0f} s")
