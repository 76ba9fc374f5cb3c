"""Full disks, read-only folders and damaged files: one clear line or a mended index, and old data still answers."""

import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_kit import article, prepared_context, settings_for

from ingest import UserError
from ingest.add import Upload, add_sources
from ingest.corpus import corpus_files, read_document, write_document
from ingest.embed import Embedder, open_embedder
from ingest.health import check
from ingest.settings import Settings, load_settings
from ingest.store import Store
from ingest.sync import sync

DISK_BYTES = 12 * 2**20
_CONTEXT = prepared_context()


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Embedder:
    return open_embedder(settings_for(tmp_path_factory.mktemp("embedder")))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own; only root may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here (that takes root on Linux)")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=True)


def on(disk: Path, folder: Path) -> Settings:
    """The corpus in `folder`, the index on the small disk."""
    (folder / "corpus").mkdir(exist_ok=True)
    places = {"CORPUS_DIR": str(folder / "corpus"), "INDEX_DIR": str(disk / "index")}
    return load_settings(places, dotenv=folder / "no.env")


def titles(settings: Settings) -> list[str]:
    """What a reader is shown: the stored documents, each passage found by its own vector."""
    store = Store.open(settings)
    try:
        for passage, vector in store.catalog.vectors(store.catalog.passage_ids()).items():
            assert passage in [found for found, _ in store.index.search(vector, 3)]
        return sorted(row.metadata.title for row in store.catalog.documents())
    finally:
        store.close()


