"""What tests share: a clean environment, the seed article indexed once, the embedded model loaded once.

The parts are the real ones: Chroma, the embedder, llama.cpp, Chromium. A part that is missing
fails the test that needs it; only the measuring data, which is not part of the product, and what a
laptop may lack (root, nginx, strace) may be absent: then the test is skipped with that reason. With
--no-skips, as `make nightly` runs, that is a failure too: who asks for the fault tests wants to know.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from ingest.settings import ROOT, Settings, load_settings

# A deadline for each example is a timed assertion, which a busy machine fails.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Two of it at once would fight for the processor: each would wait for the other's share of a step.
LOADS_THE_MODEL = frozenset(
    f"test_{name}" for name in "calibration contract embedded endpoints page_model probe structured".split()
)
VARIABLES = tuple(name.upper() for name in Settings.__dataclass_fields__)
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a test that would be skipped fails")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("--no-skips"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"Not tested: {reason.removeprefix('Skipped: ')}"
    return report


class OneModel(LoadScopeScheduling):  # type: ignore[misc]
    """One worker for the tests of a file, which share what it sets up, and for all that load the embedded model."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "model" if Path(path).stem in LOADS_THE_MODEL else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return OneModel(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The model's tests first: they take longest, and what comes last runs beside nothing."""
    loading = {item.path.stem for item in items if "model_server" in getattr(item, "fixturenames", ())}
    if unnamed := loading - LOADS_THE_MODEL:
        raise pytest.UsageError(f"Name in LOADS_THE_MODEL of tests/conftest.py: {', '.join(unnamed)}")
    items.sort(key=lambda item: item.path.stem not in LOADS_THE_MODEL)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No key, endpoint or folder of the person who runs the tests, not from `.env` either.

    An empty variable counts as unset and wins over `.env`. CACHE_DIR stays: it holds the
    model's weights. The default index is a temporary one, so no test touches the real index.
    """
    with pytest.MonkeyPatch.context() as patch:
        cache = load_settings().cache_dir
        for name in VARIABLES:
            patch.setenv(name, "")
        patch.setenv("CACHE_DIR", str(cache))
        patch.setenv("INDEX_DIR", str(tmp_path_factory.mktemp("default-index")))
        yield


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """The folder of measuring data: BENCH_DATA, default ../shared/data beside the project."""
    folder = Path(os.environ.get("BENCH_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no measuring data at {folder} (set BENCH_DATA)")
    return folder


@pytest.fixture(scope="session")
def run() -> Run:
    """`run("ingest", "list", CORPUS_DIR=..., INDEX_DIR=...)`: a command as a user starts it.

    Returns the finished process, text captured. `stdin` is its input; `timeout` is in seconds.
    """

    def start(
        module: str, *arguments: object, stdin: str = "", timeout: float = 120, **variables: object
    ) -> "subprocess.CompletedProcess[str]":
        environ = os.environ | {name: str(value) for name, value in variables.items()}
        command = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.run(
            command, env=environ, cwd=ROOT, input=stdin, capture_output=True, text=True, timeout=timeout
        )

    return start


@pytest.fixture(scope="session")
def seed_settings(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Settings:
    """A copy of corpus/ with its index, made once by `ingest sync`. Shared: read it, never write."""
    folder = tmp_path_factory.mktemp("seed")
    shutil.copytree(ROOT / "corpus", folder / "corpus")
    places = {"CORPUS_DIR": folder / "corpus", "INDEX_DIR": folder / "index"}
    done = run("ingest", "sync", **places)
    assert done.returncode == 0, done.stderr
    return load_settings(os.environ | {name: str(path) for name, path in places.items()})


@pytest.fixture(scope="session")
def model_server() -> Iterator["EmbeddedServer"]:  # noqa: F821 - imported when first needed
    """The embedded model's server with the default weights, loaded once for all tests."""
    from app.embedded import EmbeddedServer
    from app.weights import chosen_weights

    server = EmbeddedServer(chosen_weights(load_settings()))
    server.start()
    if not server.wait(timeout=180):
        pytest.fail(server.reason or "the embedded model was not loaded within 180 seconds")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    from tests.browser import chromium_path

    return chromium_path() or pytest.fail(
        "No Chromium for the browser tests: install chromium or google-chrome, or set CHROMIUM to its path."
    )


@pytest.fixture(scope="session")
def scripted_site(seed_settings: Settings) -> Iterator[tuple[str, "ScriptedServer"]]:  # noqa: F821
    """The real app over the seed article, and the scripted model that it asks. Shared: it is only read."""
    from tests.browser import serving
    from tests.servers.scripted import ScriptedServer

    places = {"CORPUS_DIR": seed_settings.corpus_dir, "INDEX_DIR": seed_settings.index_dir}
    with ScriptedServer() as script, serving(OPENAI_BASE_URL=script.url, CHAT_MODEL="scripted", **places) as address:
        yield address, script


@pytest.fixture
def zones_address(scripted_site) -> str:
    """The address of `scripted_site`, whose model knows how many special economic zones there are."""
    from tests.servers.scripted import HELD

    address, script = scripted_site
    script.belief = HELD
    script.replies = {"special economic zones": "North Korea is developing 13 special economic zones <<13 special>>."}
    return address
