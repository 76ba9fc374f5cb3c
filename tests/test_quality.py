"""Quality does not fall below what it was: the quick subset of the benches against bench/floors.json."""

from dataclasses import replace

import pytest

from bench import gate
from ingest.store import Store

FLOORS = gate.read_floors()


def holds(figures):
    verdicts = gate.hold(list(figures), FLOORS)
    for verdict in verdicts:
        print(f"{verdict.figure.name}: {verdict.figure.value:.4f}, floor {verdict.floor}")
    faults = [f"{v.figure.name} {v.fault}" for v in verdicts if v.fault]
    assert not faults, "; ".join(faults)
    return verdicts


def test_article_retrieval_and_evidence(seed_settings):
    store = Store.open(seed_settings)
    assert len(holds(gate.article_figures(store))) == 2
    store.close()


def test_article_claims():
    assert len(holds(gate.checker_figures())) == 1


def test_retrieval_on_samples_of_public_sets(bench_data, tmp_path):
    assert holds(gate.set_figures(tmp_path))


def test_extraction_on_a_sample_of_pages(bench_data):
    assert holds(gate.extraction_figures())


@pytest.mark.parametrize("name", FLOORS)
def test_the_gate_closes_on_a_figure_that_fell(name):
    pinned = FLOORS[name]
    figure = gate.Figure(name, pinned["data"], (pinned["low"] - 0.01,))
    (fell,) = gate.hold([figure], FLOORS)
    (moved,) = gate.hold([replace(figure, data="other", values=(1.0,))], FLOORS)
    (kept,) = gate.hold([replace(figure, values=(pinned["value"],))], FLOORS)
    assert "below" in fell.fault and "data changed" in moved.fault and not kept.fault


def test_a_floor_falls_only_with_a_reason_that_stays():
    old = {"f": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 2, "data": "d", "lowered": []}}
    fell = gate.Figure("f", "d", (0.5, 0.7))
    assert gate.pin([fell], old) == old
    lowered = gate.pin([fell], old, "f", "the set's labels were mended")["f"]
    assert lowered["value"] == 0.6
    assert lowered["lowered"] == [{"from": 0.9, "to": 0.6, "why": "the set's labels were mended"}]
    assert gate.pin([gate.Figure("f", "d", (0.9, 1.0))], {"f": lowered})["f"]["lowered"] == lowered["lowered"]
