"""An embedding endpoint that fails does not end a question: passages are found by words, and the answer says so."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from app.answer import Finished, Retrieved, Turn
from app.ask import NO_MODEL, STOPPED, Road
from app.evidence import conversation
from app.retrieve import retrieve
from ingest import UserError
from ingest.embed_endpoint import FEW_RETRIES
from ingest.settings import ROOT
from ingest.sync import sync
from tests.servers.embeddings import EmbeddingsServer
from tests.servers.faulty import FaultyServer
from tests.servers.scripted import ScriptedServer

QUESTION = "How many special economic zones is North Korea developing?"
OTHER = "How many economic zones does North Korea develop?"


@pytest.fixture(scope="module")
def embeddings():
    with EmbeddingsServer() as running:
        yield running


@pytest.fixture(scope="module")
def settings(embeddings, seed_settings, tmp_path_factory):
    with FaultyServer() as chat:
        chat.says_yes = True
        settings = replace(
            seed_settings, index_dir=tmp_path_factory.mktemp("words") / "index", embedding_base_url=embeddings.url,
            embedding_model="other", openai_base_url=chat.url, chat_model="cites", chat_models=("unauthorized",),
        )  # fmt: skip
        sync(settings)
        yield settings


@pytest.fixture(scope="module")
def road(settings):
    road = Road.open(settings)
    yield road
    road.close()


@pytest.fixture
def dead(embeddings):
    embeddings.faults = [503] * 99
    yield
    embeddings.faults = []


def answer(road, question, **more):
    *_, last = road.ask(question, **more)
    assert isinstance(last, Finished)
    return last.answer


def test_passages_are_found_by_words_and_the_notice_names_the_fault(road, embeddings, dead):
    found = answer(road, QUESTION)
    assert [(s.verdict, len(s.citations)) for s in found.sentences] == [("supported", 1)]
    assert found.passages[0].score > found.passages[-1].score and {hit.dense for hit in found.passages} == {0.0}
    assert found.notice == (
        "The passages were found by words alone, not by meaning. The embedding endpoint "
        f"{embeddings.url} (model 'other') failed: HTTP 503. "
        "Check EMBEDDING_BASE_URL, EMBEDDING_MODEL and EMBEDDING_API_KEY."
    )


def test_a_model_that_fails_too_is_told_of_beside_it(road, dead):
    found = answer(road, QUESTION, model="unauthorized")
    assert found.notice.startswith("The passages were found by words alone")
    assert "OPENAI_API_KEY" in found.notice and found.notice.endswith(NO_MODEL)
    assert found.sentences and all(sentence.quoted for sentence in found.sentences)


def test_words_that_no_passage_has_are_an_abstention_that_says_so(road, dead):
    found = answer(road, "Quousque tandem abutere?")
    assert found.abstained and found.notice.startswith("The passages were found by words alone")


def test_the_command_line_says_both(road, embeddings, dead, run):
    settings = road.store._settings
    done = run(
        "app", "ask", "Quousque tandem abutere?", CORPUS_DIR=settings.corpus_dir, INDEX_DIR=settings.index_dir,
        EMBEDDING_BASE_URL=embeddings.url, EMBEDDING_MODEL="other",
        OPENAI_BASE_URL=settings.openai_base_url, CHAT_MODEL="cites",
    )  # fmt: skip
    first, second, *_ = done.stdout.splitlines()
    assert first == "The sources do not say." and second.startswith("The passages were found by words alone")


def test_an_endpoint_that_is_back_is_asked_again(road):
    found = answer(road, QUESTION)
    assert not found.notice and found.passages[0].dense > 0


def test_who_asks_for_passages_alone_is_told_of_the_fault(road, dead):
    with pytest.raises(UserError, match="failed: HTTP 503"):
        retrieve(road.store, OTHER)


def test_an_endpoint_that_dies_between_a_query_and_its_sentences_is_done_without(road, embeddings):
    embeddings.meanwhile = lambda: setattr(embeddings, "faults", [503] * 99)
    try:
        found = answer(road, "How many economic zones are there in North Korea?")
    finally:
        embeddings.meanwhile, embeddings.faults = lambda: None, []
    assert found.notice.startswith("The passages were found by words alone")
    assert found.sentences[0].verdict == "supported"


@pytest.fixture
def hangs(embeddings):
    """An endpoint that takes a request and says nothing, until the test is over; the event is set once it has one."""
    asked, over = threading.Event(), threading.Event()
    embeddings.meanwhile = lambda: asked.set() or over.wait(90)
    yield asked
    over.set()
    embeddings.meanwhile = lambda: None


def test_a_stop_does_not_wait_for_an_endpoint_that_hangs(road, embeddings, hangs):
    stopped = threading.Event()
    threading.Thread(target=lambda: hangs.wait(60) and stopped.set(), daemon=True).start()
    before = len(embeddings.keys)
    found = answer(road, "Which zones did North Korea open?", cancelled=stopped)
    assert found.notice == STOPPED and not found.abstained and not found.passages
    assert len(embeddings.keys) == before + 1, "it was waited for, and asked again"


def test_a_question_that_is_stopped_leaves_what_was_read_for_its_conversation(road):
    answer(road, QUESTION)
    kept = road.conversations.get(conversation([QUESTION], None))
    stopped = threading.Event()
    stopped.set()
    answer(road, QUESTION, cancelled=stopped)
    assert kept and road.conversations.get(conversation([QUESTION], None)) == kept


def test_a_command_that_is_stopped_does_not_wait_for_an_endpoint_that_hangs(road, hangs, settings):
    """The thread that waits for it has 20 s, and at the end of Python all threads are waited for.

    `kill` is taken as Ctrl-C is, which a shell has its background commands ignore.
    """
    places = {"CORPUS_DIR": settings.corpus_dir, "INDEX_DIR": settings.index_dir}
    places |= {"EMBEDDING_BASE_URL": settings.embedding_base_url, "EMBEDDING_MODEL": "other"}
    places |= {"OPENAI_BASE_URL": settings.openai_base_url, "CHAT_MODEL": "cites"}
    environ = os.environ | {name: str(value) for name, value in places.items()}
    process = subprocess.Popen([sys.executable, "-m", "app", "ask", OTHER], cwd=ROOT, env=environ)
    try:
        assert hangs.wait(60)
        process.terminate()
        assert process.wait(timeout=15) == 130
    finally:
        process.kill()


def test_a_rewriting_that_fails_searches_no_second_time(road):
    talk = [Turn(QUESTION, "It is developing 13.")]
    shown = [event for event in road.ask("And why are they developed?", talk) if isinstance(event, Retrieved)]
    assert [bool(event.evidence) for event in shown] == [False, True]


def test_an_endpoint_that_fails_is_not_asked_again_for_the_rewritten_question(road, embeddings, dead):
    with ScriptedServer() as script:
        settings = replace(road.store._settings, openai_base_url=script.url, chat_model="scripted", chat_models=())
        other = Road.open(settings)
        before = len(embeddings.keys)
        talk = [Turn(QUESTION, "It is developing 13.")]
        shown = [one.query for one in other.ask("And who develops them?", talk) if isinstance(one, Retrieved)]
        other.close()
    assert shown == [f"{QUESTION} And who develops them?"] * 2 + ["And who develops them?"]
    assert len(embeddings.keys) == before + FEW_RETRIES + 1
