"""Create .venv and install locked requirements into it; plain Python, run by the Makefile.

    python3 scripts/install.py requirements/base.txt [more locks]

Every package is checked against the hash in the lock. One progress line a package on a
terminal, one in twenty-five elsewhere. Exit status 2 and one line when it cannot be done.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"


def main(locks: list[str]) -> int:
    """Install the named lock files; returns the exit status."""
    if sys.version_info < (3, 10):  # noqa: UP036 - PYTHON=... may name any version
        return _fail(f"Python 3.10 or later is needed; this is {sys.version.split()[0]}.")
    try:
        _create()
        return _install(locks)
    except (OSError, subprocess.CalledProcessError) as error:
        return _fail(f"The environment {VENV} could not be made: {error}")
    except KeyboardInterrupt:
        return _fail("Stopped; the next start goes on from here.")


def _create() -> None:
    if PYTHON.exists() and _works("-m", "pip", "--version"):
        return
    print(f"Creating .venv with Python {sys.version.split()[0]}", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        import ensurepip  # noqa: F401
    except ImportError:  # Debian keeps it in a package of its own
        venv.create(VENV, symlinks=True)
        _borrow_pip()
    else:
        venv.create(VENV, symlinks=True, with_pip=True)


def _borrow_pip() -> None:
    """Have the pip of the running Python install one into .venv."""
    site = sysconfig.get_path(
        "purelib",
        "venv" if sys.version_info >= (3, 11) else "posix_prefix",
        {"base": str(VENV), "platbase": str(VENV)},
    )
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", site, "pip"], check=True)


def _works(*arguments: str) -> bool:
    return subprocess.run([PYTHON, *arguments], capture_output=True, check=False).returncode == 0


def _install(locks: list[str]) -> int:
    packages = sum(len(re.findall(r"^\S+==", Path(lock).read_text("utf-8"), re.MULTILINE)) for lock in locks)
    print(f"Installing the locked requirements (up to {packages} packages, each checked by hash)", flush=True)
    command = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-deps",
        "--disable-pip-version-check",
        "--no-color",
        "--progress-bar",
        "off",
    ]
    for lock in locks:
        command += ["-r", lock]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    last = _follow(process)
    if process.wait() == 0:
        return 0
    print("\n".join(last), file=sys.stderr)
    return _fail("pip could not install the requirements: its last words are above. Run it again to go on.")


def _follow(process: "subprocess.Popen[str]") -> "deque[str]":
    """Show progress from pip's output; returns its last lines, for the case that it fails."""
    last: deque[str] = deque(maxlen=15)
    terminal, seen = sys.stdout.isatty(), 0
    for line in process.stdout or ():
        last.append(line.rstrip())
        collecting = re.match(r"(?:Collecting|Processing|Requirement already satisfied:) (?:\S*/)?([\w.]+)", line)
        if collecting:
            seen += 1
            if terminal:
                print(f"\r\x1b[K  {seen} {collecting[1]}", end="", flush=True)
            elif seen % 25 == 0:
                print(f"  {seen} packages", flush=True)
        elif line.startswith("Installing collected packages"):
            print(f"{chr(13) if terminal else ''}  {seen} packages are here; unpacking them", flush=True)
    return last


def _fail(line: str) -> int:
    print(line, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
