"""Measures of a ranking: recall, nDCG and MRR of one query, from what each rank brought.

Knows nothing of where a ranking came from.
"""

import math
from collections.abc import Iterable, Sequence

from bench.retrieval_sets import Asked

DEPTH = 10  # ranks that are looked at
Place = tuple[str, int, int]  # a passage: document id, start, end


def new_at_rank(asked: Asked, ranking: Iterable[Place], by_document: bool) -> list[int]:
    """How many relevant things each rank brought that no rank before it had; DEPTH ranks.

    By document, only the first passage of each document takes a rank.
    """
    missing, seen, found = set(asked.gold), set[str](), list[int]()
    for document_id, start, end in ranking:
        if by_document and document_id in seen:
            continue
        seen.add(document_id)
        met = {gold for gold in missing if gold.met_by(document_id, start, end)}
        missing -= met
        found.append(len(met))
        if len(found) == DEPTH:
            break
    return found + [0] * (DEPTH - len(found))


def measures(new: Sequence[int], relevant: int) -> dict[str, float]:
    """The measures of one query, 0 to 1."""
    ideal = sum(1 / math.log2(rank + 2) for rank in range(min(relevant, DEPTH)))
    gained = sum(1 / math.log2(rank + 2) for rank, count in enumerate(new) if count)
    first = next((rank for rank, count in enumerate(new, 1) if count), None)
    return {
        "recall@1": sum(new[:1]) / relevant,
        "recall@5": sum(new[:5]) / relevant,
        "recall@10": sum(new) / relevant,
        "nDCG@10": min(1.0, gained / ideal),
        "MRR@10": 1 / first if first else 0.0,
    }
