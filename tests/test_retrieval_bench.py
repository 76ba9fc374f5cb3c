"""bench.retrieval on a user's own questions: the passage of the evidence is what counts, with intervals."""

import json

import pytest

from app.retrieve import retrieve
from bench.report import share
from bench.retrieval import MEASURES, measure
from bench.retrieval_sets import own
from ingest.store import Store


@pytest.fixture
def store(seed_settings):
    store = Store.open(seed_settings)
    yield store
    store.close()


def test_a_users_own_file_is_measured_on_the_users_own_index(store, tmp_path):
    asked = "How much food does North Korea produce?"
    passage = retrieve(store, asked, k=1)[0].passage.span
    lines = [
        {
            "id": "a",
            "question": "How much food does North Korea produce?",
            "answer": [["x"]],
            "evidence": [passage.text],
        },
        {"id": "b", "question": "What is the weather on Mars?", "answer": [], "evidence": []},
    ]
    file = tmp_path / "mine.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = own(file, store)

    def ours(query):
        spans = [hit.passage.span for hit in retrieve(store, query, k=10)]
        return [(span.document_id, span.start, span.end) for span in spans]

    def nothing(query):
        return []

    best, worst = measure(found, ours), measure(found, nothing)
    assert len(found.queries) == 1  # what the sources do not answer has no passage to be found
    assert set(best) == set(MEASURES) and best["recall@1"] == [1.0] and worst["recall@10"] == [0.0]
    assert share(best["MRR@10"]) == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 1}
