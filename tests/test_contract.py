"""The public contract, through the command line as a user has it: commands, JSON shapes, bad input."""

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from app.weights import chosen_weights
from ingest.settings import ROOT, Settings, load_settings

Cli = Callable[..., "CompletedProcess[str]"]

DOCUMENT = {"document_id", "title", "author", "published", "url", "origin", "path", "characters", "passages"}
PASSAGE = {"document_id", "title", "start", "end", "text", "score"}
CITATION = {"document_id", "title", "url", "start", "end", "quote"}
SENTENCE = {"text", "verdict", "citations"}
ANSWER = {"id", "question", "query", "abstained", "sentences", "passages", "model", "timings"}
TIMINGS = {"retrieve_ms", "first_token_ms", "total_ms"}

BEES = "# On bees\n\nA hive holds one queen. Workers live for six weeks in summer.\n\nDrones have no sting.\n"
TEA = "---\ntitle: Tea\nauthor: A. Leaf\npublished: 2024-05-01\n---\n\nGreen tea is not oxidised.\n"


def bound(run: Cli, folder: Path) -> Cli:
    """`run` with a corpus and an index of its own below `folder`."""
    places = {"CORPUS_DIR": folder / "corpus", "INDEX_DIR": folder / "index"}

    def start(*arguments: object, **more: Any) -> "CompletedProcess[str]":
        return run(*arguments, **(places | more))

    return start


@pytest.fixture
def cli(run: Cli, tmp_path: Path) -> Cli:
    """Commands on an empty corpus; a test may change it."""
    return bound(run, tmp_path)


@pytest.fixture(scope="module")
def seed(run: Cli, seed_settings: Settings) -> Cli:
    """Commands on the shared, indexed seed article; read only."""
    return bound(run, seed_settings.corpus_dir.parent)


def ok(done: "CompletedProcess[str]") -> str:
    """The output of a command that must work."""
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def rows(done: "CompletedProcess[str]") -> list[dict[str, Any]]:
    """The JSON objects, one a line, of a command that must work."""
    return [json.loads(line) for line in ok(done).splitlines()]


def fails(done: "CompletedProcess[str]", *words: str) -> str:
    """The one line of a command that must refuse: exit status 2, no traceback, `words` in the line."""
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert lines, "it refused without a word"
    for word in words:
        assert word.lower() in lines[-1].lower()
    return lines[-1]


def one_line(done: "CompletedProcess[str]", *words: str) -> None:
    """Like `fails`, and the line is all that there is."""
    line = fails(done, *words)
    assert done.stderr.strip() == line
    assert not done.stdout.strip()


@pytest.fixture(scope="module")
def shown(seed: Cli) -> dict[str, str]:
    """The stored text of every document, as `ingest show` prints it."""
    return {
        row["document_id"]: ok(seed("ingest", "show", row["document_id"]))
        for row in rows(seed("ingest", "list", "--json"))
    }


def exact(span: dict[str, Any], text: str, shown: dict[str, str]) -> None:
    """The span is the stored characters."""
    assert 0 <= span["start"] < span["end"]
    assert shown[span["document_id"]][span["start"] : span["end"]] == text


# --- the lower floor ---------------------------------------------------------------------------


def test_add_list_show_remove(cli: Cli, tmp_path: Path):
    (tmp_path / "bees.md").write_text(BEES, "utf-8")
    (tmp_path / "tea.md").write_text(TEA, "utf-8")
    ok(cli("ingest", "add", tmp_path / "bees.md", tmp_path / "tea.md"))

    listed = {row["title"]: row for row in rows(cli("ingest", "list", "--json"))}
    assert set(listed) == {"On bees", "Tea"}
    tea = listed["Tea"]
    assert set(tea) == DOCUMENT
    assert (tea["author"], tea["published"], tea["url"]) == ("A. Leaf", "2024-05-01", None)
    assert Path(tea["origin"]).name == "tea.md"
    assert (tmp_path / "corpus" / tea["path"]).is_file()
    assert tea["passages"] >= 1

    text = ok(cli("ingest", "show", tea["document_id"]))
    assert len(text) == tea["characters"]
    assert "Green tea is not oxidised." in text
    assert "Tea" in ok(cli("ingest", "list"))

    ok(cli("ingest", "remove", tea["document_id"]))
    assert [row["title"] for row in rows(cli("ingest", "list", "--json"))] == ["On bees"]
    assert not (tmp_path / "corpus" / tea["path"]).exists()
    found = rows(cli("app", "search", "green tea", "--json"))[0]["passages"]
    assert tea["document_id"] not in {passage["document_id"] for passage in found}


