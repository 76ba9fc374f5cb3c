"""The table of answers by model: every share over the questions that it applies to."""

from app.evaluate import Question
from bench.answers import shares, table

GOLD = ("Gold.",)


def asked(question_id: str, answerable: bool) -> Question:
    return Question(question_id, "?", (), (("x",),) if answerable else (), GOLD if answerable else (), "fact")


def answered(right: bool = False, gold: bool = False, abstained: bool = False) -> dict[str, bool]:
    return {"right": right, "cited_gold": gold, "abstained": abstained}


def test_each_share_is_over_the_questions_that_it_applies_to() -> None:
    questions = [asked("a", True), asked("b", True), asked("c", True), asked("d", True), asked("e", False)]
    answers = [answered(True, True), answered(gold=True), answered(abstained=True), answered(), answered(True)]
    found = shares(questions, answers)
    assert {name: (one["value"], one["n"]) for name, one in found.items()} == {
        "right": (0.25, 4),  # an answer to what cannot be answered is not right
        "cites_gold": (0.6667, 3),  # of those answered
        "unanswerable_refused": (0.0, 1),
        "answerable_refused": (0.25, 4),
    }
    assert all(one["low"] <= one["value"] <= one["high"] for one in found.values())


def test_a_row_tells_model_set_figures_and_run() -> None:
    found = {
        "shares": shares([asked("a", True)], [answered(True, True)]),
        "evaluate": {"questions": 1, "citations_verbatim": 1.0, "total_ms_median": 2100.0},
        "facts": {"date": "2026-11-26 12:00 UTC", "commit": "abc", "load": 0.5},
    }
    (row,) = table({"small": {"article": found}}).rows
    assert row == (
        "small", "article", "1", "100.0 (100.0-100.0)", "100.0 (100.0-100.0)", "-", "0.0 (0.0-0.0)", "100 %", "2.1 s",
        "2026-11-26 12:00 UTC, abc, load 0.5",
    )  # fmt: skip
