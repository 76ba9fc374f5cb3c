"""Doctor tries each part by using it: through the command line, with a real endpoint on loopback."""

import shutil

import pytest

from tests.servers.faulty import FaultyServer


@pytest.fixture(scope="module")
def server():
    with FaultyServer() as running:
        yield running


@pytest.fixture
def doctor(run, seed_settings, server):
    """`doctor(CHAT_MODEL=...)` -> exit status, and the line of each part."""

    def start(**variables):
        places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
        done = run("app", "doctor", **({"OPENAI_BASE_URL": server.url, "CHAT_MODEL": "good"} | places | variables))
        assert "Traceback" not in done.stderr + done.stdout
        lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
        return done.returncode, {name.split()[1]: (name.split()[0], line) for name, line in lines.items()}

    return start


def test_all_works(doctor):
    status, found = doctor()
    assert status == 0
    assert [(part, word) for part, (word, _) in found.items()] == [
        (part, "works") for part in ("corpus", "embedder", "index", "model")
    ]
    assert "13 passages" in found["index"][1] and "384 dimensions" in found["embedder"][1]
    assert "It replies 'Hello there.'" in found["model"][1]


@pytest.mark.parametrize(
    "variables, mend",
    [
        ({"CHAT_MODEL": "unauthorized", "OPENAI_API_KEY": "sk-wrong-wrong"}, "OPENAI_API_KEY"),
        ({"CHAT_MODEL": "missing"}, "It has: good, other"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, "Start the model server"),
        ({"OPENAI_BASE_URL": "", "CHAT_MODEL": "/nowhere/x.gguf"}, "/nowhere/x.gguf is missing"),
    ],
    ids=["wrong key", "unknown model", "nobody there", "no file"],
)
def test_a_model_that_cannot_be_used(doctor, variables, mend):
    status, found = doctor(**variables)
    assert status == 1
    word, line = found["model"]
    assert word == "FAULT" and mend in line and "sk-wrong" not in line
    assert found["index"][0] == "works"


def test_a_broken_index_and_a_missing_one(doctor, seed_settings, tmp_path):
    broken = shutil.copytree(seed_settings.index_dir, tmp_path / "index")
    for path in (broken / "chroma").rglob("*.sqlite3"):
        path.write_bytes(b"not a database")
    status, found = doctor(INDEX_DIR=broken)
    assert status == 1
    assert found["index"][0] == "FAULT" and "python -m ingest sync" in found["index"][1]
    status, found = doctor(INDEX_DIR=tmp_path / "none")
    assert found["index"][0] == "FAULT" and "python -m ingest sync" in found["index"][1]
    assert found["model"][0] == "works"