def test_a_folder_is_added_whole_and_the_same_text_once(cli: Cli, tmp_path: Path):
    folder = tmp_path / "in" / "deeper"
    folder.mkdir(parents=True)
    for place in (folder / "bees.md", tmp_path / "in" / "copy.md"):
        place.write_text(BEES, "utf-8")
    (folder / "tea.md").write_text(TEA, "utf-8")
    ok(cli("ingest", "add", tmp_path / "in"))
    assert sorted(row["title"] for row in rows(cli("ingest", "list", "--json"))) == ["On bees", "Tea"]


def test_sync_makes_the_index_equal_the_corpus(cli: Cli, tmp_path: Path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "bees.md").write_text(BEES, "utf-8")
    ok(cli("ingest", "sync"))
    before = rows(cli("ingest", "list", "--json"))
    (corpus / "bees.md").write_text(BEES.replace("six weeks", "seven weeks"), "utf-8")
    (corpus / "tea.md").write_text(TEA, "utf-8")
    ok(cli("ingest", "sync"))
    after = {row["title"]: row for row in rows(cli("ingest", "list", "--json"))}
    assert set(after) == {"On bees", "Tea"}
    assert after["On bees"]["document_id"] != before[0]["document_id"]
    assert "seven weeks" in ok(cli("ingest", "show", after["On bees"]["document_id"]))
    (corpus / "bees.md").unlink()
    ok(cli("ingest", "sync"))
    assert [row["title"] for row in rows(cli("ingest", "list", "--json"))] == ["Tea"]


def test_deleting_the_index_gives_the_same_ids_again(cli: Cli, tmp_path: Path):
    shutil.copytree(ROOT / "corpus", tmp_path / "corpus")
    (tmp_path / "corpus" / "bees.md").write_text(BEES, "utf-8")

    def state() -> tuple[Any, Any]:
        ok(cli("ingest", "sync"))
        listed = sorted(rows(cli("ingest", "list", "--json")), key=lambda row: row["document_id"])
        return listed, rows(cli("app", "search", "economic zones", "--json", "-k", 50))

    first = state()
    shutil.rmtree(tmp_path / "index")
    assert state() == first


# --- search and ask ----------------------------------------------------------------------------


def test_search_prints_passages_best_first(seed: Cli, shown: dict[str, str]):
    (found,) = rows(seed("app", "search", "special economic zones", "--json", "-k", 3))
    assert set(found) == {"id", "query", "passages"}
    assert found["query"] == "special economic zones"
    assert 1 <= len(found["passages"]) <= 3
    assert "special economic zones" in found["passages"][0]["text"]
    scores = [passage["score"] for passage in found["passages"]]
    assert scores == sorted(scores, reverse=True)
    for passage in found["passages"]:
        assert set(passage) == PASSAGE
        exact(passage, passage["text"], shown)


