"""The probe of the packaged model: what it reads is what the model computed, and it is asked of no other."""

import asyncio
import json
import math
import random
import threading
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from app import confirm, gates, prompt
from app.answer import Finished
from app.ask import STOPPED, Road
from app.check import Checker
from app.client import ChatClient
from app.endpoint import Capabilities, Endpoint
from app.faults import ModelError
from app.model import LOCAL_LIMITS, ChatModel, open_model
from app.models import Models
from app.probe import FILE, LEAST, Probe, Weights, features, packaged_probe
from app.weights import MODELS
from bench.probe import asked_in, digest
from ingest.store import Store
from tests.servers.scripted import HELD, NOT_HELD, ScriptedServer

YES, NO = 9454, 2753  # in the packaged model's tokenizer
QUESTION = "How many special economic zones is North Korea developing?"
RIGHT = "North Korea is developing 13 special economic zones. <<13 special economic zones>>\n"
_YES = Weights(np.array([0.5, -0.5]), 0.0)  # the log-odds of the first of two tokens
PROBE = Probe("", (1, 2), {"holds": _YES, "confirmed": _YES})
TEXT = [{"role": "user", "content": "The ferry leaves at nine. Does it leave at nine? Yes or No."}]


def test_features_are_logits_of_the_tokens_in_order_less_their_mean():
    logits = {7: 2.0, 3: -1.0, 9: 0.5}
    total = sum(math.exp(one) for one in logits.values())
    shares = [(token, math.exp(one) / total) for token, one in logits.items()]
    random.Random(1).shuffle(shares)
    assert features((3, 7, 9), shares) == pytest.approx([-1.5, 1.5, 0.0])
    assert features((3, 7), [(7, 1.0)])[0] == pytest.approx(math.log(LEAST) / 2), "too unlikely to be told"


def test_log_odds_are_linear_in_the_logits():
    probe = Probe("", (1, 2), {"holds": Weights(np.array([2.0, -2.0]), 0.25), "confirmed": Weights(np.zeros(2), -1.0)})
    shares = [(1, 0.8), (2, 0.2)]
    assert probe.log_odds("holds", shares) == pytest.approx(2 * math.log(4) + 0.25)
    assert probe.log_odds("confirmed", shares) == -1.0
    assert probe.log_odds("holds", ()) is None, "an endpoint that told nothing"


def test_the_probe_in_use_is_of_the_packaged_model_alone(seed_settings, monkeypatch):
    monkeypatch.setattr("app.model.EmbeddedServer.start", lambda _: None)
    probe = packaged_probe()
    assert open_model(seed_settings).probe is probe
    assert open_model(seed_settings, "qwen2.5-coder-0.5b-instruct").probe is None
    assert probe.sha256 == MODELS[0].sha256
    assert {len(one.tokens) for one in probe.weights.values()} == {len(probe.tokens)} == {len(set(probe.tokens))}
    assert {YES, NO} < set(probe.tokens)
    assert json.loads(FILE.read_text("utf-8"))["support"] == gates.PROBED.support, "both of one fit"


def test_the_probe_in_use_was_fitted_to_the_words_in_which_the_model_is_asked():
    """After a change of prompt or confirmation: `python -m bench.probe --save`."""
    assert json.loads(FILE.read_text("utf-8"))["texts"] == digest()


@pytest.mark.parametrize(
    ("module", "name"),
    [(prompt, "SYSTEM"), (prompt, "_HOLDS"), (prompt, "_TALK"), (confirm, "SYSTEM"), (confirm, "_EXAMPLES")],
)
def test_logits_of_other_words_are_kept_elsewhere(monkeypatch, module, name):
    before, words = asked_in(), getattr(module, name)
    monkeypatch.setattr(module, name, f"{words} Please." if isinstance(words, str) else words[:-1])
    assert asked_in() != before and asked_in().parent == before.parent
    monkeypatch.undo()
    assert asked_in() == before


def test_what_is_told_are_the_models_own_logits(model_server):
    tokens = (YES, NO, *range(1000, 1100))
    model = ChatModel(Endpoint(model_server.base_url, "served"), model_server.api_key)
    try:
        asked = model.complete(TEXT, max_tokens=0, tokens=tokens)
        said = dict(model.complete(TEXT, max_tokens=1, logprobs=20).logprobs)
    finally:
        model.close()
    shares = dict(asked.shares)
    assert set(tokens) <= shares.keys() and sum(shares[one] for one in tokens) == pytest.approx(1.0, abs=1e-3)
    assert math.log(shares[YES] / shares[NO]) == pytest.approx(said["Yes"] - said["No"], abs=0.3)
    assert said["Yes"] > said["No"]


@pytest.fixture
def script():
    with ScriptedServer() as script:
        script.says, script.replies = 0.9, {QUESTION: RIGHT}
        yield script


