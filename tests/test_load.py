"""Many users at once: no error, no answer in the wrong hands, memory that stays."""

from collections.abc import Iterator

import pytest
from app_kit import App, running, seeded

from bench.load import load, say
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
