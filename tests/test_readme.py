"""The README cannot rot: its commands are run, its files and settings exist."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.settings import ROOT, Settings

README = (ROOT / "README.md").read_text("utf-8")
BASH = "".join(re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
COMMANDS = [line.partition(" #")[0].strip() for line in BASH.splitlines() if line.strip()]

# They block, need a network, or run the tests themselves: that the command is there is checked.
BLOCKING = {"python -m app", "python -m ingest watch"}
# They load the model for many questions; tests/test_contract.py and test_evaluate.py run them on few.
LONG = (
    "python -m app ask",
    "python -m app evaluate",
    "python -m app doctor",
    "python -m ingest add https://",  # all that it names is elsewhere; tests/test_add.py reads feeds on loopback
)
# What the examples add; the URL is left out, for no test leaves this machine.
SAMPLES = {"notes.md": "# Notes\n\nBees sleep.\n", "folder/tea.md": "# Tea\n\nTea is a leaf.\n"}


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[list[str]], "subprocess.CompletedProcess[str]"]:
    """Runs a command as a reader of the README would, on a corpus of one's own; ID is the first document."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "corpus", folder / "corpus")
    for name, text in SAMPLES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CORPUS_DIR", str(folder / "corpus"))
        patch.setenv("INDEX_DIR", str(folder / "index"))
        patch.setenv("PYTHONPATH", str(ROOT))

        def start(words: list[str]) -> "subprocess.CompletedProcess[str]":
            command = [sys.executable if word == "python" else word for word in words]
            return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)

        assert start(["python", "-m", "ingest", "sync"]).returncode == 0
        yield start


def runnable() -> list[str]:
    """The python commands that are run as they stand."""
    python = [c for c in COMMANDS if c.startswith("python ") and c not in BLOCKING]
    return [c for c in python if not c.startswith(LONG)]


@pytest.mark.parametrize("command", runnable())
def test_command_works(command: str, reader: Callable[..., "subprocess.CompletedProcess[str]"]):
    words = [word for word in shlex.split(command) if "://" not in word and word != "report.pdf"]
    if "ID" in words:
        listed = reader(["python", "-m", "ingest", "list", "--json"]).stdout.splitlines()
        identity = re.search(r'"document_id": *"(\w+)"', listed[0])
        assert identity
        words[words.index("ID")] = identity[1]
    done = reader(words)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", sorted({*BLOCKING, *(c for c in COMMANDS if c.startswith(LONG))}))
def test_command_that_blocks_or_takes_long_has_its_options(
    command: str, reader: Callable[..., "subprocess.CompletedProcess[str]"]
):
    assert command in COMMANDS
    words = shlex.split(command)
    options = [word for word in words[3:] if word.startswith("-")]
    name = [word for word in words[3:4] if re.fullmatch(r"[a-z]+", word)]
    done = reader([*words[:3], *name, "--help"])
    assert done.returncode == 0, done.stderr
    for option in options:
        assert option in done.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_make_target_exists(command: str):
    """`make -n` says what would be done, and fails on a target that is not there."""
    assert subprocess.run([*shlex.split(command), "-n"], cwd=ROOT, capture_output=True).returncode == 0


def test_every_command_is_tried_by_one_of_the_above():
    others = [c for c in COMMANDS if not c.startswith(("python ", "make"))]
    assert others == ["source .venv/bin/activate"]
    assert len(runnable()) >= 5


@pytest.mark.parametrize("module", ["app", "ingest"])
def test_outside_the_environment_one_line_says_what_to_do(module: str):
    bare = [sys.executable, "-S", "-m", module, "--help"]  # -S: without the installed packages
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "source .venv/bin/activate" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_make_run_opens_the_chat_although_a_file_cannot_be_indexed(tmp_path: Path):
    stub, log = tmp_path / "python", tmp_path / "log"
    stub.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\ncase "$*" in *sync*) exit 2; esac\n', "utf-8")
    stub.chmod(0o755)
    done = subprocess.run(
        ["make", "-o", ".venv/.installed", "run", f"PY={stub}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert log.read_text("utf-8").splitlines() == ["-m app.weights", "-m ingest sync", "-m app"]


def test_everything_linked_is_there():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_every_file_named_in_a_command_is_there():
    for path in re.findall(r"\b(?:bench|docs|tests|requirements|corpus)/[\w./-]+\w", README):
        assert (ROOT / path).exists(), path


def test_settings_table_is_whole():
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", README)) == {n.upper() for n in Settings.__dataclass_fields__}


def test_no_place_left_to_fill():
    assert "<!--" not in README


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "make test" in COMMANDS
    assert script.rstrip().endswith("&& exec make test")


def test_security_names_tests_that_exist():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    assert named
    missing = [name for name in sorted(named) if not (ROOT / "tests" / f"{name}.py").exists()]
    assert not missing


def test_a_bench_that_fails_ends_no_other_and_is_named(tmp_path: Path) -> None:
    """`make bench` to the letter, with a Python that only says what it is asked to do."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$*"\ntest "$2" != bench.first\n', encoding="utf-8")
    python.chmod(0o755)
    there = [
        part
        for name in ("install", *(f".venv/.installed{x}" for x in ("", "-test", "-bench")))
        for part in ("-o", name)
    ]
    command = ["make", *there, "bench", f"PY={python}", "BENCHES=first second"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    said = [line for line in done.stdout.splitlines() if line.startswith(("-m", "Not"))]
    assert said[-4:] == [
        "-m ingest sync",
        "-m bench.first",
        "-m bench.second",
        "Not measured: first (each says above why).",
    ]
