"""Query -> the passages that fit it best: dense and lexical search, fused, then reranked by sentence.

Knows nothing of questions in a conversation, of models that chat, or of how the index is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.relevance import UNREAD, Candidate, Query, read_sentences
from ingest import UserError
from ingest.document import Hit, Metadata, Passage
from ingest.store import Store

POOL = 50  # passages asked of each search before the two are fused
READ = 20  # fused passages whose sentences are read

# The weights of a passage's score. Fitted on one set of questions they hold on the others; weights
# estimated per query did not, and gained nothing at home. `python -m bench.retrieval` measures them.
DENSE, SENTENCE, LEXICAL = 0.40, 0.30, 0.30
FIRST_DENSE = 2 / 3  # of similarity against BM25 before sentences are read


@dataclass(frozen=True)
class _Found:
    """A candidate with both exact scores."""

    passage_id: str
    dense: float
    lexical: float


@dataclass(frozen=True)
class Search:
    """What both searches found for a query, before the sentences of the passages are read; made by `search`.

    Reading them takes many times as long as finding the passages: who waits for these is served by `first`.
    """

    store: Store
    query: Query
    found: Sequence[_Found]

    def first(self, k: int) -> list[Hit]:
        """The `k` best, best first, as if no passage had a sentence that fits better than the whole."""
        return self._hits(self._scores(UNREAD * self._dense), k, {}) if self.found else []

    def read(self, k: int) -> list[Hit]:
        """The `k` best, best first, with their sentences read. Raises `UserError` when the embedder fails."""
        if not self.found:
            return []
        dense, found = self._dense, self.found
        first = FIRST_DENSE * dense + (1 - FIRST_DENSE) * _shares(self._lexical)
        sentence = UNREAD * dense
        top = [int(row) for row in np.argsort(-first, kind="stable")[:READ]]
        passages = self.store.catalog.passages([found[row].passage_id for row in top])
        read = [row for row in top if found[row].passage_id in passages]
        candidates = [Candidate(*passages[found[row].passage_id], found[row].dense, float(first[row])) for row in read]
        for reading in read_sentences(self.query, candidates):
            row = read[reading.passage]
            sentence[row] = max(sentence[row], reading.similarity)
        return self._hits(self._scores(sentence), k, passages)

    @property
    def _dense(self) -> np.ndarray:
        return np.asarray([one.dense for one in self.found])

    @property
    def _lexical(self) -> np.ndarray:
        return np.asarray([one.lexical for one in self.found])

    def _scores(self, sentence: np.ndarray) -> np.ndarray:
        return fuse(self._dense, sentence, self._lexical, self.query.greatest_bm25)

    def _hits(self, scores: np.ndarray, k: int, known: Mapping[str, tuple[Passage, Metadata]]) -> list[Hit]:
        best = sorted(range(len(self.found)), key=lambda row: (-scores[row], self.found[row].passage_id))[:k]
        order = [(self.found[row], scores[row]) for row in best]
        missing = [one.passage_id for one, _ in order if one.passage_id not in known]
        passages = {**known, **self.store.catalog.passages(missing)}
        return [_hit(one, *passages[one.passage_id], score) for one, score in order if one.passage_id in passages]


def search(
    store: Store, query: str, *, k: int = 8, document_ids: Sequence[str] | None = None, fault: str = ""
) -> Search:
    """Both searches for `query`, deep enough for `k` passages; among `document_ids` alone when given.

    Candidates are the POOL nearest by embedding and the POOL best by BM25, each with both scores,
    exactly; the latter alone where the endpoint that embeds fails, which `Search.query` then tells, or has
    failed before, with `fault`.
    """
    if not query.strip() or (document_ids is not None and not document_ids) or k < 1:
        return Search(store, Query(query, np.zeros(0, np.float32), {}, store.embedder, fault), ())
    asked = Query.read(store, query, fault)
    return Search(store, asked, _candidates(store, asked, max(POOL, k), document_ids))


def retrieve(store: Store, query: str, *, k: int = 8, document_ids: Sequence[str] | None = None) -> list[Hit]:
    """The `k` passages that fit `query` best, best first; of `document_ids` alone when given.

    Of the READ best by a weighted sum of their scores (BM25 as a share of the best: a weighted sum of
    scores keeps what ranks lose, Bruch et al. 2023) sentences are embedded, and the most similar
    sentence counts too: a small model sees one fact in a sentence better than in a paragraph.
    `Hit.score`, 0 to 1, can be compared between queries; see `fuse`. Raises `UserError` when the
    embedder fails.
    """
    found = search(store, query, k=k, document_ids=document_ids)
    if found.query.fault:  # who asks for passages alone is told of nothing else
        raise UserError(found.query.fault)
    return found.read(k)


def fuse(dense: np.ndarray, sentence: np.ndarray, lexical: np.ndarray, greatest: float) -> np.ndarray:
    """One score a passage from the similarity of it and of its best sentence, and from its BM25.

    BM25 enters as a share of the best found, which ranks best, less what the best itself lacks of
    `greatest`, the most that the query allows. That is one number for all passages of a query, so
    it moves no rank, and makes scores of different queries comparable.
    """
    shares = _shares(lexical)
    lacking = 1 - min(1.0, float(lexical.max()) / greatest) if greatest else 0.0
    return DENSE * dense + SENTENCE * sentence + LEXICAL * (shares - lacking)


def _shares(lexical: np.ndarray) -> np.ndarray:
    best = lexical.max()
    return lexical / best if best > 0 else np.ones_like(lexical)


def _hit(found: _Found, passage: Passage, metadata: Metadata, score: float) -> Hit:
    clipped = min(1.0, max(0.0, float(score)))
    return Hit(passage, metadata, clipped, found.dense, found.lexical)


def _candidates(store: Store, query: Query, pool: int, document_ids: Sequence[str] | None) -> list[_Found]:
    """Ids and scores alone: the text of a passage is read, with its document's, only where it is needed."""
    if query.fault:
        return [_Found(one, 0.0, score) for one, score in store.catalog.lexical(query.text, pool, document_ids)]
    dense = dict(store.index.search(query.vector, pool, document_ids))
    lexical = dict(store.catalog.lexical(query.text, pool, document_ids))
    passage_ids = list(dict.fromkeys([*dense, *lexical]))
    dense |= _similarities(store, query, [one for one in passage_ids if one not in dense])
    if without := [one for one in passage_ids if one not in lexical]:
        lexical |= store.catalog.lexical_scores(query.text, without)
    return [_Found(one, dense[one], lexical.get(one, 0.0)) for one in passage_ids]


def _similarities(store: Store, query: Query, passage_ids: Sequence[str]) -> Mapping[str, float]:
    if not passage_ids:
        return {}
    vectors = store.catalog.vectors(passage_ids)
    return {one: float(vectors[one] @ query.vector) if one in vectors else 0.0 for one in passage_ids}
