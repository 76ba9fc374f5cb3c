"""Quality of retrieval: ours, its two halves alone, bm25s, and llama-index's retrievers, in one run.

    python -m bench.retrieval                        # the three sets of BENCH_DATA
    python -m bench.retrieval --set scifact --queries 100 --distractors 500   # a seeded sample
    python -m bench.retrieval --questions FILE.jsonl # your own, on the index that the settings name

A rank counts a document on the sets (a row of their corpus is one document), a passage on your own.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.relevance import embed_cached
from app.retrieve import retrieve
from bench.measures import Place, measures, new_at_rank
from bench.report import Table, cell, interval, share, write
from bench.retrieval_sets import NAMES, RetrievalSet, folder, load, open_store, own, sha256
from ingest.settings import load_settings
from ingest.store import Store

if TYPE_CHECKING:
    from bench.rival_retrievers import Ranker

FOUND = 30  # passages asked of each system: enough for ten documents
OURS = "ours"
DRAWN = {"squad_new_wiki": 100}  # queries of a set that are asked unless told otherwise: all 1,000 take 7 minutes
HEAD = {"squad_new_wiki": "recall@5", "scifact": "nDCG@10", "multihop_news": "recall@10"}
MEASURES = ("recall@1", "recall@5", "recall@10", "nDCG@10", "MRR@10")


def systems(store: Store, found: RetrievalSet) -> "dict[str, Ranker]":
    """Name -> a function from a query to passages, best first."""
    from bench.rival_retrievers import lexical_alone, llama_index  # of requirements/bench.txt alone

    def ours(query: str) -> list[Place]:
        return [_place(hit.passage.span) for hit in retrieve(store, query, k=FOUND)]

    def dense(query: str) -> list[Place]:
        return _places(store, store.index.search(embed_cached(store.embedder, [query])[0], FOUND))

    def lexical(query: str) -> list[Place]:
        return _places(store, store.catalog.lexical(query, FOUND))

    return {
        OURS: ours,
        "BM25 alone (ours)": lexical,
        "BM25 alone (bm25s)": lexical_alone(found.documents, FOUND),
        "dense alone (Chroma)": dense,
        **llama_index(found.documents, store.embedder, FOUND),
    }


def measure(found: RetrievalSet, rank: "Ranker") -> dict[str, list[float]]:
    """Every measure of every query."""
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    for asked in found.queries:
        new = new_at_rank(asked, rank(asked.text), found.by_document)
        for name, value in measures(new, len(asked.gold)).items():
            values[name].append(value)
    return values


def compare(found: RetrievalSet, store: Store) -> tuple[dict[str, Any], Table]:
    """All systems on one set: figures, and a table with intervals and what ours is ahead by."""
    head = HEAD.get(found.name, "recall@5")
    figures: dict[str, Any] = {}
    every: dict[str, dict[str, list[float]]] = {}
    for name, rank in systems(store, found).items():
        every[name] = measure(found, rank)
        figures[name] = {key: share(values) for key, values in every[name].items()}
        figures[name]["ours_ahead"] = ahead(every[OURS][head], every[name][head]) if name != OURS else None
    title = f"{found.name}: {len(found.queries)} queries, {len(found.documents)} documents"
    return figures, Table(title, ("system", *MEASURES, f"ours ahead, {head}"), _rows(figures))


def ahead(ours: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """The mean difference a query, ours less the other's, with its interval: the pairs are drawn together."""
    difference = np.asarray(ours) - np.asarray(other)
    low, high = interval(difference.tolist())
    return {"value": round(float(difference.mean()), 4), "low": round(low, 4), "high": round(high, 4)}


def _rows(figures: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name, found in figures.items():
        lead = found["ours_ahead"]
        told = f"{100 * lead['value']:+.1f} ({100 * lead['low']:+.1f} to {100 * lead['high']:+.1f})" if lead else ""
        rows.append([name, *(cell(found[key]) for key in MEASURES), told])
    return rows


def _place(span: Any) -> Place:
    return span.document_id, span.start, span.end


def _places(store: Store, found: Sequence[tuple[str, float]]) -> list[Place]:
    passages = store.catalog.passages([passage_id for passage_id, _ in found])
    return [_place(passages[passage_id][0].span) for passage_id, _ in found]


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--set", choices=NAMES, action="append", help="only this set (may be repeated)")
    parser.add_argument(
        "--queries",
        type=int,
        metavar="N",
        help="so many queries of each set, drawn with a seed (default: all, of Wikipedia 100)",
    )
    parser.add_argument("--distractors", type=int, metavar="N", default=10**9, help="and so many other documents")
    parser.add_argument("--questions", type=Path, metavar="FILE.jsonl", help="your own, on the index of the settings")
    options = parser.parse_args()
    if options.questions:
        store = Store.open(load_settings())
        found = own(options.questions, store)
        figures, table = compare(found, store)
        write(f"retrieval-{found.name}", {"systems": figures}, [table])
        return
    for name in options.set or NAMES:
        if not folder(name).is_dir():
            print(f"{name} is left out: it is not in {folder(name).parent} (BENCH_DATA names another folder).")
            continue
        found = load(name, options.queries or DRAWN.get(name), options.distractors)
        figures, table = compare(found, open_store(found))
        write(f"retrieval-{name}", {"sha256": sha256(name), "systems": figures}, [table])


if __name__ == "__main__":
    main()
