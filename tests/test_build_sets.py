"""bench/build_sets.py: sets built from the public data are sound and repeatable."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data")
UNANSWERABLE = {"squad": "unanswerable_removed", "news": "unanswerable_null"}

needs_data = pytest.mark.skipif(
    not (DATA / "retrieval").is_dir(), reason=f"no retrieval data in {DATA}: set BENCH_DATA to its folder"
)


def build(name, out, *options, data=DATA):
    command = [sys.executable, str(ROOT / "bench" / "build_sets.py"), name, str(out), *options]
    environment = {**os.environ, "BENCH_DATA": str(data)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", params=sorted(UNANSWERABLE))
def built(request, tmp_path_factory):
    """(name, questions, article texts without front matter) of a set of the default size."""
    out = tmp_path_factory.mktemp("sets")
    result = build(request.param, out)
    assert result.returncode == 0, result.stderr
    lines = (out / request.param / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [path.read_text(encoding="utf-8") for path in (out / request.param / "corpus").glob("*.md")]
    return (
        request.param,
        [json.loads(line) for line in lines],
        [text.split("\n---\n", 1)[1] for text in texts],
    )


@needs_data
def test_sizes_and_kinds(built):
    name, questions, _ = built
    kinds = [row["kind"] for row in questions]
    assert len(kinds) == 90
    assert kinds.count(UNANSWERABLE[name]) == 30
    assert len({row["id"] for row in questions}) == 90
    for row in questions:
        assert bool(row["answer"]) == bool(row["evidence"]) == (row["kind"] != UNANSWERABLE[name])


@needs_data
def test_evidence_is_in_one_article_of_the_corpus(built):
    _, questions, articles = built
    for row in questions:
        for quote in row["evidence"]:
            assert any(quote in text for text in articles), row["id"]


@needs_data
def test_an_accepted_answer_stands_in_the_evidence_of_squad(tmp_path):
    assert build("squad", tmp_path, "--seed", "11").returncode == 0
    rows = (tmp_path / "squad" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    for row in filter(lambda row: row["answer"], map(json.loads, rows)):
        assert any(text.lower() in row["evidence"][0].lower() for text in row["answer"][0]), row["id"]


@needs_data
def test_removed_squad_articles_are_gone(tmp_path):
    assert build("squad", tmp_path).returncode == 0
    rows = (tmp_path / "squad" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    removed = {row["id"][6:] for row in map(json.loads, rows) if row["kind"] == "unanswerable_removed"}
    folder = DATA / "retrieval" / "squad_new_wiki"
    passages = {row["doc_id"]: row for row in map(json.loads, (folder / "corpus.jsonl").open(encoding="utf-8"))}
    pairs = [line.split("\t") for line in (folder / "qrels.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    gone = {passages[passage]["title"] for query, passage, _ in pairs if query in removed}
    assert gone
    corpus = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "squad" / "corpus").iterdir())
    for row in passages.values():
        if row["title"] in gone:
            assert " ".join(row["text"].split()) not in corpus


@needs_data
def test_the_same_seed_gives_the_same_files_and_another_does_not(tmp_path):
    for out, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert build("news", tmp_path / out, "--seed", seed).returncode == 0
    assert files(tmp_path / "a") == files(tmp_path / "b") != files(tmp_path / "c")


@needs_data
def test_an_existing_corpus_is_not_overwritten(tmp_path):
    assert build("news", tmp_path, "--answerable", "2").returncode == 0
    before = files(tmp_path)
    again = build("news", tmp_path, "--answerable", "3")
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert files(tmp_path) == before


def test_without_the_data_it_says_so_in_one_line(tmp_path):
    result = build("squad", tmp_path / "out", data=tmp_path / "nowhere")
    assert result.returncode == 1
    assert re.fullmatch(r"There is no data in .*BENCH_DATA.*\n", result.stderr)
    assert not (tmp_path / "out").exists()


@needs_data
def test_news_train_says_of_each_question_whether_its_article_answers_it(tmp_path):
    result = build("news_train", tmp_path)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "news_train"
    texts = [path.read_text(encoding="utf-8") for path in sorted((out / "corpus").glob("*.md"))]
    rows = [json.loads(line) for line in (out / "train.jsonl").open(encoding="utf-8")]
    assert len(texts) == 39 and len({row["id"] for row in rows}) == len({row["question"] for row in rows}) == 374
    for row in rows:
        assert row["answerable"] is bool(row["evidence"])
        assert all(any(evidence in text for text in texts) for evidence in row["evidence"]), row["id"]


@needs_data
def test_whole_news_gives_each_question_the_evidence_that_its_spans_stand_for(tmp_path):
    result = build("whole_news", tmp_path)
    assert result.returncode == 0, result.stderr
    out = tmp_path / "whole_news"
    texts = [path.read_text(encoding="utf-8") for path in sorted((out / "corpus").glob("*.md"))]
    rows = [json.loads(line) for name in ("dev", "heldout") for line in (out / f"{name}.jsonl").open(encoding="utf-8")]
    assert len(texts) == 16 and len({row["id"] for row in rows}) == len(rows) == 128
    for row in rows:
        assert bool(row["answer"]) == bool(row["evidence"])
        assert all(sum(evidence in text for text in texts) == 1 for evidence in row["evidence"]), row["id"]
        assert all(re.match(r"\w", evidence) and len(evidence) > 10 for evidence in row["evidence"]), row["id"]
