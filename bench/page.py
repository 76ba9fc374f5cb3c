"""The page in Chromium: evidence after Enter, long tasks while an answer streams, weight beside Gradio's own chat.

    python -m bench.page --passages 100000

The app is the real one over a store of so many passages; the model is a scripted one on loopback, so
that what is timed is ours. Evidence counts as visible when the frame that shows it has been painted: the
passages, and then the sentences chosen from them.
Page weight and first paint are those of an empty cache, beside Gradio's bare ChatInterface, by turns.
"""

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from bench.large_store import build
from bench.report import ROOT, Table, write
from bench.retrieval_sets import SEED, load
from ingest.settings import load_settings
from ingest.sync import sync
from tests.browser import chromium_path, launched, serving
from tests.servers.obedient import ObedientServer

WARM = 3  # questions that are not counted
SENTENCES = 60  # of the long answer
PIECE_SECONDS = 0.02  # a model of 50 pieces a second
TYPING_MS = 1500  # between the page's own work for a new chat and Enter: nobody types a question faster
KEY_MS = 60  # between two keys while the answer streams
VIEWPORT = {"width": 1440, "height": 900}
BARE = (
    "import gradio\n"
    "gradio.ChatInterface(lambda message, history: message, analytics_enabled=False)"
    ".launch(server_name='127.0.0.1', server_port={port}, quiet=True)"
)
WATCH = """
window.tasks = [];
new PerformanceObserver((list) => { for (const one of list.getEntries()) tasks.push([one.startTime, one.duration]); })
  .observe({type: "longtask", buffered: true});
addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  window.shown = window.chosen = null;
  window.asked = event.timeStamp;
  for (const [name, where] of [["shown", ".hits"], ["chosen", ".hits .line"]]) {
    const before = document.querySelectorAll(where).length;
    const watch = new MutationObserver(() => {
      if (document.querySelectorAll(where).length === before) return;
      watch.disconnect();
      requestAnimationFrame(() => setTimeout(() => { window[name] = performance.now() - event.timeStamp; }));
    });
    watch.observe(document, {childList: true, subtree: true});
  }
}, true);
"""
ENDED = "document.querySelector('.turn:last-child footer:not([hidden])')"


def say(question: str, prompt: str) -> Iterator[str]:
    """What the model writes: the sentences of the evidence round and round when asked at length, else the first."""
    lines = re.findall(r"^\[(\d+)\] (.*)$", prompt, re.MULTILINE) or [("1", "Nothing was found.")]
    for at in range(SENTENCES if "at length" in question else 1):
        number, text = lines[at % len(lines)]
        again = f"Said {at} sentences later, " if at >= len(lines) else ""  # a sentence is not shown twice
        for word in f"{again}{text.rstrip('.')} [{number}].".split():
            time.sleep(PIECE_SECONDS)
            yield f" {word}"


def evidence(page: Any, questions: list[str]) -> list[dict[str, float]]:
    """For each question, asked in a chat of its own: milliseconds from Enter to the passages and to their sentences."""
    found = []
    for question in questions:
        page.click("#new-chat")
        page.fill("#question", question)
        page.wait_for_timeout(TYPING_MS)
        page.press("#question", "Enter")
        page.wait_for_function(ENDED)
        page.wait_for_function("window.chosen")
        found.append({"passages": page.evaluate("window.shown"), "sentences": page.evaluate("window.chosen")})
    return found


def streaming(page: Any) -> dict[str, Any]:
    """A long answer, while its reader types the next question and scrolls an article: the long tasks."""
    page.click("#new-chat")
    page.fill("#question", "Tell at length what is known of this.")
    page.press("#question", "Enter")
    page.wait_for_selector(".claim")
    claims = 0
    while not page.evaluate(f"Boolean({ENDED})"):
        page.locator("#question").press_sequentially("And what came of it? ", delay=KEY_MS)
        page.locator(".reader .page").hover()
        page.mouse.wheel(0, 240)
        claims = page.locator(".claim").count()
    if claims < SENTENCES // 2:
        raise SystemExit(f"The long answer had {claims} sentences: nothing to measure.")
    tasks = [length for start, length in page.evaluate("window.tasks") if start >= page.evaluate("window.asked")]
    return {
        "sentences": claims,
        "over_50_ms": len(tasks),
        "over_100_ms": sum(length > 100 for length in tasks),
        "longest_ms": round(max(tasks, default=0)),
    }


