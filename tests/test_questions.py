"""The sets in bench/questions/ are sound: evidence is in the article, facts are in the evidence."""

import json
import re
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MIXED = ("dev", "heldout")  # all kinds of questions
SETS = {name: ROOT / "bench" / "questions" / f"article_{name}.jsonl" for name in (*MIXED, "followups")}
ANSWERABLE = {
    "fact", "list", "why", "compare", "quote", "multi", "yesno", "paraphrase",
    "summary", "followup", "followup_standalone", "typo",
}  # fmt: skip
UNANSWERABLE = {"unanswerable_near", "unanswerable_far", "injection"}
EXTRACTIVE = {"fact", "list", "quote", "multi", "followup", "followup_standalone", "typo"}
PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-"})


def read(name):
    return [json.loads(line) for line in SETS[name].read_text(encoding="utf-8").splitlines()]


def plain(text):
    text = re.sub(r"(?<=\d),(?=\d)", "", text.translate(PLAIN).lower())
    return " ".join(text.split())


@pytest.fixture(scope="module")
def articles():
    """The texts of the corpus without their front matter."""
    files = sorted((ROOT / "corpus").glob("*.md"))
    assert files, "corpus/ holds no article"
    return [re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL) for path in files]


@pytest.mark.parametrize("name", SETS)
def test_lines_have_the_documented_shape(name):
    for row in read(name):
        assert list(row) == ["id", "question", "history", "answer", "evidence", "kind"]
        assert row["question"].strip() == row["question"] != ""
        assert len(row["history"]) % 2 == 0, f"{row['id']}: a history ends with the assistant's turn"
        assert all(fact and all(text.strip() for text in fact) for fact in row["answer"]), row["id"]


def test_ids_are_unique_over_all_sets():
    ids = [row["id"] for name in SETS for row in read(name)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", SETS)
def test_kind_tells_whether_the_article_has_the_answer(name):
    for row in read(name):
        answered = bool(row["answer"])
        assert answered == bool(row["evidence"]), row["id"]
        assert row["kind"] in ((ANSWERABLE if answered else UNANSWERABLE) | {"false_premise"}), row["id"]


@pytest.mark.parametrize("name", MIXED)
def test_each_kind_is_there_and_about_six_in_ten_are_answerable(name):
    rows = read(name)
    assert {row["kind"] for row in rows} == ANSWERABLE | UNANSWERABLE | {"false_premise"}
    assert 0.55 <= sum(bool(row["answer"]) for row in rows) / len(rows) <= 0.65


@pytest.mark.parametrize("name", SETS)
def test_evidence_is_an_exact_substring_of_the_article(name, articles):
    for row in read(name):
        for quote in row["evidence"]:
            assert any(quote in text for text in articles), f"{row['id']}: not in the corpus: {quote}"


@pytest.mark.parametrize("name", SETS)
def test_facts_of_extractive_questions_stand_in_their_evidence(name):
    for row in read(name):
        if row["kind"] not in EXTRACTIVE:
            continue
        evidence = plain(" ".join(row["evidence"]))
        for fact in row["answer"]:
            assert any(plain(text) in evidence for text in fact), f"{row['id']}: {fact}"


@pytest.mark.parametrize("name", SETS)
def test_repeating_the_question_is_never_a_right_answer(name):
    for row in read(name):
        asked = plain(row["question"])
        assert not [text for fact in row["answer"] for text in fact if plain(text) in asked], row["id"]


@pytest.mark.parametrize("name", SETS)
def test_follow_ups_have_a_standalone_twin(name):
    rows = {row["id"]: row for row in read(name)}
    leaning = [row for row in rows.values() if row["kind"] == "followup"]
    alone = [row for row in rows.values() if row["kind"] == "followup_standalone"]
    assert {row["id"] + "-s" for row in leaning} == {row["id"] for row in alone}
    for row in leaning:
        twin = rows[row["id"] + "-s"]
        assert row["history"] and not twin["history"]
        assert (row["answer"], row["evidence"]) == (twin["answer"], twin["evidence"])


def test_the_sets_share_no_question():
    sets = [{re.sub(r"\W+", " ", plain(row["question"])).strip() for row in read(name)} for name in SETS]
    for one, other in combinations(sets, 2):
        assert not one & other


def test_both_sets_together_cover_every_paragraph(articles):
    quotes = [quote for name in SETS for row in read(name) for quote in row["evidence"]]
    article = max(articles, key=lambda text: sum(quote in text for quote in quotes))
    paragraphs = [text for text in re.split(r"\n\s*\n", article) if len(text) > 200]
    assert len(paragraphs) >= 10
    for paragraph in paragraphs:
        assert any(quote in paragraph for quote in quotes), f"no question about: {paragraph[:80]}"
