"""The page's library says of every source whether it is found, not found yet, or failed, and why."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app import library as libraries
from app.library import Library
from ingest import UserError
from ingest.add import AddReport, Upload, add_sources
from ingest.corpus import corpus_files
from ingest.lock import writer_lock
from ingest.progress import Progress, Report, Stop
from ingest.settings import Settings
from ingest.store import Store
from ingest.sync import SyncReport, sync
from tests.store_kit import settings_for


class Shelf:
    """A library over a real store; `add` changes it as the page does."""

    def __init__(self, folder: Path) -> None:
        self.settings = settings_for(folder)
        sync(self.settings)
        self.store = Store.open(self.settings)
        room: Any = SimpleNamespace(settings=self.settings, road=SimpleNamespace(store=self.store))
        self.uploads = folder / "uploads"
        self.library = Library(room, self.uploads)

    def add(self, *names: str) -> list[tuple[str, bool]]:
        for name in names:
            (self.uploads / name).mkdir(parents=True)
            (self.uploads / name / f"{name}.md").write_text(f"# About {name}\n\nThe words of {name}.\n", "utf-8")
        return self.change(files=[str(self.uploads / name / f"{name}.md") for name in names])

    def change(self, **wanted: Any) -> list[tuple[str, bool]]:
        *_, last = self.library.change("browser", wanted)
        return [(one["line"], one["fault"]) for one in last["results"]]

    def found(self) -> int:
        return len(self.store.catalog.documents())


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_what_was_added_before_a_stop_is_found(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def adding(settings: Settings, sources: list[str | Upload], *, progress: Report, stop: Stop) -> AddReport:
        def told(now: Progress) -> None:
            shelf.library.stop("browser")
            progress(now)

        return add_sources(settings, sources, progress=told, stop=stop)

    monkeypatch.setattr(libraries, "add_sources", adding)
    lines = shelf.add(*(f"tale-{number}" for number in range(40)))
    written = len(corpus_files(shelf.settings.corpus_dir))
    assert 0 < written < 40
    assert shelf.found() == written
    assert ("Stopped: the rest was not added.", True) in lines
    assert not any("not found yet" in line for line, _ in lines)


def test_what_is_not_indexed_after_a_stop_is_said(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def syncing(settings: Settings, say: Report, stop: Stop) -> SyncReport:
        shelf.library.stop("browser")
        return sync(settings, say, stop)

    with monkeypatch.context() as patch:
        patch.setattr(libraries, "sync", syncing)
        lines = shelf.add("harbour", "lock")
    assert shelf.found() == 0
    later = "is added, but not found yet: the next change of the library, or `python -m ingest sync`, indexes it."
    assert {(f"about-{name}.md {later}", True) for name in ("harbour", "lock")} < set(lines)
    assert ("Stopped before all was indexed.", True) in lines
    assert not any(line.startswith("Added") for line, _ in lines)
    assert shelf.add("mill") == [("Added “About mill”.", False)]
    assert shelf.found() == 3


def test_what_is_added_while_another_process_writes_is_said(shelf: Shelf) -> None:
    with writer_lock(shelf.settings.index_dir):
        lines = shelf.add("harbour")
    assert lines[0][0].startswith("about-harbour.md is added, but not found yet") and lines[0][1]
    assert "being written by process" in lines[1][0]


def test_what_is_removed_while_another_process_writes_is_said(shelf: Shelf) -> None:
    shelf.add("harbour")
    (row,) = shelf.store.catalog.documents()
    with writer_lock(shelf.settings.index_dir):
        lines = shelf.change(remove=row.document_id)
    assert lines[0][0].startswith("“About harbour” is deleted, but still found") and lines[0][1]


def test_a_corpus_file_that_cannot_be_indexed_is_said(shelf: Shelf) -> None:
    (shelf.settings.corpus_dir / "bad.md").write_bytes(b"\xff")
    lines = shelf.add("harbour")
    assert lines[0] == ("Added “About harbour”.", False)
    assert lines[1:] == [("bad.md is not UTF-8 text: save it as UTF-8, or remove it.", True)]


def test_a_source_that_is_gone_is_told_of_in_words_of_the_page(shelf: Shelf) -> None:
    with pytest.raises(UserError, match=r"^This source is not in the library any more\.$"):
        shelf.library.document("0" * 64)


def test_what_is_no_address_keeps_no_file_from_being_added(shelf: Shelf) -> None:
    (shelf.uploads / "tale").mkdir(parents=True)
    (shelf.uploads / "tale" / "tale.md").write_text("# A tale\n\nIts words.\n", "utf-8")
    lines = shelf.change(add=["hello"], files=[str(shelf.uploads / "tale" / "tale.md")])
    assert lines == [
        ("Added “A tale”.", False),
        ("hello is no web address: it must begin with http:// or https://.", True),
    ]