def test_search_batch_keeps_order_and_ids(seed: Cli, tmp_path: Path):
    questions = ["Who is Geoffrey See?", "What was discussed in Russia?", "food production"]
    lines = [{"id": f"q{n}", "question": text} for n, text in enumerate(questions)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    found = rows(seed("app", "search", "--batch", tmp_path / "q.jsonl", "--json"))
    assert [(row["id"], row["query"]) for row in found] == [(row["id"], row["question"]) for row in lines]


@pytest.fixture(scope="module")
def answers(seed: Cli, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """One run of the embedded model over a fact, a follow-up and a question that has no answer here."""
    history = ["How many special economic zones is North Korea developing?", "North Korea is developing 13."]
    lines = [
        {"id": "fact", "question": "How much food aid did Russia agree to give?", "history": []},
        {"id": "follow-up", "question": "What is their purpose?", "history": history},
        {"id": "absent", "question": "What is the boiling point of tungsten?"},
    ]
    file = tmp_path_factory.mktemp("ask") / "q.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    return rows(seed("app", "ask", "--batch", file, "--json", timeout=340))


def test_ask_answers_every_line_in_the_shape_of_the_contract(answers: list[dict[str, Any]]):
    assert [answer["id"] for answer in answers] == ["fact", "follow-up", "absent"]
    for answer in answers:
        assert set(answer) == ANSWER
        assert set(answer["timings"]) == TIMINGS
        assert answer["abstained"] == (not answer["sentences"])
        for sentence in answer["sentences"]:
            assert set(sentence) == SENTENCE
            assert sentence["verdict"] in ("supported", "unsupported")
            assert sentence["text"].strip()
            for citation in sentence["citations"]:
                assert set(citation) == CITATION
        for passage in answer["passages"]:
            assert set(passage) == PASSAGE


def test_every_citation_is_the_stored_characters(answers: list[dict[str, Any]], shown: dict[str, str]):
    citations = [c for answer in answers for s in answer["sentences"] for c in s["citations"]]
    assert citations
    for citation in citations:
        exact(citation, citation["quote"], shown)
    for answer in answers:
        for passage in answer["passages"]:
            exact(passage, passage["text"], shown)


def test_the_fact_is_written_by_the_model_and_cited(answers: list[dict[str, Any]]):
    fact = answers[0]
    assert not fact["abstained"]
    assert fact["model"]
    assert fact["timings"]["first_token_ms"] is not None
    assert any("50,000" in c["quote"] for s in fact["sentences"] for c in s["citations"])


def test_a_supported_sentence_has_a_citation(answers: list[dict[str, Any]]):
    for answer in answers:
        for sentence in answer["sentences"]:
            assert sentence["citations"] or sentence["verdict"] == "unsupported"


def test_what_the_article_does_not_say_is_not_answered(answers: list[dict[str, Any]]):
    absent = answers[2]
    assert absent["abstained"]
    assert absent["sentences"] == []


def no_model(seed: Cli, cache: Path, shown: dict[str, str]) -> dict[str, Any]:
    """The answer without a model: quotes from the sources, and nobody is said to have written it."""
    question = "How much food aid did Russia agree to give?"
    (answer,) = rows(seed("app", "ask", question, "--json", CACHE_DIR=cache))
    assert answer["model"] is None
    assert answer["sentences"]
    for sentence in answer["sentences"]:
        (citation,) = sentence["citations"]
        assert sentence["text"] == citation["quote"]
        exact(citation, citation["quote"], shown)
    plain = seed("app", "ask", question, CACHE_DIR=cache)
    assert "No model wrote this" in ok(plain)
    return {"answer": answer, "plain": plain.stdout + plain.stderr}


def test_missing_weights_are_named_and_the_sources_quoted(seed: Cli, tmp_path: Path, shown: dict[str, str]):
    assert "missing" in no_model(seed, tmp_path, shown)["plain"]


def test_damaged_weights_are_named_and_the_sources_quoted(seed: Cli, tmp_path: Path, shown: dict[str, str]):
    settings = load_settings({"CACHE_DIR": str(tmp_path)}, dotenv=tmp_path / "none")
    weights = chosen_weights(settings)
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"GGUF" + bytes(1000))
    assert weights.name in no_model(seed, tmp_path, shown)["plain"]


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ask", "search"])
@pytest.mark.parametrize("question", ["", "  \n\t "], ids=["empty", "blank"])
def test_empty_question(seed: Cli, command: str, question: str):
    one_line(seed("app", command, question, "--json"), "empty")


@pytest.mark.parametrize("command", ["ask", "search"])
def test_question_of_a_hundred_thousand_characters(seed: Cli, command: str):
    one_line(seed("app", command, "why " * 25_000, "--json"), "characters")


def test_corpus_file_that_is_not_text_costs_no_other(cli: Cli, tmp_path: Path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "bees.md").write_text(BEES, "utf-8")
    (corpus / "bad.md").write_bytes(b"\xff\xfe\x00\x80 not text \x9f")
    done = cli("ingest", "sync")
    fails(done)
    assert "bad.md" in done.stderr
    assert "bees.md" not in done.stderr
    assert [row["title"] for row in rows(cli("ingest", "list", "--json"))] == ["On bees"]
    assert (corpus / "bad.md").exists()


@pytest.mark.parametrize("place", ["index", "index/deeper"])
def test_index_folder_that_cannot_be_written(cli: Cli, tmp_path: Path, place: str):
    """A file stands in its place: the tests may run as root, whom no mode stops."""
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "bees.md").write_text(BEES, "utf-8")
    (tmp_path / "index").write_text("here first", "utf-8")
    fails(cli("ingest", "sync", INDEX_DIR=tmp_path / place), "index")
    fails(cli("app", "search", "bees", "--json", INDEX_DIR=tmp_path / place), "index")
    assert (tmp_path / "index").read_text("utf-8") == "here first"


