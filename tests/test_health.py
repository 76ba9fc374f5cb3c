"""The check finds whatever is wrong with an index, and nothing wrong with a sound one."""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from chromadb.errors import ChromaError
from store_kit import article, settings_for

from ingest import builds
from ingest.catalog import Catalog
from ingest.corpus import write_document
from ingest.health import check
from ingest.index import VectorIndex
from ingest.settings import Settings
from ingest.sync import sync


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = settings_for(tmp_path_factory.mktemp("sound"))
    for seed in range(3):
        write_document(settings.corpus_dir, article(random.Random(seed)))
    sync(settings)
    return settings


@pytest.fixture
def settings(sound: Settings, tmp_path: Path) -> Settings:
    """A copy to damage."""
    copied = settings_for(tmp_path / "copy")
    shutil.copytree(sound.index_dir, copied.index_dir)
    return copied


def change_catalog(settings: Settings, *statements: str) -> None:
    connection = sqlite3.connect(settings.index_dir / "catalog.sqlite")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def lose_entry(settings: Settings) -> None:
    """Chroma itself has lost a passage, and the build is sealed as it is."""
    build = settings.index_dir / "chroma" / str(Catalog.open(settings.index_dir).meta("build"))
    index = VectorIndex.in_folder(build)
    index.delete(sorted(index.ids())[:1])
    index.close()
    seal = json.dumps(builds.seal(build))
    connection = sqlite3.connect(settings.index_dir / "catalog.sqlite")
    connection.execute("UPDATE meta SET value = ? WHERE key = 'seal'", (seal,))
    connection.commit()
    connection.close()


def flip_bit(settings: Settings) -> None:
    (path, *_) = (settings.index_dir / "chroma").rglob("data_level0.bin")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


FAULTS: dict[str, tuple[Callable[[Settings], None], str]] = {
    "no index": (lambda s: shutil.rmtree(s.index_dir), "no index"),
    "text": (lambda s: change_catalog(s, "UPDATE documents SET text = text || '.' WHERE row = 1"), "damaged"),
    "title": (lambda s: change_catalog(s, "UPDATE documents SET metadata = '{\"title\": \"x\"}'"), "damaged"),
    "offset": (lambda s: change_catalog(s, "UPDATE passages SET start = start + 1 WHERE row = 1"), "damaged"),
    "passage": (lambda s: change_catalog(s, "DELETE FROM passages WHERE row = 1"), "damaged"),
    "vector": (lambda s: change_catalog(s, "UPDATE vectors SET vector = zeroblob(1536)"), "damaged"),
    "file": (lambda s: change_catalog(s, "DELETE FROM files WHERE path = (SELECT min(path) FROM files)"), "no corpus"),
    "lost entry": (lose_entry, "holds"),
    "one bit": (flip_bit, "damaged"),
}  # fmt: skip


def test_a_sound_index_has_no_fault(sound: Settings) -> None:
    assert check(sound) == []


def test_the_index_is_private_and_its_chroma_neither_reports_nor_can_be_emptied(
    settings: Settings, sound: Settings
) -> None:
    """Others of the machine cannot pass through its folder, whatever the modes of the files within."""
    assert sound.index_dir.stat().st_mode & 0o077 == 0
    index = VectorIndex.in_folder(next((settings.index_dir / "chroma").glob("*")))
    try:
        client = index._collection._client
        told = client.get_settings()
        assert (told.anonymized_telemetry, told.allow_reset) == (False, False)
        with pytest.raises(ChromaError, match="Reset is disabled"):
            client.reset()
    finally:
        index.close()


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found(settings: Settings, name: str) -> None:
    damage, said = FAULTS[name]
    damage(settings)
    found = check(settings)
    assert any(said in line for line in found), found
    assert all("\n" not in line for line in found)