@contextmanager
def served(script, seed_settings, probe=None, limits=LOCAL_LIMITS):
    """The road over the seed article with a scripted model, of which a probe is known or not."""
    store = Store.open(seed_settings)
    known = Capabilities(grammar=True, json_schema=True, logprobs=True, context_tokens=4096)
    model = ChatModel(Endpoint(script.url, "scripted", capabilities=known), "none", None, limits)
    model.believed, model.probe = True, probe
    road = Road(store, Models({"scripted": model}), Checker(store.embedder.embed))
    try:
        yield road
    finally:
        road.close()


def answered(road, **options):
    *_, last = road.ask(QUESTION, **options)
    assert isinstance(last, Finished)
    return last.answer


def test_a_model_without_a_probe_is_never_asked_for_logits(script, seed_settings):
    with served(script, seed_settings) as road:
        assert not answered(road).abstained
    confirming = [body for body in script.bodies if body["messages"][0]["content"] == confirm.SYSTEM]
    assert confirming and not any("logit_bias" in body for body in script.bodies)


@pytest.mark.parametrize(
    ("says", "belief", "held"),
    [(0.6, HELD, True), (0.6, NOT_HELD, False), (0.2, HELD, True), (0.2, NOT_HELD, False), (0.001, HELD, False)],
)
def test_both_views_decide_together(script, seed_settings, says, belief, held):
    script.says, script.belief = says, belief
    with served(script, seed_settings, PROBE) as road:
        found = answered(road)
    assert found.abstained is not held and found.model == "scripted"
    for body in script.bodies:
        assert body["messages"][-1]["role"] == ("user" if "logit_bias" in body else "assistant")
        assert body.get("logit_bias") in (None, [[1, 100.0], [2, 100.0]]) and body["max_tokens"] > 0


def test_a_confirmation_that_fails_leaves_the_evidence_to_decide(script, seed_settings, monkeypatch):
    """Not as if it had been given: an answer of which the model thinks little does not stand for a fault."""
    complete = ChatModel.complete

    def failing(model, messages, **options):
        if messages[0]["content"] == confirm.SYSTEM:
            raise ModelError("server", "Down.")
        return complete(model, messages, **options)

    monkeypatch.setattr(ChatModel, "complete", failing)
    for says, held in ((0.9, True), (0.05, False)):
        script.says = says
        with served(script, seed_settings, PROBE) as road:
            assert answered(road).abstained is not held


def test_a_server_that_tells_no_shares_is_a_fault_and_no_open_gate(script, seed_settings):
    script.silent = True
    with served(script, seed_settings, PROBE) as road:
        found = answered(road)
    assert "does not tell how likely" in found.notice
    assert found.sentences and all(one.quoted for one in found.sentences)


def test_a_stop_while_logits_are_asked_for_is_no_refusal(script, seed_settings, monkeypatch):
    cancelled = threading.Event()
    search = ChatClient._shares

    async def stopping(client, *arguments):
        cancelled.set()
        async for piece in search(client, *arguments):
            await asyncio.sleep(0.2)
            yield piece

    monkeypatch.setattr(ChatClient, "_shares", stopping)
    with served(script, seed_settings, PROBE) as road:
        found = answered(road, cancelled=cancelled)
    assert STOPPED in found.notice and not found.abstained


def test_one_turn_is_held_over_the_logits_and_the_answer(script, seed_settings):
    """Else another's reading would push out of the cache what has just been read."""
    with served(script, seed_settings, PROBE, replace(LOCAL_LIMITS, at_once=1)) as road:
        threads = [threading.Thread(target=answered, args=(road,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    kinds = ["holds" if "logit_bias" in body else "answer" for body in script.bodies if _of_evidence(body)]
    assert kinds == ["holds", "answer"] * 3


def _of_evidence(body):
    return body["messages"][0]["content"] == prompt.SYSTEM


@pytest.mark.parametrize("holds", [-20.0, -1.0, 0.0, 1.0, 20.0])
def test_what_no_confirmation_could_save_is_without_hope_and_nothing_else(holds):
    best = gates.Grounds(holds, 99.0, 1.0, gates.PROBED)
    assert gates.hopeless(holds, gates.PROBED) is not gates.answerable(best)
    assert gates.hopeless(-20.0, gates.PROBED) and not gates.hopeless(20.0, gates.PROBED)
    assert not gates.answerable(gates.Grounds(-20.0, None, 1.0, gates.PROBED))


@pytest.mark.parametrize(
    ("question", "held"),
    [
        (QUESTION, True),
        ("What did Ri Kil-song eat in Vientiane?", False),
    ],
)
def test_the_road_declines_by_the_probe(model_server, seed_settings, question, held):
    store = Store.open(seed_settings)
    model = ChatModel(Endpoint(model_server.base_url, "served"), model_server.api_key)
    model.believed, model.probe = True, packaged_probe()
    road = Road(store, Models({"served": model}), Checker(store.embedder.embed))
    try:
        *_, last = road.ask(question)
    finally:
        model.close()
        store.close()
    assert isinstance(last, Finished) and last.answer.abstained is not held
