"""Query -> the passages that fit it best: dense and lexical search, fused.

Knows nothing of questions in a conversation, of models that chat, or of how the index is kept.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from ingest.document import Hit
from ingest.store import Store

POOL = 50  # passages asked of each search before the two are fused
DENSE_WEIGHT = 0.5


def retrieve(store: Store, query: str, *, k: int = 8, document_ids: Sequence[str] | None = None) -> list[Hit]:
    """The `k` passages that fit `query` best, best first; of `document_ids` alone when given.

    Candidates are the POOL nearest by embedding and the POOL best by BM25; each gets both
    scores, exactly. `score` is from 0 to 1. Raises `UserError` when the embedder fails.
    """
    if not query.strip() or document_ids is not None and not document_ids:
        return []
    vector = store.embedder.embed([query])[0]
    dense = dict(store.index.search(vector, max(POOL, k), document_ids))
    lexical = dict(store.catalog.lexical(query, max(POOL, k), document_ids))
    found = store.catalog.passages(list(dict.fromkeys([*dense, *lexical])))
    if not found:
        return []
    ids = list(found)
    dense = _complete_dense(store, vector, dense, ids)
    lexical = _complete_lexical(store, query, lexical, ids)
    scores = fuse([dense[i] for i in ids], [lexical[i] for i in ids])
    order = sorted(range(len(ids)), key=lambda row: (-scores[row], ids[row]))[:k]
    return [Hit(*found[ids[row]], float(scores[row]), dense[ids[row]], lexical[ids[row]]) for row in order]


def fuse(dense: Sequence[float], lexical: Sequence[float]) -> np.ndarray:
    """One score from 0 to 1 for each passage: the weighted sum of both, each scaled to 0..1."""
    return DENSE_WEIGHT * _scaled(dense) + (1 - DENSE_WEIGHT) * _scaled(lexical)


def _scaled(scores: Sequence[float]) -> np.ndarray:
    values = np.asarray(scores, np.float64)
    spread = values.max() - values.min()
    return (values - values.min()) / spread if spread > 0 else np.ones_like(values)


def _complete_dense(
    store: Store, vector: np.ndarray, known: Mapping[str, float], ids: Sequence[str]
) -> dict[str, float]:
    missing = [i for i in ids if i not in known]
    vectors = store.catalog.vectors(missing) if missing else {}
    return {**known, **{i: float(vectors[i] @ vector) if i in vectors else 0.0 for i in missing}}


def _complete_lexical(
    store: Store, query: str, known: Mapping[str, float], ids: Sequence[str]
) -> dict[str, float]:
    missing = [i for i in ids if i not in known]
    return {**known, **(store.catalog.lexical_scores(query, missing) if missing else {})}
