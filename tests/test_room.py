"""What the page's room promises to questions that are being answered."""

import threading
from pathlib import Path

import pytest

from app import room as rooms
from app.room import Room
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
