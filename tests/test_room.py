"""What the page's room promises to questions that are being answered."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app import room as rooms
from app.room import Room
from ingest.settings import ROOT, Settings
from tests.store_kit import settings_for


def test_work_that_no_one_waits_for_steps_aside_until_the_question_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rooms, "PATIENCE", 60.0)
    room = Room(settings_for(tmp_path))
    room.step_aside()  # nothing is being answered: at once
    messages = []
    asked = threading.Thread(target=lambda: messages.extend(room.ask("browser", {"turn": "1", "question": "Why?"})))
    asked.start()  # it waits for the road, which nobody has begun to open
    while not room._running:
        asked.join(0.01)
    aside = threading.Thread(target=room.step_aside)
    aside.start()
    aside.join(0.3)
    assert aside.is_alive()
    room.open()  # there is no index: the question ends in a line that says so
    aside.join(30)
    asked.join(30)
    assert not aside.is_alive() and not asked.is_alive()
    assert messages[-1]["phase"] == "failed" and "ingest sync" in messages[-1]["error"]
    assert "ingest sync" in capsys.readouterr().err  # and in the terminal, for who has started it


LOADED_LATE = ("chromadb", "onnxruntime", "tokenizers")
START = """
import sys, threading
from pathlib import Path
from app.room import Room
from app.server import create_app
from ingest.settings import load_settings

def late():
    for thread in threading.enumerate():
        if thread.name.startswith("warm"):
            thread.join()
    return sorted({"%s"} & sys.modules.keys())

room = Room(load_settings())
room.open()
create_app(room.settings, room, Path(sys.argv[1]))
room.road
print(late())
room.warm()
print(late(), room.road.store.index._opened is not None)
room.close()
"""


def test_what_only_a_question_needs_is_loaded_once_the_page_is_served(seed_settings: Settings, tmp_path: Path) -> None:
    variables = {"CORPUS_DIR": str(seed_settings.corpus_dir), "INDEX_DIR": str(seed_settings.index_dir)}
    endpoint = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "CHAT_MODEL": "none"}  # nothing is asked of it
    done = subprocess.run(
        [sys.executable, "-c", START % '", "'.join(LOADED_LATE), str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **variables, **endpoint},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    page, warm = (line for line in done.stdout.splitlines() if line.startswith("["))
    assert page == "[]"
    assert warm == f"{sorted(LOADED_LATE)} True"
