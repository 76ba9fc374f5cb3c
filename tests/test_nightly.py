"""`make nightly`: what it cannot test fails with the reason, where plain `make test` skips it."""

import os
import subprocess
import sys
from pathlib import Path

from ingest.settings import ROOT

MISSING = {
    "tests/test_fetch.py::test_no_case_of_the_list_is_left_out": "no SSRF list at",
    "tests/test_bad_files.py::test_the_whole_list_ends_in_text_or_a_reason": "no hostile files at",
    "tests/test_planted.py::test_the_plant_is_in_the_article_or_its_title_and_not_in_the_twin": "no measuring data at",
    "tests/test_proxy.py": "nginx is not installed",
}


def outcomes(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """The tests of MISSING on a machine that has neither the data nor nginx."""
    environ = os.environ | {"BENCH_DATA": str(folder / "nothing"), "NGINX": "", "PATH": str(folder)}
    code = "import os, shutil, sys, pytest; shutil.which = lambda *_, **__: None; sys.exit(pytest.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "-m", "nightly or equipped", "-p", "no:cacheprovider", *options, *MISSING]
    return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_laptop_skips_what_it_lacks(tmp_path: Path) -> None:
    done = outcomes(tmp_path)
    assert done.returncode == 0, done.stdout
    assert all("SKIPPED" in done.stdout and reason in done.stdout for reason in MISSING.values())


def test_nightly_fails_there_and_says_why(tmp_path: Path) -> None:
    done = outcomes(tmp_path, "--no-skips")
    assert done.returncode == 1, done.stdout
    assert "skipped" not in done.stdout.splitlines()[-1]
    assert all(f"Not tested: {reason}" in done.stdout for reason in MISSING.values())


def test_make_nightly_asks_for_it() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").split("\nnightly:")[1].split("\n\n")[0]
    assert '-m "nightly or equipped" --no-skips' in recipe