def first(browser: Any, url: str, usable: str) -> dict[str, float]:
    """One load with an empty cache: bytes, requests, first paint, until `usable` can be seen."""
    context = browser.new_context(viewport=VIEWPORT)
    page = context.new_page()
    sizes: list[float] = []
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.route("**/*", lambda route: route.continue_() if _here(route.request.url) else route.abort())
    began = time.monotonic()
    page.goto(url)
    page.wait_for_selector(usable)
    ready = 1000 * (time.monotonic() - began)
    page.wait_for_timeout(1500)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
    context.close()
    return {"kb": sum(sizes) / 1000, "requests": len(sizes), "paint_ms": paint, "usable_ms": ready}


def _here(url: str) -> bool:
    return urlsplit(url).hostname in ("127.0.0.1", None)


@contextmanager
def bare() -> Iterator[str]:
    """Gradio's ChatInterface with an echo behind it, in a process of its own; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", BARE.format(port=port)], stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                httpx.get(url, trust_env=False, timeout=10)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def beside(browser: Any, model: str, large: str, rounds: int) -> dict[str, dict[str, float]]:
    """Medians of `first` by turns: our page over the seed article, over the `large` library, and Gradio's."""
    with bare() as theirs, tempfile.TemporaryDirectory() as index:
        places = {"CORPUS_DIR": str(ROOT / "corpus"), "INDEX_DIR": index}
        sync(load_settings(os.environ | places))
        with serving(OPENAI_BASE_URL=model, CHAT_MODEL="scripted", **places) as small:
            pages = {
                "ours": (small, ".source"),
                "ours, with all these sources": (large, ".source"),
                "gradio": (theirs, "textarea"),
            }
            loads = [{name: first(browser, *where) for name, where in pages.items()} for _ in range(rounds)]
    return {name: {key: round(median(one[name][key] for one in loads)) for key in loads[0][name]} for name in pages}


def measure(passages: int, asked: int, rounds: int) -> dict[str, Any]:
    """All figures of one run."""
    settings, _ = build(passages)
    questions = [one.text for one in load("squad_new_wiki", asked + WARM, seed=SEED).queries]
    places = {"CORPUS_DIR": settings.corpus_dir, "INDEX_DIR": settings.index_dir}
    with (
        ObedientServer(say) as model,
        serving(OPENAI_BASE_URL=model.url, CHAT_MODEL="scripted", **places) as url,
        launched(chromium_path()) as browser,
    ):
        page = browser.new_context(viewport=VIEWPORT).new_page()
        page.set_default_timeout(120_000)
        page.add_init_script(WATCH)
        page.goto(url)
        page.wait_for_selector(".model[data-state=ready]")
        page.wait_for_selector(".source")
        evidence(page, questions[:WARM])
        seen = evidence(page, questions[WARM:])
        stream = streaming(page)
        page.context.close()
        loads = beside(browser, model.url, url, rounds)
    times = {
        name: {f"p{p}_ms": round(float(np.percentile([one[name] for one in seen], p)), 1) for p in (50, 95)}
        for name in ("passages", "sentences")
    }
    return {"passages": passages, "evidence": {"n": len(seen), **times}, "stream": stream, "loads": loads}


def main() -> None:
    """Measure, print the tables, write bench/results/page.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5, help="loads of each page")
    options = parser.parse_args()
    found = measure(options.passages, options.questions, options.rounds)
    seen, stream = found["evidence"], found["stream"]
    rows = [
        (f"passages visible after Enter, p50 of {seen['n']}", f"{seen['passages']['p50_ms']} ms", "150 ms"),
        ("the same, p95", f"{seen['passages']['p95_ms']} ms", ""),
        ("their sentences chosen and visible, p50", f"{seen['sentences']['p50_ms']} ms", ""),
        ("the same, p95", f"{seen['sentences']['p95_ms']} ms", ""),
        (f"tasks over 100 ms while {stream['sentences']} sentences stream", str(stream["over_100_ms"]), "0"),
        ("tasks over 50 ms meanwhile", str(stream["over_50_ms"]), ""),
        ("the longest of them", f"{stream['longest_ms']} ms", ""),
    ]
    loads = [
        (name, *(f"{one[key]:,}" for key in ("kb", "requests", "paint_ms", "usable_ms")))
        for name, one in found["loads"].items()
    ]
    title = f"The page over {options.passages:,} passages"
    write(
        "page",
        found,
        [
            Table(title, ("what", "seen", "target"), rows),
            Table("First load, empty cache", ("page", "kB", "requests", "first paint, ms", "usable, ms"), loads),
        ],
        seed=SEED,
    )


if __name__ == "__main__":
    main()
