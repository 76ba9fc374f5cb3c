"""Several models to choose from, tokens and price: through a real endpoint on loopback."""

import pytest

from app.answer import Usage
from app.embedded import physical_cores
from app.endpoint import Endpoint
from app.meter import Price, read_prices
from app.models import open_models
from ingest import UserError
from ingest.settings import load_settings
from tests.servers.faulty import FaultyServer

ASK = [{"role": "user", "content": "Hello?"}]


@pytest.fixture
def server():
    with FaultyServer() as running:
        yield running


@pytest.fixture
def opened(tmp_path):
    kept = []

    def start(**variables):
        kept.append(open_models(load_settings({"CACHE_DIR": str(tmp_path), **variables}, tmp_path / "no.env")))
        return kept[-1]

    yield start
    for models in kept:
        models.close()


def test_the_default_is_first_and_each_question_may_name_another(server, opened):
    models = opened(OPENAI_BASE_URL=server.url, CHAT_MODEL="good", CHAT_MODELS="thinks, good,picky")
    assert [entry["id"] for entry in models.listed()] == ["good", "thinks", "picky"]
    assert {entry["where"] for entry in models.listed()} == {server.url.split("/")[2]}
    for name in (None, "thinks", "picky"):
        model = models.get(name)
        assert (model.name, model.complete(ASK, max_tokens=9).text) == (name or "good", "Hello there.")
    assert [server.times(name) for name in ("good", "thinks")] == [1, 1]


def test_the_start_tells_what_leaves_the_machine(server, opened):
    here = {"OPENAI_BASE_URL": server.url, "CHAT_MODEL": "good"}
    assert opened(**here).describe() == f"Model: good at {server.url.split('/')[2]}, on this machine; " + (
        "nothing leaves this machine."
    )
    there = {"EMBEDDING_BASE_URL": "https://u:pw@vectors.example/v1", "CHROMA_URL": "https://chroma.example:8000"}
    line = opened(**here, **there).describe()
    assert line.endswith("questions and passages are sent to vectors.example and chroma.example:8000.")
    local = {"EMBEDDING_BASE_URL": "http://127.0.0.1:9/v1", "CHROMA_URL": "http://localhost:8000"}
    assert opened(**here, **local).describe().endswith("nothing leaves this machine.")


def test_without_a_default_the_first_of_the_list_is_it(server, opened):
    models = opened(OPENAI_BASE_URL=server.url, CHAT_MODELS="thinks,good")
    assert models.default.name == "thinks"
    assert models.describe().endswith("nothing leaves this machine. Also to choose: good.")


def test_where_no_model_is_named_the_start_names_the_one_that_is_asked_and_how_to_choose(server, opened):
    models = opened(OPENAI_BASE_URL=server.url)
    line = models.describe()
    assert line.startswith(f"Model: good at {server.url.split('/')[2]}, on this machine; nothing leaves")
    assert line.endswith("set it to choose another (there are also other).") and "CHAT_MODEL is not set" in line
    assert models.describe_one() == line and models.listed()[0]["name"] == "good"
    assert "CHAT_MODEL" not in opened(OPENAI_BASE_URL=server.url, CHAT_MODEL="other").describe()
    dead = opened(OPENAI_BASE_URL="http://127.0.0.1:9/v1").describe()
    assert dead.startswith("Model: the first model of 127.0.0.1:9 at") and "also" not in dead


def test_an_embedder_is_not_taken_for_a_chat_model():
    endpoint = Endpoint("http://127.0.0.1:9/v1", None)
    endpoint.take_first([{"id": "text-embedding-nomic"}, {"id": "qwen3"}, {"id": "gemma"}])
    assert endpoint.model == "qwen3"
    endpoint.take_first([{"id": "all-embed"}])
    assert endpoint.model == "all-embed"
    endpoint.take_first([])
    assert endpoint.model is None


def test_an_unknown_name_is_refused_with_the_choices(server, opened):
    with pytest.raises(UserError, match=r"'gpt-9' here: choose one of good, thinks"):
        opened(OPENAI_BASE_URL=server.url, CHAT_MODEL="good", CHAT_MODELS="thinks").get("gpt-9")


