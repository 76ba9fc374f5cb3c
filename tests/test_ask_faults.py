"""Every fault of an endpoint through the whole road: a plain line, what was written stands, asking again works.

The store, the checker and the HTTP are real; the endpoint is the scripted server.
"""

import socket
import threading
from dataclasses import replace

import pytest

from app.abstention import grounds
from app.answer import Finished, Turn
from app.ask import NO_MODEL, Road
from app.check import Checker
from app.client import Limits
from app.draft import Draft
from app.endpoint import Endpoint
from app.model import ChatModel
from app.models import Models, open_models
from ingest.store import Store
from tests.servers.faulty import FaultyServer
from tests.test_model import FAULTS, KEY, PATIENT, SHORT

QUESTION = "How many special economic zones is North Korea developing?"
TALK = (Turn("What is North Korea's total food production?", "About 5.03 million tons."),)
WRITTEN = {name for name, (_, text, _) in FAULTS.items() if text}


@pytest.fixture(scope="module")
def server():
    with FaultyServer() as running:
        running.says_yes = True
        yield running


@pytest.fixture(scope="module")
def store(seed_settings):
    store = Store.open(seed_settings)
    yield store
    store.close()


@pytest.fixture(scope="module")
def road(server, store):
    """All models of the faulty server, each with the limits under which its fault shows."""
    names = ["good", *FAULTS, "busy_once", "cites", "small", "thinks_unopened"]
    models = {
        name: ChatModel(Endpoint(server.url, name), KEY, None, SHORT.get(name, PATIENT))
        for name in dict.fromkeys(names)
    }
    road = Road(store, Models(models), Checker(store.embedder.embed))
    yield road
    road.models.close()


def answer(road, model, history=()):
    *_, last = road.ask(QUESTION, history, model=model)
    assert isinstance(last, Finished)
    return last.answer


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_told_and_nothing_is_lost(road, server, fault):
    _, _, word = FAULTS[fault]
    found = answer(road, fault, TALK)
    assert word in found.notice and "\n" not in found.notice and KEY not in found.notice
    assert not found.abstained
    assert (found.question, found.passages[0].metadata.title) == (QUESTION, "North Korea’s Own Pivot to ASEAN")
    if fault in WRITTEN:
        assert [(s.text, s.verdict, s.quoted) for s in found.sentences] == [("Half an", "unsupported", False)]
        assert "incomplete" in found.notice and found.model == fault
    else:
        assert found.sentences and all(s.quoted and s.citations for s in found.sentences)
        assert NO_MODEL in found.notice and found.model is None
    # The conversation goes on: the same question, asked again, is answered.
    again = answer(road, "cites", (*TALK, Turn(QUESTION, " ".join(s.text for s in found.sentences))))
    assert [(s.verdict, len(s.citations)) for s in again.sentences] == [("supported", 1)]
    assert again.model == "cites" and not again.notice


def test_a_fault_while_the_endpoint_is_found_out_is_told_too(road, server):
    server.says_yes = False
    try:
        for fault in ("unauthorized", "silent"):
            found = answer(road, fault)
            assert FAULTS[fault][2] in found.notice
            assert found.sentences and all(s.quoted for s in found.sentences)
    finally:
        server.says_yes = True


def test_an_endpoint_that_tells_no_probabilities_has_no_view_rather_than_an_even_one(road):
    draft = Draft(QUESTION, road.models.metered("cites"), threading.Event())
    list(road.retrieve(draft, (), None))
    list(road.sentences(draft, road.checker.start(QUESTION, draft.evidence)))
    assert draft.sentences and draft.holds is None
    assert grounds(draft) is None and road.gate.stands(draft)


def test_retry_after_is_honoured(road):
    found = answer(road, "busy_once")
    assert not found.notice or "429" not in found.notice
    assert found.model == "busy_once"


@pytest.mark.parametrize("kind", ["refused", "dns", "tls"])
def test_no_connection_at_all(store, seed_settings, server, kind, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = {
            "refused": f"http://127.0.0.1:{free.getsockname()[1]}/v1",
            "dns": "http://no-such-host.invalid/v1",
            "tls": server.url.replace("http:", "https:"),
        }[kind]
        models = open_models(replace(seed_settings, openai_base_url=url, chat_model="good"))
        if kind == "dns":
            monkeypatch.setattr(socket, "getaddrinfo", _unknown)
        found = answer(Road(store, models, Checker(store.embedder.embed)), None)
        models.close()
    assert "OPENAI_BASE_URL" in found.notice and NO_MODEL in found.notice
    assert found.sentences and all(s.quoted for s in found.sentences)


def _unknown(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_the_limits_are_ours_and_not_the_clients():
    assert (Limits().connect, Limits().first_token, Limits().stall) == (5, 60, 30)


def test_a_model_that_reads_little_is_given_the_best_of_the_evidence(road, server):
    found = answer(road, "small")
    assert [(s.verdict, len(s.citations)) for s in found.sentences] == [("supported", 1)] and not found.notice
    asked = [body["messages"][-1]["content"].count("\n[") for body in server.requests if body["model"] == "small"]
    assert asked == sorted(asked, reverse=True) and len(asked) > 1 and asked[-1] <= 3


def test_thinking_without_its_beginning_is_no_part_of_the_answer(road):
    found = answer(road, "thinks_unopened")
    assert "Let me see" not in " ".join(sentence.text for sentence in found.sentences)