def test_corpus_folder_that_is_a_file(cli: Cli, tmp_path: Path):
    (tmp_path / "corpus").write_text("not a folder", "utf-8")
    fails(cli("ingest", "sync"), "corpus")


def test_port_in_use(seed: Cli):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        fails(seed("app", "--port", port, timeout=60), str(port), "in use")


def test_address_for_all_without_log_in(seed: Cli):
    fails(seed("app", "--host", "0.0.0.0", "--port", 0, timeout=60), "APP_AUTH")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("ingest", "add", "no-such-file.md"), "no-such-file.md"),
        (("ingest", "show", "feedbeef"), "feedbeef"),
        (("ingest", "remove", "feedbeef"), "feedbeef"),
        (("app", "ask", "why?", "--source", "feedbeef"), "feedbeef"),
        (("app", "ask", "--batch", "no-such.jsonl", "--json"), "no-such.jsonl"),
        (("app", "search", "why?", "-k", "0"), "-k"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else value,
)
def test_what_is_not_there(seed: Cli, arguments: tuple[str, ...], word: str):
    fails(seed(*arguments), word)


def test_batch_file_that_is_not_questions(seed: Cli, tmp_path: Path):
    (tmp_path / "q.jsonl").write_text('{"id": "a", "question": "why?"}\nnot json\n', "utf-8")
    fails(seed("app", "ask", "--batch", tmp_path / "q.jsonl", "--json"), "line 2")


def test_a_bad_line_of_a_batch_costs_no_other(seed: Cli, tmp_path: Path):
    asked = [{"id": "a", "question": ""}, {"id": "b", "question": "w" * 2001}, {"id": "c", "question": "food"}]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in asked), "utf-8")
    found = rows(seed("app", "search", "--batch", tmp_path / "q.jsonl", "--json"))
    assert [line["id"] for line in found] == ["a", "b", "c"]
    assert "empty" in found[0]["error"] and "2,000" in found[1]["error"]
    assert found[2]["passages"]


def test_a_history_of_another_shape_and_a_line_separator_in_a_text_cost_no_answer(seed: Cli, tmp_path: Path):
    lines = ['{"id": "a", "question": "x", "history": 5}', '{"id": "b", "question": "x", "history": ["x", null]}']
    lines += ['{"id": "c", "question": "What is\u2028said?"}']
    (tmp_path / "q.jsonl").write_text("\n".join(lines), "utf-8")
    done = seed("app", "ask", "--batch", tmp_path / "q.jsonl", "--json", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    found = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert [one["id"] for one in found] == ["a", "b", "c"]
    assert "history" in found[0]["error"] and "history" in found[1]["error"] and found[2]["sentences"]
    assert "Traceback" not in done.stderr


def test_batch_file_that_is_a_folder(seed: Cli, tmp_path: Path):
    line = fails(seed("app", "ask", "--batch", tmp_path, "--json"), "cannot be read")
    assert "Errno" not in line and line.count(str(tmp_path)) == 1


def test_setting_that_makes_no_sense(seed: Cli):
    one_line(seed("ingest", "list", OPENAI_BASE_URL="ftp://models"), "OPENAI_BASE_URL")


@pytest.mark.parametrize("module", ["ingest", "app"])
def test_help_names_every_command(run: Cli, module: str):
    help_text = ok(run(module, "--help"))
    commands = {"ingest": "add sync list show remove watch", "app": "ask search evaluate doctor"}[module].split()
    for command in commands:
        assert command in help_text
        assert len(ok(run(module, command, "--help")).splitlines()) > 3
