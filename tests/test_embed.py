"""Embedders: the packaged one and an endpoint's; the index keeps to the one that made it.

The endpoint is a real HTTP server, asked by the real client; its vectors are another model's.
"""

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.retrieve import retrieve
from ingest import UserError, embed_endpoint
from ingest.embed import LocalEmbedder, open_embedder
from ingest.embed_endpoint import ENDPOINT_BATCH, ENDPOINT_RETRIES, FEW, FEW_RETRIES, EndpointEmbedder
from ingest.store import Store
from ingest.sync import sync
from tests.servers.embeddings import EmbeddingsServer, rotation
from tests.store_kit import settings_for

KEY = "sk-embedding-secret"
TEXTS = [f"{'a long ' * (n % 7)}text about number {n}" for n in range(150)]
TEA, BEES = "# Tea\n\nGreen tea is not oxidised.\n", "# Bees\n\nA hive holds one queen.\n"


@pytest.fixture
def server():
    with EmbeddingsServer() as running:
        yield running


@pytest.fixture
def made(tmp_path):
    """Settings with two documents, indexed by the packaged embedder."""
    settings = settings_for(tmp_path)
    (settings.corpus_dir / "tea.md").write_text(TEA, "utf-8")
    (settings.corpus_dir / "bees.md").write_text(BEES, "utf-8")
    sync(settings)
    return settings


def at(settings, server, model="other"):
    return replace(settings, embedding_base_url=server.url, embedding_model=model, embedding_api_key=KEY)


def best(store, question):
    """The text of the passage nearest to a question."""
    hits = store.index.search(store.embedder.embed([question])[0], 1)
    (document,) = [
        row for row in store.catalog.documents() if hits[0][0] in store.catalog.passage_ids([row.document_id])
    ]
    return document.metadata.title


def test_the_packaged_embedder_does_not_depend_on_the_batch():
    embedder = LocalEmbedder()
    together = embedder.embed(TEXTS[:20])
    alone = np.vstack([embedder.embed([text]) for text in TEXTS[:20]])
    assert together.shape == (20, embedder.dimension) and together.dtype == np.float32
    assert np.abs(together - alone).max() < 1e-3
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert embedder.embed([]).shape == (0, embedder.dimension)


def test_an_endpoint_is_asked_in_batches_and_its_vectors_keep_their_order(server):
    embedder, done = EndpointEmbedder(server.url, "other", KEY), []
    found = embedder.embed(TEXTS, done.append)
    assert np.abs(found - LocalEmbedder().embed(TEXTS) @ rotation(1)).max() < 1e-3
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert server.sizes == [ENDPOINT_BATCH, ENDPOINT_BATCH, len(TEXTS) - 2 * ENDPOINT_BATCH]
    assert done == [64, 128, 150]
    assert embedder.dimension == 384 and len(server.sizes) == 3
    assert set(server.keys) == {f"Bearer {KEY}"}


def test_an_endpoint_of_this_machine_is_never_asked_through_a_proxy(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert EndpointEmbedder(server.url, "other", KEY).embed(["a"]).shape == (1, 384)


def test_a_busy_endpoint_is_asked_again(server):
    server.faults = [503, 429, 500]
    assert EndpointEmbedder(server.url, "other", KEY).embed(["a"] * (FEW + 1)).shape == (FEW + 1, 384)
    assert (len(server.keys), server.sizes) == (4, [FEW + 1])


def test_a_reader_waits_for_one_try_of_an_endpoint_that_hangs(server, monkeypatch):
    monkeypatch.setattr(embed_endpoint, "FEW_TIMEOUT", 0.3)
    over = threading.Event()
    server.meanwhile = lambda: over.wait(30)
    with pytest.raises(UserError, match="no answer in time"):
        EndpointEmbedder(server.url, "other", KEY).embed(["a question"])
    over.set()
    assert len(server.keys) == 1


@pytest.mark.parametrize("status, tries", [(401, 1), (404, 1), (500, ENDPOINT_RETRIES + 1)])
def test_a_failing_endpoint_is_one_line_without_the_key(server, status, tries):
    server.faults = [status] * 9
    with pytest.raises(UserError, match=rf"{server.url} \(model 'other'\) failed: HTTP {status}") as error:
        EndpointEmbedder(server.url, "other", KEY).embed(["a"] * (FEW + 1))
    assert "EMBEDDING_BASE_URL" in str(error.value) and "\n" not in str(error.value) and KEY not in str(error.value)
    assert len(server.keys) == tries


def test_a_question_does_not_wait_long_for_an_endpoint_that_is_down(server):
    server.faults = [500] * 9
    with pytest.raises(UserError, match="HTTP 500"):
        EndpointEmbedder(server.url, "other", KEY).embed(["a question"])
    assert len(server.keys) == FEW_RETRIES + 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda v: v[:-1],
        lambda v: [[float("nan")] * 384] * len(v),
        lambda v: [[]] * len(v),
        lambda v: [v[0][:5], *v[1:]],
    ],
    ids=["fewer", "nan", "empty", "ragged"],
)
def test_vectors_that_cannot_be_used_are_refused(server, spoil):
    server.spoil = spoil
    with pytest.raises(UserError, match="embedding"):
        EndpointEmbedder(server.url, "other", KEY).embed(["a", "b", "c"])


