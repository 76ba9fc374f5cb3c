"""What benches fit, and how well scores tell labels apart."""

import json

import numpy as np
import pytest

from bench import logistic
from bench.probe import folds
from ingest.settings import ROOT


def test_a_fit_is_where_the_penalised_loss_is_least() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=(60, 4)) * [1.0, 5.0, 0.1, 1.0] + [0.0, 3.0, 0.0, 0.0]
    y = (x[:, 0] + 0.2 * x[:, 1] + random.normal(size=60) > 1.0).astype(float)
    weights, constant = logistic.fit(x, y, 2.0)

    def loss(w: np.ndarray, c: float) -> float:
        alike = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
        odds = x @ w + c
        return float((alike * np.logaddexp(0, np.where(y == 1, -odds, odds))).sum() + ((w * x.std(axis=0)) ** 2).sum())

    least = loss(weights, constant)
    for _ in range(200):
        assert loss(weights + random.normal(size=4) * 0.01, constant + random.normal() * 0.01) > least


def test_more_columns_than_rows_and_one_that_is_the_same_of_all() -> None:
    random = np.random.default_rng(4)
    x = np.column_stack([random.normal(size=(20, 50)), np.ones(20)])
    y = (x[:, 0] > 0).astype(float)
    weights, constant = logistic.fit(x, y, 5.0)
    assert np.isfinite(weights).all() and weights[-1] == pytest.approx(0.0)
    assert logistic.area_under_roc(x @ weights + constant, y == 1) == 1.0


def test_the_area_is_how_often_a_positive_case_is_above_a_negative_one() -> None:
    scores, positive = np.array([3.0, 2.0, 2.0, 1.0]), np.array([True, False, True, False])
    assert logistic.area_under_roc(scores, positive) == 0.875
    assert np.isnan(logistic.area_under_roc(scores, np.ones(4, bool)))


def test_all_questions_about_an_article_are_in_one_fold() -> None:
    """Else the fit has seen the evidence of what it is judged by."""
    rows = [json.loads(line) for line in (ROOT / "bench/questions/news_train.jsonl").read_text("utf-8").splitlines()]
    number = dict(zip([row["id"] for row in rows], folds([row["id"] for row in rows]), strict=True))
    of = {(row["article"], number[row["id"]]) for row in rows}
    assert len(of) == len({row["article"] for row in rows}) == 39 and len(set(number.values())) > 6
    assert len(set(folds(["d01", "d02", "d30-s"]))) == 1
