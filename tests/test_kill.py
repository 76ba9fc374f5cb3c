"""Killed at any moment: nothing lost, nothing doubled, nothing half shown, no human needed."""

import os
import random
import sys
from pathlib import Path

import pytest
from store_kit import PHASES, article, change_corpus, kill_a_sync, settings_for, texts_of, visible

from ingest.catalog import Catalog
from ingest.corpus import corpus_files, write_document
from ingest.embed import open_embedder
from ingest.health import check
from ingest.settings import Settings
from ingest.sync import sync

KILLS = int(os.environ.get("KILL_POINTS") or 60)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


@pytest.mark.timeout(max(240, KILLS * 8))
def test_sixty_kills(tmp_path: Path) -> None:
    rng = random.Random(20261124)
    settings = settings_for(tmp_path / "killed")
    embedder = open_embedder(settings)
    for _ in range(6):
        change_corpus(settings, rng)
    sync(settings, embedder=embedder)
    struck = 0
    for kill in range(KILLS):
        before = visible(settings)
        change_corpus(settings, rng)
        phase = PHASES[kill // 2 % len(PHASES)] if kill % 2 else ""
        struck += kill_a_sync(settings, phase, rng.uniform(0, 0.015 if phase else 0.8))
        assert visible(settings) in (before, texts_of(settings)), f"kill {kill} in {phase or 'any phase'}"
        if rng.random() < 0.6:  # else the next kill strikes what this one left
            report = sync(settings, embedder=embedder)
            assert not report.rebuilt, f"kill {kill} in {phase or 'any phase'}: {report.rebuilt}"
            assert visible(settings) == texts_of(settings)
    sync(settings, embedder=embedder)
    assert struck > KILLS / 2, "too few kills struck a sync at work to mean anything"
    assert check(settings) == []
    assert {path.name for path in (settings.index_dir / "chroma").iterdir()} == {
        Catalog.open(settings.index_dir).meta("build")
    }, "what dead runs and readers left is swept"
    _same_as_fresh(settings, tmp_path / "fresh")


def _same_as_fresh(settings: Settings, folder: Path) -> None:
    """The index that went through all this equals one made in peace, passage for passage."""
    fresh = settings_for(folder)
    for path in corpus_files(settings.corpus_dir):
        (fresh.corpus_dir / path.name).write_bytes(path.read_bytes())
    sync(fresh)
    ours, theirs = Catalog.open(settings.index_dir), Catalog.open(fresh.index_dir)
    assert sorted(ours.passage_ids()) == sorted(theirs.passage_ids())
    assert ours.documents() == theirs.documents()


def test_a_killed_sync_keeps_what_it_embedded(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    rng = random.Random(7)
    for _ in range(40):
        write_document(settings.corpus_dir, article(rng, 5))
    assert kill_a_sync(settings, "ingest.builds:seal", 0)
    report = sync(settings)
    assert report.documents == 40
    assert report.embedded == 0