def fill(disk: Path, left: int) -> None:
    """Take all of the disk but `left` bytes."""
    with (disk / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError as error:
            assert error.errno == errno.ENOSPC
        file.truncate(max(0, file.tell() - left))


@pytest.mark.parametrize("left", [0, 4096, 20_000, 60_000, 120_000, 250_000, 400_000, 600_000, 900_000, 1_500_000])
@pytest.mark.equipped
def test_a_full_disk_is_one_line_and_the_old_index_answers(
    disk: Path, tmp_path: Path, embedder: Embedder, left: int
) -> None:
    rng, settings = random.Random(left), on(disk, tmp_path)
    for _ in range(3):
        write_document(settings.corpus_dir, article(rng))
    sync(settings, embedder=embedder)
    before = titles(settings)
    for _ in range(4):
        write_document(settings.corpus_dir, article(rng, 6))
    fill(disk, left)
    try:
        sync(settings, embedder=embedder)
    except UserError as error:
        assert "\n" not in str(error)
        assert any(word in str(error).lower() for word in ("full", "space", "disk")), error
        assert titles(settings) == before
    (disk / "ballast").unlink()
    sync(settings, embedder=embedder)
    assert len(titles(settings)) == 7
    assert check(settings) == []


@pytest.mark.parametrize("changes", range(10))
@pytest.mark.equipped
def test_a_read_only_disk_is_one_line_and_the_old_index_answers(
    disk: Path, tmp_path: Path, embedder: Embedder, changes: int
) -> None:
    rng, settings = random.Random(changes), on(disk, tmp_path)
    for _ in range(3):
        write_document(settings.corpus_dir, article(rng))
    sync(settings, embedder=embedder)
    before = titles(settings)
    for _ in range(changes):
        write_document(settings.corpus_dir, article(rng))
    remount = ["mount", "-o", "remount,{}", str(disk)]
    subprocess.run([part.format("ro") for part in remount], check=True)
    try:
        with pytest.raises(UserError, match=r"^Cannot \S+.*(?i:read-only)[^\n]*$"):
            sync(settings, embedder=embedder)
        assert titles(settings) == before
    finally:
        subprocess.run([part.format("rw") for part in remount], check=True)
    sync(settings, embedder=embedder)
    assert len(titles(settings)) == 3 + changes


@pytest.mark.parametrize("left", [0, 4096, 24_000])
@pytest.mark.equipped
def test_a_full_disk_under_the_corpus_costs_no_document(disk: Path, tmp_path: Path, left: int) -> None:
    places = {"CORPUS_DIR": str(disk / "corpus"), "INDEX_DIR": str(tmp_path / "index")}
    settings, rng = load_settings(places, dotenv=tmp_path / "no.env"), random.Random(left)
    uploads = [Upload(f"{n}.txt", article(rng, 6).text.encode()) for n in range(8)]
    assert len(add_sources(settings, uploads[:3]).added) == 3
    held = {path: path.read_bytes() for path in corpus_files(settings.corpus_dir)}
    fill(disk, left)
    report = add_sources(settings, uploads)
    assert report.failed and all("No space left" in str(one.reason) for one in report.failed)
    assert all("\n" not in str(one.reason) for one in report.failed)
    for path in corpus_files(settings.corpus_dir):
        assert read_document(path).text, "whole, or not there"
        assert held.get(path, path.read_bytes()) == path.read_bytes()
    (disk / "ballast").unlink()
    assert add_sources(settings, uploads).failed == ()
    assert len(corpus_files(settings.corpus_dir)) == 8


# --- Damage ----------------------------------------------------------------------------------------

DAMAGES = ("cut in half", "emptied", "zeros within", "deleted", "a bit flipped")


def damage(path: Path, kind: str, rng: random.Random) -> None:
    """Spoil one file as a failing disk would."""
    size = path.stat().st_size
    if kind == "deleted":
        return path.unlink()
    if kind in ("emptied", "cut in half"):
        return os.truncate(path, 0 if kind == "emptied" else size // 2)
    if not size:
        return path.write_bytes(b"rubbish") and None
    with path.open("rb+") as file:
        at = rng.randrange(size)
        file.seek(at)
        old = file.read(1)
        file.seek(at)
        file.write(bytes(min(512, size - at)) if kind == "zeros within" else bytes([old[0] ^ 1 << rng.randrange(8)]))
    return None


def _use(settings: Settings, report: Path) -> None:
    """In a child: read from the damaged store, mend it, read again. Anything unforeseen is a traceback and exit 1."""
    told = "read"
    try:
        titles(settings)
    except UserError as error:
        told = str(error)
    sync(settings)
    assert check(settings) == []
    shown = titles(settings)
    report.write_text("\n".join([told.replace("\n", "\\n"), *shown]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Settings:
    """A sound store of a few documents, to be copied."""
    settings, rng = settings_for(tmp_path_factory.mktemp("whole")), random.Random(50)
    for _ in range(4):
        write_document(settings.corpus_dir, article(rng, 2))
    sync(settings, embedder=embedder)
    return settings


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks open files")
@pytest.mark.timeout(900)
def test_every_damage_is_mended_or_named(whole: Settings, tmp_path: Path) -> None:
    rng, expected = random.Random(50), titles(whole)
    files = sorted(path.relative_to(whole.index_dir) for path in whole.index_dir.rglob("*") if path.is_file())
    cases = [(file, kind) for file in files for kind in DAMAGES]
    while len(cases) < 50:  # the large files can be hit in many places
        cases.append(
            (rng.choice([f for f in files if f.suffix in (".sqlite", ".sqlite3", ".bin")]), rng.choice(DAMAGES[2:]))
        )
    lines = set()
    for number, (file, kind) in enumerate(cases[:60]):
        settings = settings_for(tmp_path / str(number))
        for ours, theirs in ((settings.corpus_dir, whole.corpus_dir), (settings.index_dir, whole.index_dir)):
            shutil.copytree(theirs, ours, dirs_exist_ok=True)
        damage(settings.index_dir / file, kind, rng)
        report = tmp_path / f"{number}.txt"
        child = _CONTEXT.Process(target=_use, args=(settings, report))
        child.start()
        child.join(120)
        assert child.exitcode == 0, f"{file} {kind}: exit {child.exitcode}"
        told, *shown = report.read_text().split("\n")
        assert shown == expected, f"{file} {kind}"
        assert told == "read" or "run `python -m ingest sync`" in told, f"{file} {kind}: {told}"
        lines.add(told)
        shutil.rmtree(settings.index_dir.parent)
    assert len(cases) >= 50
    assert len(lines) > 1, "no damage was noticed at all"
