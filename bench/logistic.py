"""Two labels told apart: logistic regression, and how well scores do. Knows nothing of what is fitted."""

import math

import numpy as np

ROUNDS = 50  # of Newton's method
CLOSE = 1e-6  # a step that changes no coefficient by more is the last


def fit(x: np.ndarray, y: np.ndarray, penalty: float) -> tuple[np.ndarray, float]:
    """Coefficients of the columns of `x` (n, d), and the constant, for labels `y` (n,) of 0 and 1, which weigh alike.

    `penalty` is that of a coefficient's square once columns have unit variance; the constant has none.
    """
    middle, scale = x.mean(axis=0), x.std(axis=0)
    scale = np.where(scale == 0, 1.0, scale)  # a column that is the same of all
    turn, spread, back = np.linalg.svd((x - middle) / scale, full_matrices=False)
    inner = _newton(np.column_stack([turn * spread, np.ones(len(y))]), np.asarray(y, float), penalty)
    weights = (inner[:-1] @ back) / scale
    return weights, float(inner[-1] - weights @ middle)


def _newton(z: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    weight = np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean()))
    ridge = np.array([*[penalty] * (z.shape[1] - 1), 0.0])
    w = np.zeros(z.shape[1])
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-z @ w))
        slope = z.T @ (weight * (p - y)) + ridge * w
        step = np.linalg.solve((z.T * (weight * p * (1 - p))) @ z + np.diag(ridge + 1e-9), slope)
        w = w - step
        if np.abs(step).max() < CLOSE:
            break
    return np.asarray(w)


def area_under_roc(scores: np.ndarray, positive: np.ndarray) -> float:
    """How often a positive case scores above a negative one, ties by half; nan without both."""
    high, low = scores[positive], scores[~positive]
    if not len(high) or not len(low):
        return math.nan
    return float(((high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()).round(4))
