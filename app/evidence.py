"""Passages found -> the numbered sentences that fit the query best.

Knows nothing of prompts or models.
"""

from collections.abc import Sequence

from app.answer import Evidence
from app.relevance import Candidate, Query, Reading, read_sentences
from ingest.document import Hit
from ingest.store import Store

# What a sentence's fit is made of; the shape of the optimum is flat (`python -m bench.retrieval`).
SIMILARITY, COVER, PASSAGE = 1.0, 0.5, 2.0
LIMIT = 8  # sentences: reading them is most of the time to the first word on a CPU


def select_evidence(store: Store, query: str, hits: Sequence[Hit], *, limit: int = LIMIT) -> tuple[Evidence, ...]:
    """At most `limit` sentences of `hits` (best first) that fit `query` best, numbered from 1.

    Grouped by document, that of the best sentence first, and in the order of the text within it.
    The same sentence is given once, though several documents hold it. `relevance`, 0 to 1, is the
    weighted mean of the sentence's similarity to the query, the share of the query's words in it,
    and its passage's score. Raises `UserError` when the embedder fails.
    """
    if not hits or limit < 1 or not query.strip():
        return ()
    candidates = [Candidate(hit.passage, hit.metadata, hit.dense, hit.score) for hit in hits]
    readings = read_sentences(store, Query.read(store, query), candidates)
    ranked = sorted(((_relevance(one, hits[one.passage]), one) for one in readings), key=lambda pair: -pair[0])
    chosen: dict[str, tuple[float, Reading]] = {}
    for relevance, reading in ranked:
        chosen.setdefault(" ".join(reading.span.text.split()), (relevance, reading))
        if len(chosen) == limit:
            break
    return _numbered(list(chosen.values()), hits)


def _relevance(reading: Reading, hit: Hit) -> float:
    mix = SIMILARITY * reading.similarity + COVER * reading.cover + PASSAGE * hit.score
    return min(1.0, max(0.0, mix / (SIMILARITY + COVER + PASSAGE)))


def _numbered(chosen: Sequence[tuple[float, Reading]], hits: Sequence[Hit]) -> tuple[Evidence, ...]:
    """`chosen`, best first, in the order in which a reader would meet them."""
    rank: dict[str, int] = {}
    for _, reading in chosen:
        rank.setdefault(reading.span.document_id, len(rank))
    ordered = sorted(chosen, key=lambda pair: (rank[pair[1].span.document_id], pair[1].span.start))
    return tuple(
        Evidence(number, reading.span, hits[reading.passage].metadata, relevance)
        for number, (relevance, reading) in enumerate(ordered, start=1)
    )
