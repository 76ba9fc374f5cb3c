"""Doctor tries each part by using it: with a real endpoint on loopback."""

import shutil
from dataclasses import replace

import pytest

from app.doctor import examine
from app.weights import embedded_models
from ingest.sync import sync
from tests.servers.embeddings import EmbeddingsServer
from tests.servers.faulty import FaultyServer


@pytest.fixture(scope="module")
def server():
    with FaultyServer() as running:
        yield running


@pytest.fixture
def doctor(seed_settings, server):
    """`doctor(chat_model=...)` -> the finding of each part."""

    def start(**changed):
        settings = replace(seed_settings, **({"openai_base_url": server.url, "chat_model": "good"} | changed))
        return {finding.part: finding for finding in examine(settings)}

    return start


def test_all_works(doctor):
    found = doctor()
    assert [(part, finding.works) for part, finding in found.items()] == [
        (part, True) for part in ("corpus", "embedder", "index", "model")
    ]
    assert "13 passages" in found["index"].line and "384 dimensions" in found["embedder"].line
    assert "It replies 'Hello there.'" in found["model"].line


@pytest.mark.parametrize(
    "changed, mend",
    [
        ({"chat_model": "unauthorized", "openai_api_key": "sk-wrong-wrong"}, "OPENAI_API_KEY"),
        ({"chat_model": "missing"}, "It has: good, other"),
        ({"openai_base_url": "http://127.0.0.1:9/v1"}, "Start the model server"),
        ({"openai_base_url": None, "chat_model": "/nowhere/x.gguf"}, "/nowhere/x.gguf is missing"),
    ],
    ids=["wrong key", "unknown model", "nobody there", "no file"],
)
def test_a_model_that_cannot_be_used(doctor, changed, mend):
    found = doctor(**changed)
    assert not found["model"].works
    assert mend in found["model"].line and "\n" not in found["model"].line and "sk-wrong" not in found["model"].line
    assert found["index"].works


def test_the_question_has_room_for_models_that_take_no_fewer_than_sixteen_tokens(doctor, server):
    assert doctor(chat_model="scant")["model"].works
    assert doctor(chat_model=None)["model"].line.startswith("Model: good at ")


def test_a_context_that_is_too_small_is_told_with_the_setting(doctor):
    assert doctor()["model"].line.endswith("and reads 4,096 tokens at once.")
    for cuts in ("cuts", "cuts_untold"):
        line = doctor(chat_model=cuts)["model"].line
        assert "reads only 2,048 tokens at once" in line and "OLLAMA_CONTEXT_LENGTH" in line
    assert doctor(chat_model="reads_all")["model"].line.endswith("It replies 'Hello there.'.")


def test_damaged_weights_of_the_right_size_are_found(doctor, seed_settings, tmp_path):
    own = embedded_models(seed_settings)[0].path(seed_settings)
    damaged = tmp_path / "models" / own.name
    damaged.parent.mkdir()
    shutil.copyfile(own, damaged)
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    found = doctor(openai_base_url=None, chat_model=None, cache_dir=tmp_path)["model"]
    assert not found.works and "is damaged" in found.line and "make install" in found.line


def test_each_model_that_may_be_chosen_is_asked(doctor):
    found = doctor(chat_model=None, chat_models=("good", "picky"))["model"]
    assert found.works and found.line.count("It replies") == 2
    assert not doctor(chat_models=("missing",))["model"].works


def test_a_broken_index_and_a_missing_one(doctor, seed_settings, tmp_path):
    broken = shutil.copytree(seed_settings.index_dir, tmp_path / "index")
    for path in (broken / "chroma").rglob("*.sqlite3"):
        path.write_bytes(b"not a database")
    for folder in (broken, tmp_path / "none"):
        found = doctor(index_dir=folder)
        assert not found["index"].works and "python -m ingest sync" in found["index"].line
        assert found["model"].works


def test_another_model_behind_the_same_endpoint_and_name_is_found_out(doctor, seed_settings, tmp_path):
    with EmbeddingsServer() as endpoint:
        places = {"embedding_base_url": endpoint.url, "embedding_model": "same", "index_dir": tmp_path / "index"}
        sync(replace(seed_settings, **places))
        assert doctor(**places)["index"].works
        endpoint.seed = 2
        found = doctor(**places)
    assert found["embedder"].works
    assert not found["index"].works and "python -m ingest sync --rebuild" in found["index"].line


def test_the_command_says_each_part_and_fails_when_one_does(run, seed_settings, server):
    places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
    done = run("app", "doctor", OPENAI_BASE_URL=server.url, CHAT_MODEL="unauthorized", **places)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert [line.split(":")[0].split() for line in done.stdout.splitlines()] == [
        ["works", "corpus"], ["works", "embedder"], ["works", "index"], ["FAULT", "model"],
    ]  # fmt: skip