def test_a_dimension_that_changes_is_refused(server):
    embedder = EndpointEmbedder(server.url, "other", KEY)
    embedder.embed(["a"])
    server.spoil = lambda vectors: [vector[:100] for vector in vectors]
    with pytest.raises(UserError, match="changed from 384 to 100"):
        embedder.embed(["a"])


def test_settings_choose_the_embedder(tmp_path, server):
    settings = settings_for(tmp_path)
    assert isinstance(open_embedder(settings), LocalEmbedder)
    assert open_embedder(at(settings, server)).fingerprint == f"{server.url}:other"
    hosted = open_embedder(replace(settings, embedding_model="text-embedding-3-small", openai_api_key=KEY))
    assert hosted.fingerprint.endswith("text-embedding-3-small") and KEY not in hosted.fingerprint
    with pytest.raises(UserError, match="neither OPENAI_API_KEY nor"):
        open_embedder(replace(settings, embedding_model="x"))
    # The key of a chat server is never sent, nor the corpus, to OpenAI.
    local = replace(settings, openai_base_url="http://127.0.0.1:9/v1", openai_api_key="ollama", embedding_model="x")
    with pytest.raises(UserError, match="EMBEDDING_BASE_URL"):
        open_embedder(local)


def test_a_password_in_the_address_is_neither_shown_nor_stored():
    embedder = EndpointEmbedder("http://user:secretpw@127.0.0.1:9/v1", "other", KEY)
    with pytest.raises(UserError) as error:
        embedder.embed(["a"])
    assert "secretpw" not in str(error.value) + embedder.fingerprint and "127.0.0.1:9" in embedder.fingerprint


def test_another_embedder_of_the_same_dimension_is_refused_with_the_command_that_re_embeds(made, server):
    other = at(made, server)
    assert open_embedder(other).dimension == LocalEmbedder.dimension
    for use in (Store.open, sync):
        with pytest.raises(UserError, match=r"python -m ingest sync --rebuild") as error:
            use(other)
        assert LocalEmbedder.fingerprint in str(error.value) and f"{server.url}:other" in str(error.value)
    assert best(Store.open(made), "drinks") == "Tea"


def test_re_embedding_runs_beside_the_old_index_which_answers_until_the_swap(made, server):
    other, reader, seen = at(made, server), Store.open(made), []

    def read_meanwhile():
        reader.refresh()
        seen.append(best(reader, "drinks"))

    server.meanwhile = read_meanwhile
    report = sync(other, rebuild=True)
    assert (report.documents, report.embedded) == (2, 2)
    assert seen and set(seen) == {"Tea"}
    with pytest.raises(UserError, match="sync --rebuild"):
        reader.refresh()
    server.meanwhile = lambda: None
    new = Store.open(other)
    assert (best(new, "drinks"), best(new, "insects")) == ("Tea", "Bees")
    assert sync(other).embedded == 0


def test_a_model_that_wants_the_task_named_gets_it_before_each_text(made, server):
    wants = {"embedding_query_prefix": "search_query: ", "embedding_passage_prefix": "search_document: "}
    other = replace(at(made, server), **wants)
    sync(other, rebuild=True)
    assert len(server.texts) >= 3 and all(text.startswith("search_document: ") for text in server.texts)
    server.texts.clear()
    store = Store.open(other)
    assert retrieve(store, "drinks", k=2)[0].metadata.title == "Tea"
    assert server.texts[0] == "search_query: drinks"
    assert all(text.startswith("search_document: ") for text in server.texts[1:]) and server.texts[1:]
    for changed in (at(made, server), replace(other, embedding_query_prefix="query: ")):
        with pytest.raises(UserError, match="sync --rebuild"):
            Store.open(changed)
    with pytest.raises(UserError, match="which the built-in model does not know"):
        open_embedder(replace(made, **wants))


def test_a_re_embedding_that_fails_or_stops_leaves_the_old_index(made, server):
    other = at(made, server)
    server.faults = [401] * 9
    with pytest.raises(UserError, match="HTTP 401"):
        sync(other, rebuild=True)
    server.faults = []
    assert sync(other, rebuild=True, stop=lambda: bool(server.sizes[1:])).stopped
    assert best(Store.open(made), "drinks") == "Tea"
    with pytest.raises(UserError, match="sync --rebuild"):
        Store.open(other)


def test_another_model_behind_the_same_name_is_found_out(made, server):
    other = at(made, server)
    sync(other, rebuild=True)
    server.seed = 2
    with pytest.raises(UserError, match=r"serves another model than it did: run `python -m ingest sync --rebuild`"):
        sync(other)
    sync(other, rebuild=True)
    assert best(Store.open(other), "insects") == "Bees"


def test_the_packaged_embedder_keeps_no_record_of_the_machine(tmp_path):
    """onnxruntime's telemetry begins with an id and a queue of events in the home folder."""
    code = "from ingest.embed import LocalEmbedder; print(LocalEmbedder().embed(['a text']).shape)"
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        env=environment | home,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "(1, 384)"
    assert list(tmp_path.rglob("*")) == []


def test_an_endpoint_that_takes_fewer_texts_at_once_gets_them_in_halves(server):
    server.faults = [413, 422]
    vectors = EndpointEmbedder(server.url, "other", KEY).embed(TEXTS[:8])
    assert len(vectors) == 8 and server.sizes[-3:] == [2, 2, 4]
    server.faults = [413] * 8
    with pytest.raises(UserError, match="HTTP 413"):
        EndpointEmbedder(server.url, "other", KEY).embed(TEXTS[:8])
