"""Which models are believed: one that tells the built-in cases apart, and no other."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.ask import Road
from app.calibration import CASES, believed
from app.check import Checker
from app.endpoint import Endpoint
from app.model import ChatModel, open_model
from app.models import Models, open_models
from app.prompt import talk
from ingest.store import Store
from tests.servers.scripted import NOT_HELD, ScriptedServer

QUESTION = "How many special economic zones is North Korea developing?"
RIGHT = "Yes\nNorth Korea is developing 13 special economic zones. <<13 special economic zones>>\n"
WRONG = "Yes\nNorth Korea is developing 40 special economic zones. <<13 special economic zones>>\n"


@pytest.fixture
def script():
    with ScriptedServer() as script:
        script.says = 0.95
        yield script


@pytest.fixture
def models(script, seed_settings):
    models = open_models(replace(seed_settings, openai_base_url=script.url, chat_model="scripted"))
    yield models
    models.close()


@pytest.mark.parametrize(
    ("discerning", "says", "expected"),
    [(True, 0.5, True), (False, 0.99, False), (False, 0.5, False), (False, 0.01, False)],
    ids=["tells them apart", "Yes to all", "as likely as not to all", "No to all"],
)
def test_a_model_is_believed_that_tells_the_cases_apart(script, models, discerning, says, expected):
    script.discerning, script.says = discerning, says
    assert believed(models.metered()) is expected
    script.discerning = not discerning
    assert believed(models.metered()) is models.default.believed is expected, "it is remembered"


def test_a_model_is_not_believed_where_the_grammar_alone_says_yes(script, models):
    """Log-probabilities after the grammar's mask: the model itself would tell the cases apart."""
    script.masked = True
    assert not believed(models.metered()) and models.default.believed is False
    script.masked, models.default.believed = False, None
    assert believed(models.metered())


def test_the_cases_are_put_as_a_question_is(script, seed_settings, models):
    script.replies = {QUESTION: RIGHT}
    store = Store.open(seed_settings)
    try:
        list(Road(store, models, Checker(store.embedder.embed)).ask(QUESTION))
    finally:
        store.close()
    asked = [body for body in script.bodies if body["messages"][: len(talk())] == talk()]
    assert len(asked) == 1 + len(CASES)
    given = [body.keys() - {"max_tokens"} for body in asked]
    assert all("grammar" in keys and keys == given[0] for keys in given)


def test_a_case_that_cannot_be_asked_is_no_fault_and_asked_again(script, seed_settings, models):
    nobody = open_models(replace(seed_settings, openai_base_url="http://127.0.0.1:9/v1", chat_model="none"))
    try:
        assert not believed(nobody.metered())
        assert nobody.default.believed is None
    finally:
        nobody.close()
    cancelled = threading.Event()
    cancelled.set()
    assert not believed(models.metered(cancelled=cancelled))
    assert models.default.believed is None
    assert believed(models.metered())


def test_a_model_that_thinks_is_not_believed_and_is_asked_no_more(script, models):
    script.thinks = True
    assert not believed(models.metered()) and len(script.cases) <= 2
    asked = len(script.cases)
    assert not believed(models.metered()) and len(script.cases) == asked, "it is remembered"


@pytest.mark.parametrize("says", [0.05, 0.45], ids=["without hope", "doubtful"])
def test_of_a_model_that_is_not_believed_the_check_alone_decides(script, seed_settings, models, says):
    """The same odds end the answer of a model that is believed."""
    script.says, script.belief = says, NOT_HELD
    store = Store.open(seed_settings)
    road = Road(store, models, Checker(store.embedder.embed))

    def ask(reply: str):
        script.replies = {"": reply}
        *_, last = road.ask(QUESTION)
        return last.answer

    try:
        assert ask(RIGHT).abstained
        script.discerning, models.default.believed = False, None
        answer = ask(RIGHT)
        assert not answer.abstained and answer.sentences[0].verdict == "supported"
        assert ask(WRONG).abstained
    finally:
        store.close()


def test_the_model_that_the_gate_was_fitted_to_is_not_asked_and_others_are(seed_settings, monkeypatch):
    monkeypatch.setattr("app.model.EmbeddedServer.start", lambda _: None)
    packaged = open_model(seed_settings)
    small = open_model(seed_settings, "qwen2.5-coder-0.5b-instruct")
    assert packaged.believed and small.believed is None


def test_the_model_that_the_gate_was_fitted_to_tells_the_cases_apart(model_server):
    """Behind an endpoint nothing tells that it is the same: it must pass as any other."""
    model = ChatModel(Endpoint(model_server.base_url, "served"), model_server.api_key)
    try:
        assert believed(Models({"served": model}).metered())
    finally:
        model.close()


def test_an_embedded_model_is_judged_before_the_first_question(script, seed_settings):
    running = SimpleNamespace(state="ready", base_url=script.url, api_key="none", stop=lambda: None)
    model, store = ChatModel(Endpoint("", "scripted"), "", running), Store.open(seed_settings)
    try:
        Road(store, Models({"scripted": model}), Checker(store.embedder.embed)).warm()
        for thread in threading.enumerate():
            if thread.name == "warm-model":
                thread.join(60)
        assert model.believed
    finally:
        model.close()
        store.close()
