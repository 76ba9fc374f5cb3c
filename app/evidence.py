"""Passages found -> the numbered sentences that fit the query best.

Knows nothing of prompts or models.
"""

from collections.abc import Sequence

import numpy as np

from app.answer import Evidence
from ingest.document import Hit, Span
from ingest.store import Store

PASSAGES = 8  # best passages that sentences are taken from
PASSAGE_WEIGHT = 0.5


def select_evidence(store: Store, query: str, hits: Sequence[Hit], *, limit: int = 9) -> tuple[Evidence, ...]:
    """At most `limit` sentences of `hits` (best first) that fit `query` best, numbered from 1.

    In document order, the document of the best sentence first.
    """
    sentences = [(hit, span) for hit in hits[:PASSAGES] for span in passage_sentences(hit)]
    if not sentences:
        return ()
    vectors = store.embedder.embed([query, *(span.text for _, span in sentences)])
    cosine = vectors[1:] @ vectors[0]
    passage = np.asarray([hit.score for hit, _ in sentences])
    relevance = np.clip((1 - PASSAGE_WEIGHT) * cosine + PASSAGE_WEIGHT * passage, 0, 1)
    best = np.argsort(-relevance, kind="stable")[:limit]
    return _numbered([(sentences[i][0], sentences[i][1], float(relevance[i])) for i in best])


def passage_sentences(hit: Hit) -> list[Span]:
    """The sentences of a passage as spans of its document."""
    whole = hit.passage.span
    return [
        Span(whole.document_id, start, end, whole.text[start - whole.start : end - whole.start])
        for start, end in hit.passage.sentences
    ]


def _numbered(chosen: list[tuple[Hit, Span, float]]) -> tuple[Evidence, ...]:
    """`chosen`, best first -> evidence grouped by document, each document's in order of its text."""
    rank: dict[str, int] = {}
    for _, span, _ in chosen:
        rank.setdefault(span.document_id, len(rank))
    ordered = sorted(chosen, key=lambda item: (rank[item[1].document_id], item[1].start))
    return tuple(
        Evidence(number, span, hit.metadata, relevance)
        for number, (hit, span, relevance) in enumerate(ordered, start=1)
    )
