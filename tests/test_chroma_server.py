"""CHROMA_URL: a real Chroma server on loopback serves what the folder serves, and follows every sync."""

import random
from contextlib import closing

import numpy as np
import pytest
from store_kit import article, settings_for

from app.retrieve import retrieve
from bench.chroma_server import chroma_server
from ingest import UserError
from ingest.corpus import corpus_files, write_document
from ingest.embed import LocalEmbedder
from ingest.index import IndexFailedError, VectorIndex
from ingest.settings import load_settings
from ingest.store import Store
from ingest.sync import sync


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with a corpus of twelve documents."""
    folder = tmp_path_factory.mktemp("served")
    settings, rng = settings_for(folder), random.Random(11)
    for _ in range(12):
        write_document(settings.corpus_dir, article(rng))
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with chroma_server(tmp_path_factory.mktemp("chroma")) as found:
        yield found


def on(url, folder, index="index-server"):
    places = {"CORPUS_DIR": str(folder / "corpus"), "INDEX_DIR": str(folder / index), "CHROMA_URL": url}
    return load_settings(places, dotenv=folder / "no.env")


def test_server_and_folder_find_the_same(server, corpus):
    local, served = settings_for(corpus), on(server.url, corpus)
    assert sync(local).passages == sync(served).passages > 0
    stores = [Store.open(local), Store.open(served)]
    try:
        for query in ("the treaty at the harbour", "enzyme vaccine", "budget of the railway 4000"):
            one, other = (retrieve(store, query, k=5) for store in stores)
            assert [hit.passage.passage_id for hit in one] == [hit.passage.passage_id for hit in other]
            assert [hit.score for hit in one] == pytest.approx([hit.score for hit in other], abs=1e-4)
        assert stores[1].index.count() == sync(served).passages
    finally:
        for store in stores:
            store.close()


def test_what_leaves_the_corpus_leaves_the_server(server, corpus):
    served = on(server.url, corpus)
    sync(served)
    store = Store.open(served)
    before = store.index.count()
    corpus_files(served.corpus_dir)[0].unlink()
    report = sync(served)
    assert report.removed == 1 and report.embedded == 0
    assert store.index.count() == report.passages < before
    store.close()


def test_a_passage_out_of_reach_of_the_servers_graph_ends_no_sync_and_is_found(server, corpus, monkeypatch):
    served, lost, search = on(server.url, corpus, "index-unreached"), set(), VectorIndex.search

    def overlooking(index, ids, vectors):
        lost.update([] if lost else ids[:1])
        return [one for one in ids if one in lost]

    def forgetful(index, vector, k, document_ids=None):
        return [hit for hit in search(index, vector, k, document_ids) if hit[0] != passage]

    monkeypatch.setattr(VectorIndex, "not_found", overlooking)
    monkeypatch.setattr(VectorIndex, "search", forgetful)
    sync(served)
    document, passage, _ = next(iter(lost)).split("-")
    with closing(Store.open(served)) as store:
        vector = store.catalog.vectors([passage])[passage]
        assert store.index.search(vector, 3)[0] == (passage, pytest.approx(1.0, abs=1e-3))
        rows = {row.document_id: row for row in store.catalog.documents()}
        others = [found for found in rows if not found.startswith(document)]
        monkeypatch.setattr("ingest.store.SMALL_SELECTION", 0)
        assert passage not in dict(store.index.search(vector, 100, others))
        (mine,) = rows.keys() - set(others)
        for name in rows[mine].paths:
            (served.corpus_dir / name).unlink()
        sync(served)
        assert passage not in dict(store.index.search(vector, 100)), "gone with its document"


def test_what_a_failed_sync_left_on_the_server_is_looked_up_by_the_next(server, corpus, monkeypatch):
    served = on(server.url, corpus, "index-left")
    with monkeypatch.context() as broken:
        broken.setattr(VectorIndex, "not_found", lambda index, ids, vectors: list(ids))
        broken.setattr("ingest.rebuild.FEW", 0)
        for _ in range(2):
            with pytest.raises(IndexFailedError, match="does not find"):
                sync(served)
    sync(served)
    with closing(Store.open(served)) as store:
        assert store.catalog.documents()


def test_two_indexes_on_one_server_do_not_meet(server, corpus, tmp_path):
    sync(on(server.url, corpus))
    (tmp_path / "corpus").mkdir()
    write_document(tmp_path / "corpus", article(random.Random(5)))
    other = on(server.url, tmp_path)
    report = sync(other)
    store = Store.open(other)
    assert store.index.count() == report.passages
    store.close()


class Turned(LocalEmbedder):
    """Truly another embedder: its vectors point the other way and may have fewer components."""

    fingerprint = "turned"

    def __init__(self, dimension):
        super().__init__()
        self.dimension = dimension

    def embed(self, texts, on_done=None):
        vectors = -LocalEmbedder().embed(texts, on_done)[:, : self.dimension]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("dimension", [384, 200])
def test_a_collection_left_by_a_killed_rebuild_is_not_taken_for_another_embedders(
    server, corpus, monkeypatch, dimension
):
    served = on(server.url, corpus, f"index-killed-{dimension}")
    sync(served)

    def killed(*_):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("ingest.catalog_writer.CatalogWriter.flip", killed)
        with pytest.raises(KilledError):
            sync(served, rebuild=True, embedder=Turned(dimension))
    report = sync(served, rebuild=True)
    store = Store.open(served)
    assert store.index.count() == report.passages
    ids = store.catalog.passage_ids()
    for passage_id, vector in store.catalog.vectors(ids).items():
        ((found, score),) = store.index.search(vector, 1)
        assert found == passage_id and score > 0.99
    store.close()


def test_a_server_that_is_gone_is_one_plain_line(corpus, tmp_path):
    with chroma_server(tmp_path) as gone:
        settings = on(gone.url, corpus, "index-gone")
        sync(settings)
        store = Store.open(settings)
    with pytest.raises(UserError, match=r"vector index .*failed") as caught:
        retrieve(store, "treaty", k=3)
    assert "\n" not in str(caught.value)
    store.close()
    assert "start the Chroma server" in str(caught.value)
