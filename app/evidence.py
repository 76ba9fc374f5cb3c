"""Passages found -> the numbered sentences that fit the query best.

Knows nothing of prompts or models.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from app.answer import HISTORY, Evidence
from app.relevance import Candidate, Query, Reading, read_sentences
from ingest.document import Hit
from ingest.store import Store

# What a sentence's fit is made of; the shape of the optimum is flat (`python -m bench.retrieval`).
SIMILARITY, COVER, PASSAGE = 1.0, 0.5, 2.0
LIMIT = 10  # sentences: reading them is most of the time to the first word on a CPU
MOST = 15  # sentences with those of the turn before
CONVERSATIONS = 64


def select_evidence(query: Query, hits: Sequence[Hit], *, limit: int = LIMIT) -> tuple[Evidence, ...]:
    """At most `limit` sentences of `hits` (best first) that fit `query` best, numbered from 1.

    Grouped by document, that of the best sentence first, and in the order of the text within it.
    The same sentence is given once, though several documents hold it. `relevance`, 0 to 1, is the
    weighted mean of the sentence's similarity to the query, the share of the query's words in it,
    and its passage's score. Raises `UserError` when the embedder fails.
    """
    if not hits or limit < 1 or not query.text.strip():
        return ()
    candidates = [Candidate(hit.passage, hit.metadata, hit.dense, hit.score) for hit in hits]
    readings = read_sentences(query, candidates)
    ranked = sorted(((_relevance(one, hits[one.passage]), one) for one in readings), key=lambda pair: -pair[0])
    chosen: dict[str, tuple[float, Reading]] = {}
    for relevance, reading in ranked:
        chosen.setdefault(" ".join(reading.span.text.split()), (relevance, reading))
        if len(chosen) == limit:
            break
    return _numbered(list(chosen.values()), hits)


def continued(store: Store, before: Sequence[Evidence], found: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """`found` behind the evidence of the turn before, each sentence once, where that holds at least half of it.

    What a model has read it need not read again as long as nothing changes in front of it. A sentence of
    the turn before that does not fit now has relevance 0. `found` alone where they would be more than
    MOST, where nothing is found, and where a document of the turn before is no more in the store.
    """
    if not found:
        return ()
    fits = {item.span: item.relevance for item in found}
    known = {item.span for item in before}
    new = [item for item in found if item.span not in known]
    few = 2 * len(new) > len(found) or len(before) + len(new) > MOST
    documents = {item.span.document_id for item in before}  # an id is that of its text: a new version has another
    if few or not all(store.catalog.passage_ids([one]) for one in documents):
        return tuple(found)
    kept = [replace(item, relevance=fits.get(item.span, 0.0)) for item in before]
    return (*kept, *(replace(item, number=number) for number, item in enumerate(new, start=len(kept) + 1)))


def conversation(questions: Sequence[str], document_ids: Sequence[str] | None) -> object:
    """What a conversation is known by: its last HISTORY questions, and what was asked: all sources, or these ids.

    No more than HISTORY, for that many come with the next question.
    """
    among = None if document_ids is None else tuple(sorted(document_ids))
    return tuple(questions[-HISTORY:]), among


class Conversations:
    """The evidence of the latest turn of the latest conversations, each known by its `conversation`.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[Evidence, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, known_by: object) -> tuple[Evidence, ...]:
        """What was kept for it; nothing where it is not known, or no more."""
        with self._lock:
            return self._kept.get(known_by, ())

    def keep(self, known_by: object, evidence: tuple[Evidence, ...]) -> None:
        """Keep it, and let go of the oldest."""
        with self._lock:
            self._kept[known_by] = evidence
            self._kept.move_to_end(known_by)
            if len(self._kept) > CONVERSATIONS:
                self._kept.popitem(last=False)


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
