"""Search among chosen sources: nothing of another one comes back, by whichever half it was found."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from store_kit import settings_for

from app.retrieve import retrieve, search
from ingest.corpus import write_document
from ingest.document import Document, Metadata
from ingest.store import Store
from ingest.sync import sync

FERRY = "The ferry to Alvik leaves the old harbour at nine in the morning."
TEXTS = {
    "ferry": f"{FERRY} A ticket costs four crowns.",
    "twin": f"Old timetable. {FERRY} It was colder then.",
    "bread": "Rye bread needs a sour dough and a long rest. Bake it in a hot oven for an hour.",
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    settings = settings_for(tmp_path)
    for name, text in TEXTS.items():
        write_document(settings.corpus_dir, Document(text, Metadata(name)))
    sync(settings)
    store = Store.open(settings)
    yield store
    store.close()


@pytest.mark.parametrize("exactly", [True, False], ids=["compared one by one", "by the graph"])
@pytest.mark.parametrize(
    "query", ["When does the ferry to Alvik leave?", "departure of the boat"], ids=["words", "meaning"]
)
def test_a_search_among_chosen_sources_finds_theirs_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch, query: str, exactly: bool
) -> None:
    if not exactly:
        monkeypatch.setattr("ingest.store.SMALL_SELECTION", 0)
    ids = {row.metadata.title: row.document_id for row in store.catalog.documents()}
    everywhere = [hit.passage.span.document_id for hit in retrieve(store, query)]
    assert {*everywhere} == {*ids.values()} and everywhere[-1] == ids["bread"]
    for chosen in (["bread"], ["twin"], ["bread", "twin"], ["ferry", "bread"]):
        among = [ids[one] for one in chosen]
        hits = retrieve(store, query, document_ids=among)
        assert {hit.passage.span.document_id for hit in hits} == {*among}
        assert [one for one in everywhere if one in among] == [hit.passage.span.document_id for hit in hits]
        assert {hit.passage.span.document_id for hit in search(store, query, document_ids=among).first(8)} == {*among}


def test_among_sources_that_are_not_there_nothing_is_found(store: Store) -> None:
    assert retrieve(store, FERRY, document_ids=["0" * 64]) == retrieve(store, FERRY, document_ids=[]) == []
