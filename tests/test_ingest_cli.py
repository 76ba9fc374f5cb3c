"""python -m ingest, as a person uses it: what it prints, what it returns, how it ends."""

import argparse
import io
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from loopback import public, reply, serving
from store_kit import settings_for

from ingest import UserError, add
from ingest import __main__ as cli
from ingest.catalog import Catalog
from ingest.corpus import corpus_files
from ingest.fetch import fetch
from ingest.lock import writer_lock
from ingest.progress import Pace, Progress
from ingest.settings import ROOT, Settings

PAGE = b"<html><title>Harbour</title><body><article><p>%s</p></article></body></html>"
WORDS = b"The harbour was dredged in 1954, and ships of forty thousand tons came in that year. " * 6
Ingest = Callable[..., tuple[int, str, str]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    settings = settings_for(tmp_path)
    monkeypatch.setenv("CORPUS_DIR", str(settings.corpus_dir))
    monkeypatch.setenv("INDEX_DIR", str(settings.index_dir))
    return settings


@pytest.fixture
def ingest(settings: Settings, capsys: pytest.CaptureFixture[str]) -> Ingest:
    """Run a command in this process; (exit status, standard output, standard error)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        handler = signal.getsignal(signal.SIGINT)
        try:
            status = cli.main(list(map(str, arguments)))
        finally:
            signal.signal(signal.SIGINT, handler)
        told = capsys.readouterr()
        return status, told.out, told.err

    return run


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ingest", *map(str, arguments)]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_add_list_show_remove(settings: Settings, ingest: Ingest, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.md").write_text("---\nauthor: N. N.\n---\n# Locks\n\nThe gate  was opened.\n", encoding="utf-8")
    (folder / "b.html").write_bytes(PAGE % WORDS)
    (folder / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    status, out, err = ingest("add", folder, folder / "none.md")
    assert status == 2
    assert out.startswith("2 added, 0 updated, 0 unchanged.\nIndex: 2 documents, 2 passages; 2 added, 0 removed; 2 ")
    reasons = ["bad.pdf: a damaged PDF: it cannot be opened", "none.md: no such file or folder"]
    assert all(f"{folder}/{reason}" in err for reason in reasons)
    status, out, err = ingest("add", folder / "a.md")
    assert (status, out.splitlines()[0]) == (0, "0 added, 0 updated, 1 unchanged.")

    status, out, err = ingest("list", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["title"] for row in rows] == ["Harbour", "Locks"]
    assert rows[1]["origin"] == str(folder / "a.md")
    assert (rows[1]["author"], rows[1]["published"], rows[1]["path"]) == ("N. N.", None, "locks.md")
    assert ingest("list")[1].splitlines()[1].endswith("Locks  (N. N., 1 passage, locks.md)")

    short = rows[1]["document_id"][:8]
    shown = subprocess.run(command("show", short), cwd=ROOT, capture_output=True)
    assert shown.stdout == b"# Locks\n\nThe gate  was opened."
    assert ingest("show", "0" * 12)[0] == ingest("show", "x")[0] == 2
    status, out, _ = ingest("remove", short)
    assert status == 0
    assert out.startswith("Index: 1 document, 1 passage; 0 added, 1 removed; ")
    assert len(corpus_files(settings.corpus_dir)) == 1


def test_standard_input_is_a_source(settings: Settings, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO("# Übersicht\n\nWords from a pipe.".encode())
        terminal = False

        @classmethod
        def isatty(cls) -> bool:
            return cls.terminal

    monkeypatch.setattr("sys.stdin", Input)
    status, out, err = ingest("add", "-")
    assert "standard input" not in err, "a pipe is not waited for"
    assert (status, out.splitlines()[0]) == (0, "1 added, 0 updated, 0 unchanged.")
    (row,) = Catalog.open(settings.index_dir).documents()
    assert (row.metadata.title, row.origins[0][:6]) == ("Übersicht", "stdin:")
    Input.terminal = True
    Input.buffer.seek(0)
    _, _, err = ingest("add", "-")
    assert err.startswith("Reading the text to add from standard input: type or paste it, then press Ctrl-D.\n")


def test_a_file_in_the_corpus_folder_that_is_no_markdown_is_named_and_can_be_added(
    settings: Settings, ingest: Ingest
) -> None:
    page, packed = settings.corpus_dir / "report.html", settings.corpus_dir / "notes.zip"
    page.write_bytes(PAGE % WORDS)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.md", "# Notes\n\nThey were packed.")
    status, _, err = ingest("sync")
    assert (status, err.count("\n")) == (0, 1)
    assert f"notes.zip and 1 more are no Markdown and not indexed: `python -m ingest add {settings.corpus_dir}`" in err
    status, out, err = ingest("add", page)
    assert (status, out.splitlines()[0]) == (0, "1 added, 0 updated, 0 unchanged.")
    assert "notes.zip is no Markdown" in err
    status, out, err = ingest("add", settings.corpus_dir)
    assert (status, out.splitlines()[0], err) == (0, "1 added, 0 updated, 2 unchanged.", "")
    (original,) = (settings.corpus_dir / "originals").glob("*.html")
    assert "kept from a source" in ingest("add", original)[2]
    assert len(Catalog.open(settings.index_dir).documents()) == 2


def test_faults_are_one_line_and_status_2(settings: Settings, ingest: Ingest, tmp_path: Path) -> None:
    status, out, err = ingest("list")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "run `python -m ingest sync`" in err
    assert ingest("sync")[0] == 0
    assert ingest("list")[1] == "No documents yet: `python -m ingest add SOURCE` adds some.\n"
    (settings.corpus_dir / "bad.md").write_bytes(b"\xff\xfe")
    status, _, err = ingest("sync")
    assert (status, err.count("\n")) == (2, 1)
    assert f"{settings.corpus_dir}/bad.md is not UTF-8 text" in err
    (tmp_path / "a.txt").write_text("Words.", encoding="utf-8")
    with writer_lock(settings.index_dir):
        status, _, err = ingest("add", tmp_path / "a.txt")
    assert status == 2
    assert f"being written by process {os.getpid()}" in err
    assert "the next sync indexes it" in err
    assert ingest("refresh", "0" * 10)[0] == 2
    for wrong in (["add", "x", "--limit", "0"], ["add"], ["nonsense"], []):
        with pytest.raises(SystemExit, match="2"):
            ingest(*wrong)


def test_refresh_fetches_again_what_changed(
    settings: Settings, ingest: Ingest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = {"/a": PAGE % WORDS, "/b": PAGE.replace(b"Harbour", b"Locks") % (WORDS + b"B.")}
    with serving(lambda head, connection: answer(pages, head, connection)) as server:
        web = partial(fetch, resolve=public, connect=server.connect)
        for function in (add.add_sources, add.refresh_sources):  # the command line fetches by their default
            monkeypatch.setitem(function.__kwdefaults__, "fetch", web)
        (tmp_path / "c.txt").write_text("From a file.", encoding="utf-8")
        assert ingest("add", "http://site.test/a", "http://site.test/b", tmp_path / "c.txt")[0] == 0
        ids = {row.origins[0]: row.document_id for row in Catalog.open(settings.index_dir).documents()}
        pages["/a"] = PAGE % (WORDS + b"It was dredged again in 1988.")
        del pages["/b"]
        server.requests.clear()
        status, out, err = ingest("refresh", ids["http://site.test/a"][:10])
        assert (status, out.splitlines()[0]) == (0, "0 added, 1 updated, 0 unchanged.")
        assert len(server.requests) == 1
        status, out, err = ingest("refresh")
        assert (status, out.splitlines()[0]) == (2, "0 added, 0 updated, 1 unchanged.")
        assert "http://site.test/b: the server answered 404" in err
        assert len(Catalog.open(settings.index_dir).documents()) == 3
        status, _, err = ingest("refresh", ids[str(tmp_path / "c.txt")])
        assert (status, "not added from a URL" in err) == (2, True)


def answer(pages: dict[str, bytes], head: bytes, connection: object) -> None:
    body = pages.get(head.split(b" ")[1].decode())
    found = reply(body, Content_Type="text/html") if body else reply(b"gone", "404 Not Found")
    found(head, connection)  # type: ignore[arg-type]


def test_a_pipe_that_closes_early_is_no_fault(settings: Settings, ingest: Ingest) -> None:
    for n in range(10):  # in sum more than a pipe holds
        (settings.corpus_dir / f"{n}.md").write_text(f"---\ntitle: {'t' * 9000}\n---\n{n}.", encoding="utf-8")
    assert ingest("sync")[0] == 0
    with subprocess.Popen(command("list", "--json"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout
        assert child.stderr
        child.stdout.read(10)
        child.stdout.close()
        assert (child.wait(60), child.stderr.read()) == (0, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
def test_watch_follows_the_folder_until_interrupted(settings: Settings) -> None:
    first = settings.corpus_dir / "first.md"
    first.write_text("The first words.", encoding="utf-8")
    with subprocess.Popen(command("watch"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as it:
        assert it.stdout
        assert it.stderr
        assert it.stdout.readline().startswith("Index: 1 document,")
        assert it.stdout.readline() == f"Watching {settings.corpus_dir}; Ctrl-C ends it.\n"
        time.sleep(1)  # until the system's own watcher stands
        (settings.corpus_dir / "second.md").write_text("The second words.", encoding="utf-8")
        until(lambda: len(Catalog.open(settings.index_dir).documents()) == 2)
        first.unlink()
        until(lambda: len(Catalog.open(settings.index_dir).documents()) == 1)
        it.send_signal(signal.SIGINT)
        assert it.wait(30) == 130
        assert "Traceback" not in it.stderr.read()


def test_watch_misses_no_change_during_a_sync_nor_of_a_folder_and_tries_again_after_a_refusal(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stop, outside, folder = threading.Event(), tmp_path / "outside", settings.corpus_dir / "folder"
    outside.mkdir()
    (outside / "in it.md").write_text("Words.", encoding="utf-8")
    left = ["change", "be refused", "folder in", "folder out", "end"]

    def synced(*_: object) -> int:
        match left.pop(0):
            case "change":
                (settings.corpus_dir / "late.md").write_text("Words.", encoding="utf-8")
            case "be refused":
                raise UserError("The index is being written.")
            case "folder in":
                outside.rename(folder)
            case "folder out":
                folder.rename(outside)
            case "end":
                stop.set()
        return 0

    monkeypatch.setattr(cli, "_sync_once", synced)
    monkeypatch.setattr(cli, "RETRY", 0.1, raising=False)
    late = threading.Timer(20, stop.set)
    late.start()
    assert cli._watch(settings, argparse.Namespace(), stop) == 130
    late.cancel()
    assert left == []
    assert capsys.readouterr().err == "The index is being written.\n"


def test_watch_without_a_corpus_folder_says_so(settings: Settings, ingest: Ingest) -> None:
    settings.corpus_dir.rmdir()
    status, _, err = ingest("watch")
    assert status == 2
    assert str(settings.corpus_dir) in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
def test_an_interrupted_add_keeps_what_is_finished_and_blames_no_file(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(400):
        (folder / f"{n}.html").write_bytes(PAGE.replace(b"Harbour", b"%d" % n) % WORDS)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(command("add", folder), cwd=ROOT, **pipes) as it:
        until(lambda: len(corpus_files(settings.corpus_dir)) > 3)
        os.killpg(it.pid, signal.SIGINT)  # to the whole group, as a terminal sends it
        out, err = it.communicate(timeout=60)
    assert it.returncode == 130
    assert b"Traceback" not in err
    assert b"what is finished is kept" in err
    assert b".html" not in err, "no file is said to have failed"
    kept = len(corpus_files(settings.corpus_dir))
    assert f"{kept} added".encode() in out
    assert 3 < kept < 400


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
def test_an_add_that_waits_for_input_ends_with_ctrl_c(settings: Settings) -> None:
    ours, theirs = os.openpty()
    os.write(ours, b"Some words.\n")
    until(lambda: select.select([theirs], [], [], 0)[0] == [theirs])
    pipes: dict[str, Any] = {"stdin": theirs, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command("add", "-"), cwd=ROOT, **pipes) as it:
        assert it.stderr
        assert it.stderr.readline().startswith(b"Reading the text to add")
        until(lambda: select.select([theirs], [], [], 0)[0] == [])  # it has read them, and waits for more
        it.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            it.wait(30)
        it.kill()
        assert it.wait(60) == 130
    os.close(ours)
    os.close(theirs)
    assert corpus_files(settings.corpus_dir) == []


SLOW = """
import sys, threading
from ingest import __main__ as cli, add
def fetch(url, **_):
    print("fetching", flush=True)
    threading.Event().wait(3600)
add.add_sources.__kwdefaults__["fetch"] = fetch
cli.leave(cli.main(["add", "http://site.test/a"]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child")
def test_the_second_ctrl_c_waits_for_no_server(settings: Settings) -> None:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", SLOW], cwd=ROOT, **pipes) as it:
        assert it.stdout
        assert it.stderr
        assert it.stdout.readline() == b"fetching\n"
        it.send_signal(signal.SIGINT)
        while b"Press Ctrl-C again" not in it.stderr.readline():
            pass
        it.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            it.wait(60)
        it.kill()
        assert it.wait(60) == 130


def test_progress_tells_rate_and_time_left() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert pace.line(Progress("Checking the index", 0, 0, "passages")) == "Checking the index"
    assert pace.line(Progress("Embedding", 0, 4_000_000, "B")) == "Embedding: 0 of 4 MB"
    now[0] = 10.0
    assert pace.line(Progress("Embedding", 1_500_000, 4_000_000, "B")) == "Embedding: 1.5 of 4 MB, 150 kB/s, 17 s left"
    assert pace.line(Progress("Reading sources", 3, 1200, "sources")) == "Reading sources: 3 of 1,200 sources"
    now[0] = 16.0
    line = pace.line(Progress("Reading sources", 9, 1200, "sources"))
    assert line == "Reading sources: 9 of 1,200 sources, 1 sources/s, 20 min left"


def test_nothing_added_is_not_said_to_be_kept(ingest: Ingest, settings: Settings, tmp_path: Path) -> None:
    settings.index_dir.write_text("in the way", "utf-8")
    status, _, err = ingest("add", tmp_path / "missing.md")
    assert status == 2 and "index" in err
    assert "What was added" not in err
