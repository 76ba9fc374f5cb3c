"""How well a sentence fits a query: embedding similarity and the share of the query's words in it.

Shared by retrieval, which reranks passages by their best sentence, and by the choice of evidence.
Knows nothing of fusion, ranks or models that chat.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from weakref import WeakKeyDictionary

import numpy as np

from ingest.document import Metadata, Passage, Span
from ingest.embed import Embedder, LocalEmbedder
from ingest.embed_endpoint import EmbedderError
from ingest.lexical import K1, guess_language, tokens
from ingest.store import Store

EMBEDDED = 16  # sentences of one query that are embedded, at most: those with the best cheap score
EMBEDDED_CHARACTERS = 2_200  # and of all of them together: long ones are what the slowest questions wait for
UNREAD = 0.8  # of its passage's similarity: what a sentence that was not embedded is taken to have
PASSAGE_PULL = 2.0  # of the passage's score, against cover, where sentences to embed are chosen
CACHED_VECTORS = 4096  # of each embedder: 6 MB of 384 components


@dataclass(frozen=True)
class Query:
    """A query as one store reads it: its vector (unit length), who made that, and the idf of each of its tokens.

    `fault`: one line on why the store's embedder, an endpoint, made none ("" if it did). The vector is then
    the packaged embedder's: sentences can be held against it, but not the vectors of passages.
    """

    text: str
    vector: np.ndarray
    idf: Mapping[str, float]
    embedder: Embedder
    fault: str = ""

    @classmethod
    def read(cls, store: Store, text: str, fault: str = "") -> "Query":
        """Embed and tokenise; raises `UserError` when the packaged embedder cannot be loaded.

        With a `fault`, the store's embedder has failed already, and is not asked.
        """
        found = store.catalog.query_tokens(text)
        collection = store.catalog.collection(found)
        idf = {token: collection.idf(token) for token in found}
        try:
            if not fault:
                return cls(text, embed_cached(store.embedder.for_queries, [text])[0], idf, store.embedder)
        except EmbedderError as error:
            fault = str(error)
        return cls(text, embed_cached(packaged(), [text])[0], idf, packaged(), fault)

    @property
    def greatest_bm25(self) -> float:
        """What a passage's BM25 score for this query cannot reach: every token, without end."""
        return (K1 + 1) * sum(self.idf.values())

    def cover(self, found: set[str]) -> float:
        """The share, 0 to 1, of the query's idf that these tokens make up."""
        total = sum(self.idf.values())
        return sum(idf for token, idf in self.idf.items() if token in found) / total if total else 0.0


@dataclass(frozen=True)
class Reading:
    """A sentence held against a query: cosine similarity and cover (0 to 1).

    `passage` is the place of its passage in the list that was read.
    """

    passage: int
    span: Span
    similarity: float
    cover: float


@dataclass(frozen=True)
class Candidate:
    """A passage whose sentences are to be read: its own similarity to the query and a score so far."""

    passage: Passage
    metadata: Metadata
    dense: float
    score: float


def read_sentences(query: Query, candidates: Sequence[Candidate]) -> list[Reading]:
    """Every sentence of the candidates, in their order.

    Only the most promising are embedded (see `_first`), since that is the time retrieval takes: on
    1,000 questions 16 of 31 sentences keep all of the gain (`python -m bench.retrieval`).
    """
    found = [(at, span) for at, one in enumerate(candidates) for span in sentence_spans(one.passage)]
    languages = [one.metadata.language or guess_language(one.passage.span.text) for one in candidates]
    cover = [query.cover(set(tokens(span.text, languages[at]))) for at, span in found]
    promise = [value + PASSAGE_PULL * candidates[at].score for value, (at, _) in zip(cover, found, strict=True)]
    order = sorted(range(len(found)), key=lambda row: -promise[row])
    read = order[: _first([len(found[row][1].text) for row in order])]
    vectors = embed_cached(query.embedder, [found[row][1].text for row in read])
    similarity = {row: float(vector @ query.vector) for row, vector in zip(read, vectors, strict=True)}
    return [
        Reading(at, span, similarity.get(row, UNREAD * candidates[at].dense), cover[row])
        for row, (at, span) in enumerate(found)
    ]


def _first(lengths: Sequence[int]) -> int:
    """How many sentences of these lengths, the most promising first, are embedded: the first one always."""
    totals = list(accumulate(lengths[:EMBEDDED]))
    return max(1, sum(total <= EMBEDDED_CHARACTERS for total in totals))


def sentence_spans(passage: Passage) -> list[Span]:
    """The sentences of a passage as spans of its document."""
    whole = passage.span
    return [
        Span(whole.document_id, start, end, whole.text[start - whole.start : end - whole.start])
        for start, end in passage.sentences
    ]


@cache
def packaged() -> LocalEmbedder:
    """The packaged embedder, loaded once whoever needs it beside an index of another one's vectors."""
    return LocalEmbedder()


_vectors: "WeakKeyDictionary[Embedder, OrderedDict[str, np.ndarray]]" = WeakKeyDictionary()
_lock = threading.Lock()


def embed_cached(embedder: Embedder, texts: Sequence[str]) -> np.ndarray:
    """The vectors of `texts`, one at least, as `Embedder.embed`; those of the last CACHED_VECTORS are remembered."""
    with _lock:
        known = _vectors.setdefault(embedder, OrderedDict())
        got = {text: known[text] for text in texts if text in known}
    missing = list(dict.fromkeys(text for text in texts if text not in got))
    if missing:
        got.update(zip(missing, embedder.embed(missing), strict=True))
    with _lock:
        for text in got:
            known[text] = got[text]
            known.move_to_end(text)
        while len(known) > CACHED_VECTORS:
            known.popitem(last=False)
    return np.stack([got[text] for text in texts])
