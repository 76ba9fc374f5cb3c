"""Killed at any moment: nothing lost, nothing doubled, nothing half shown, no human needed.

One seed is sixty kills. One runs always, five more nightly.
"""

import os
import random
import sys
from pathlib import Path

import pytest
from store_kit import ADD_PHASES, PHASES, article, change_corpus, kill_a_sync, settings_for, texts_of, visible

from ingest.add import add_sources
from ingest.catalog import Catalog
from ingest.corpus import corpus_files, read_document, write_document
from ingest.embed import open_embedder
from ingest.health import check
from ingest.settings import Settings
from ingest.sync import sync

KILLS, ADD_KILLS = 60, 10
SEEDS = [20261124, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 6))]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


@pytest.mark.timeout(480)
@pytest.mark.parametrize("seed", SEEDS)
def test_sixty_kills(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
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


@pytest.mark.timeout(480)
@pytest.mark.parametrize("seed", SEEDS)
def test_killed_while_it_adds(tmp_path: Path, seed: int) -> None:
    """Between reading, the corpus, the receipts and the index: added again, every source is there once."""
    rng = random.Random(seed)
    settings, folder = settings_for(tmp_path / "killed"), tmp_path / "in"
    folder.mkdir()
    struck = 0
    for kill in range(ADD_KILLS):
        for _ in range(3):
            document = article(rng, 1)
            (folder / f"{document.document_id[:8]}.md").write_text(document.text, encoding="utf-8")
        changed = rng.choice(sorted(folder.iterdir()))
        changed.write_text(changed.read_text("utf-8") + f" Changed {kill}.", encoding="utf-8")
        phase = ADD_PHASES[kill % len(ADD_PHASES)]
        struck += kill_a_sync(settings, phase, rng.uniform(0, 0.03), [str(folder)])
        assert all(read_document(path).text for path in corpus_files(settings.corpus_dir))
    assert struck > ADD_KILLS / 2
    assert add_sources(settings, [str(folder)]).failed == ()
    sync(settings)
    assert visible(settings) == texts_of(settings)
    wanted = sorted(path.read_text("utf-8").strip() for path in folder.iterdir())
    assert sorted(read_document(path).text for path in corpus_files(settings.corpus_dir)) == wanted
    assert check(settings) == []


def test_what_a_kill_left_half_written_is_swept_when_it_is_old(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    old, new = (settings.corpus_dir / f".writing-{name}.tmp" for name in ("old", "new"))
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (1, 1))
    sync(settings)
    assert (old.exists(), new.exists()) == (False, True)
