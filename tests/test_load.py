"""Many users at once: no error, no answer in the wrong hands, memory that stays."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from app_kit import App, Page, running, seeded

from app.room import AT_DOORS
from bench.load import QUESTION, Seen, figures, load, say, table
from ingest.settings import Settings
from tests.servers.obedient import ObedientServer


@pytest.fixture(scope="module")
def app(seed_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    folder = tmp_path_factory.mktemp("load")
    places = seeded(seed_settings, folder)
    with ObedientServer(say) as model, running(folder, OPENAI_BASE_URL=model.url, **places) as app:
        yield app


@pytest.mark.parametrize(
    ("users", "seconds"), [(5, 8), pytest.param(20, 600, marks=[pytest.mark.nightly, pytest.mark.timeout(1800)])]
)
def test_no_error_and_no_mixed_sessions(app: App, users: int, seconds: int) -> None:
    found = load(app, users, seconds)
    print(found)
    assert found["errors"] == 0, found["first_errors"]
    assert found["mixed"] == 0
    assert found["fewest_of_a_user"] >= 1, "every user is served"
    if seconds >= 600:
        assert abs(found["rss_growth"]) <= 0.10, found["rss_mb"]


def test_as_many_are_answered_at_once_in_the_page_as_at_v1(seed_settings: Settings, tmp_path: Path) -> None:
    """The model says nothing before all have reached it: who had to wait for another's answer would wait for ever."""
    together = threading.Barrier(2 * AT_DOORS)

    def wait(question: str, prompt: str) -> Iterator[str]:
        together.wait(200)
        yield from say(question, prompt)

    def ask(number: int) -> str:
        code = f"code-{'a' * 10}{'abcdef'[number // 6]}{'abcdef'[number % 6]}"  # no digit: 13 is in the answer
        question = QUESTION.format(code=code)
        with httpx.Client(base_url=app.url, trust_env=False, timeout=240) as client:
            if number % 2:
                told = Page.open(client).ask(question)
                said = str(told["sentences"])
            else:
                body = {"messages": [{"role": "user", "content": question}]}
                told = client.post("/v1/chat/completions", json=body).json()
                said = told["choices"][0]["message"]["content"] if "choices" in told else ""
        return "" if code in said else str(told)

    places = seeded(seed_settings, tmp_path)
    users = ThreadPoolExecutor(together.parties)
    with ObedientServer(wait) as model, running(tmp_path, OPENAI_BASE_URL=model.url, **places) as app, users:
        assert list(users.map(ask, range(together.parties))) == [""] * together.parties


def test_the_table_tells_what_each_user_got_in_the_page_and_at_v1() -> None:
    seen = Seen(retrieve=[3.0], first=[5.0], total=[9.0], answers={0: 7, 1: 2, 2: 8}, refused=[0, 0], rss=[2**20])
    found = figures(seen, 3, 60)
    assert (found["of_each_at_v1"], found["of_each_in_the_page"], found["refused"]) == ((7, 8), (2, 2), 2)
    (row,) = table([found]).rows
    assert row[:6] == ("3", "1 min", "17", "0", "0", "2") and row[9:11] == ("2 to 2", "7 to 8")
