"""`app evaluate`: a question file -> the right figures, as a table and as JSON, for the model that is configured."""

import json
from pathlib import Path

import pytest

from tests.servers.scripted import ScriptedServer

GOLD = "Furthermore, North Korea is developing 13 special economic zones, and the purpose of these zones is to"
ROWS = [
    {"id": "right", "question": "How many special economic zones is North Korea developing?",
     "answer": [["13", "thirteen"]], "evidence": [GOLD], "kind": "fact"},
    {"id": "half", "question": "How many special economic zones are there, and what is their purpose?",
     "answer": [["13"], ["a purpose that nobody tells"]], "evidence": [GOLD], "kind": "multi"},
    {"id": "refused", "question": "Which protein folds chromatin?", "answer": [], "evidence": [], "kind": "far"},
    {"id": "answered", "question": "Who pays for the special economic zones?",
     "answer": [], "evidence": []},
    {"id": "open", "question": "Nobody has said what is right", "answer": None, "evidence": [], "kind": "open"},
]  # fmt: skip
ZONES = "North Korea is developing 13 special economic zones. <<13 special economic zones>>\n"


@pytest.fixture(scope="module")
def evaluate(run, seed_settings, tmp_path_factory):
    """`evaluate(*options)`: the command over ROWS, whose questions a scripted model answers all alike."""
    path = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8")
    places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
    with ScriptedServer() as script:
        script.replies = {"": ZONES + "It sold 40 submarines to Brazil in 1987. [1]"}
        yield lambda *options: run(
            "app", "evaluate", path, *options, OPENAI_BASE_URL=script.url, CHAT_MODEL="scripted", **places
        )


def test_the_figures_are_those_of_the_answers(evaluate, tmp_path: Path):
    done = evaluate("--json", "--details", tmp_path / "details.jsonl")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"all", "fact", "multi", "far"}, (
        "a line without a known answer is left out, and no kind is no group"
    )
    figures = found["all"]
    assert figures["questions"] == 4
    assert figures["answer_right"] == 0.5, "an answer with one of two facts is not right"
    assert figures["citation_hit"] == figures["citations_verbatim"] == 1.0
    assert figures["refusal_recall"] == 0.5 and figures["refusal_precision"] == 1.0
    assert figures["false_refusals"] == 0.0
    assert figures["sentences_marked"] == 3 and figures["sentences_uncited"] == 0
    assert figures["sentences"] >= 6
    assert 0 < figures["total_ms_median"] <= figures["total_ms_p95"]
    assert figures["model"] == "scripted"
    assert found["far"]["answer_right"] is None, "nothing was to be answered"
    details = [json.loads(line) for line in (tmp_path / "details.jsonl").read_text("utf-8").splitlines()]
    assert [(one["id"], one["abstained"], one["right"]) for one in details][:2] == [
        ("right", False, True),
        ("half", False, False),
    ]
    assert figures["total_ms_p95"] <= max(one["timings"]["total_ms"] for one in details) + 0.1


def test_the_table_says_the_same(evaluate):
    done = evaluate()
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()]
    table = {row[0]: dict(zip(rows[0][1:], row[1:], strict=True)) for row in rows if len(row) == len(rows[0])}
    assert table["answer right"]["all"] == "50.0 %" and table["answer right"]["far"] == "-"
    assert table["refusal recall"]["all"] == "50.0 %" and table["sentences marked"]["all"] == "3"