def test_embedded_models_are_loaded_when_first_chosen(opened, tmp_path):
    models = opened(CHAT_MODEL=str(tmp_path / "a.gguf"), CHAT_MODELS=f"{tmp_path / 'b.gguf'}")
    first, second = models.listed()
    assert (first["name"], second["name"], second["state"]) == ("a", "b", "unloaded")
    assert first["state"] in ("loading", "failed")
    assert {first["where"], second["where"]} == {"embedded"}


def test_a_model_that_memory_does_not_allow_is_refused_in_one_line_until_it_does(opened, tmp_path):
    huge = tmp_path / "huge.gguf"
    with huge.open("wb") as file:
        file.truncate(10**12)  # a hole: it takes no room on the disk
    models = opened(CHAT_MODEL=str(tmp_path / "a.gguf"), CHAT_MODELS=str(huge))
    assert models.listed()[1]["state"] == "unloaded"
    with pytest.raises(
        UserError, match=r"^The model huge needs about 1250\.3 GB of memory and \d+\.\d GB are free: .*\.$"
    ):
        models.get(str(huge)).complete(ASK, max_tokens=1)
    assert models.listed()[1]["state"] == "failed" and "huge needs about" in models.get(str(huge)).problem
    huge.write_bytes(b"GGUF" + bytes(4000))
    with pytest.raises(UserError, match=r"huge\.gguf could not be loaded"):
        models.get(str(huge)).complete(ASK, max_tokens=1)


def test_a_container_gets_no_more_threads_than_its_share_of_the_processor(tmp_path):
    share, all_cores = tmp_path / "cpu.max", physical_cores(tmp_path / "none")
    for told, cores in (("100000 100000\n", 1), ("50000 100000\n", 1), ("max 100000\n", all_cores)):
        share.write_text(told)
        assert physical_cores(share) == cores
    share.write_text(f"{100000 * all_cores - 1} 100000\n")
    assert physical_cores(share) == all_cores


def test_every_embedded_name_is_checked_at_the_start(opened):
    with pytest.raises(UserError, match="choose one of qwen"):
        opened(CHAT_MODELS="qwen2.5-coder-0.5b-instruct, gpt-9")


def test_tokens_of_all_requests_of_a_question_and_their_price(server, opened):
    models = opened(OPENAI_BASE_URL=server.url, CHAT_MODEL="good", CHAT_MODELS="thinks", CHAT_PRICE="1000000,0.5")
    asked = models.metered()
    assert asked.cost is None
    asked.complete(ASK, max_tokens=9)
    assert "".join(piece.text for piece in asked.stream(ASK, max_tokens=9)) == "Hello there."
    assert asked.usage == Usage(14, 4)
    assert asked.cost == pytest.approx(14 + 4 * 0.5e-6)
    other = models.metered("thinks")  # its endpoint tells no usage, and it has no price
    other.complete(ASK, max_tokens=9)
    assert (other.usage, other.cost) == (Usage(), None)


def test_prices_by_name():
    assert read_prices("0.40, 1.60", "m") == {"m": Price(0.4, 1.6)}
    assert read_prices("a/b=2,8; c=0,0;", "m") == {"a/b": Price(2, 8), "c": Price(0, 0)}
    assert read_prices(None, "m") == {}


@pytest.mark.parametrize("wrong", ["cheap", "1", "1,2,3", "a=1", "-1,2", "nan,1", "1,inf"])
def test_a_price_that_cannot_be_read_is_one_line(wrong):
    with pytest.raises(UserError, match="CHAT_PRICE has"):
        read_prices(wrong, "m")


def test_a_price_for_a_model_that_is_not_offered_is_refused(server, opened):
    with pytest.raises(UserError, match="CHAT_PRICE names gpt-9"):
        opened(OPENAI_BASE_URL=server.url, CHAT_MODEL="good", CHAT_PRICE="gpt-9=1,2")
