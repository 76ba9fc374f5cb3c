"""The probe of the packaged model: what it reads is what the model computed, and it is asked of no other."""

import json
import math
import random

import numpy as np
import pytest

from app import gates
from app.answer import Finished
from app.ask import Road
from app.check import Checker
from app.endpoint import Endpoint
from app.model import ChatModel, open_model
from app.models import Models
from app.probe import FILE, LEAST, Probe, Weights, features, packaged_probe
from app.weights import MODELS
from ingest.store import Store
from tests.servers.faulty import FaultyServer

YES, NO = 9454, 2753  # in the packaged model's tokenizer
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


def test_what_is_told_are_the_models_own_logits(model_server):
    tokens = (YES, NO, *range(1000, 1100))
    model = ChatModel(Endpoint(model_server.base_url, "served"), model_server.api_key)
    try:
        asked = model.complete(TEXT, max_tokens=1, tokens=tokens)
        said = dict(model.complete(TEXT, max_tokens=1, logprobs=20).logprobs)
    finally:
        model.close()
    shares = dict(asked.shares)
    assert set(tokens) <= shares.keys() and sum(shares[one] for one in tokens) == pytest.approx(1.0, abs=1e-3)
    assert math.log(shares[YES] / shares[NO]) == pytest.approx(said["Yes"] - said["No"], abs=0.05)
    assert said["Yes"] > said["No"]


def test_no_endpoint_is_asked_for_logits(seed_settings):
    with FaultyServer() as server:
        server.says_yes = True
        store = Store.open(seed_settings)
        model = ChatModel(Endpoint(server.url, "copies"), "none")
        road = Road(store, Models({"copies": model}), Checker(store.embedder.embed))
        try:
            list(road.ask("How many special economic zones is North Korea developing?"))
        finally:
            road.close()
        assert server.requests and not any("logit_bias" in request for request in server.requests)


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("How many special economic zones is North Korea developing?", True),
        ("Which countries did the delegation that set out on January 22 visit?", True),
        ("How many soldiers does the army of North Korea have?", False),
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
