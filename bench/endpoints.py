"""The same questions at three endpoints, swapped by settings alone.

    python -m bench.endpoints
    python -m bench.endpoints --questions 10

The embedded model with nothing set; a llama.cpp server at OPENAI_BASE_URL; dasllama, of another maker, which has
neither grammar nor log-probabilities. All serve the same weights. Each runs `python -m app evaluate` in a process of
its own, over the article in corpus/.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.embedded import EmbeddedServer
from app.weights import chosen_weights
from bench.report import ROOT, Table, write
from ingest.settings import load_settings
from tests.servers.second import SecondServer

QUESTIONS = ROOT / "bench" / "questions" / "article_dev.jsonl"
# Empty counts as unset, and goes before what .env says.
UNSET = dict.fromkeys(
    ("OPENAI_API_KEY", "OPENAI_BASE_URL", "CHAT_MODEL", "CHAT_MODELS", "CHAT_PRICE", "CORPUS_DIR", "INDEX_DIR"), ""
)


def evaluated(questions: Path, settings: Mapping[str, str], details: Path | None = None) -> dict[str, Any]:
    """The figures of `app evaluate` with only these settings, every answer in `details` where that is named.

    Raises RuntimeError with what it said when it fails.
    """
    command = [sys.executable, "-m", "app", "evaluate", str(questions), "--json"]
    command += ["--details", str(details)] if details else []
    done = subprocess.run(command, cwd=ROOT, env=os.environ | UNSET | dict(settings), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)["all"]
    return found


@contextmanager
def llama_cpp(weights: Path) -> Iterator[dict[str, str]]:
    """A llama.cpp server for the weights, as someone else would run it; gives the settings that lead there."""
    server = EmbeddedServer(weights)
    server.start()
    try:
        if not server.wait():
            raise RuntimeError(server.reason)
        yield {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": server.api_key, "CHAT_MODEL": "llama.cpp"}
    finally:
        server.stop()


@contextmanager
def dasllama(weights: Path) -> Iterator[dict[str, str]]:
    """The same of dasllama's server."""
    with tempfile.TemporaryDirectory() as folder, SecondServer(weights, Path(folder)) as server:
        yield {"OPENAI_BASE_URL": server.url, "CHAT_MODEL": server.model}


def measured(questions: Path) -> dict[str, dict[str, Any]]:
    """Figures by endpoint."""
    weights = chosen_weights(load_settings(os.environ | UNSET))
    found = {"embedded": evaluated(questions, {})}
    for name, served in (("llama.cpp server", llama_cpp), ("dasllama", dasllama)):
        with served(weights) as settings:
            found[name] = evaluated(questions, settings)
    return found


def table(found: Mapping[str, Mapping[str, Any]]) -> Table:
    """A row for each endpoint."""
    shares = ("answer_right", "citation_hit", "citations_verbatim", "refusal_recall", "false_refusals")
    rows = [
        (name, *(_percent(figures[share]) for share in shares), f"{figures['total_ms_median'] / 1000:.1f} s")
        for name, figures in found.items()
    ]
    header = ("endpoint", "right", "cites gold", "verbatim", "unanswerable refused", "answerable refused", "median")
    return Table("The same questions at three endpoints", header, rows)


def every(questions: Path, count: int, folder: Path) -> Path:
    """Every n-th question of a file, so that there are `count`, as a file in `folder`."""
    lines = questions.read_text(encoding="utf-8").splitlines()
    chosen = folder / "questions.jsonl"
    chosen.write_text("\n".join(lines[:: max(1, len(lines) // count)][:count]) + "\n", encoding="utf-8")
    return chosen


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description="The same questions at three endpoints.")
    parser.add_argument("--questions", type=int, default=12, help="how many (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(every(QUESTIONS, options.questions, Path(folder)))
    write("endpoints", found, [table(found)])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


if __name__ == "__main__":
    main()
