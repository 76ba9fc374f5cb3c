"""The child's side of the sandbox: reads one request after the other from its standard input, answers on its output.

Each is a line of JSON, then bytes. Limits on address space, CPU time and file size are setrlimit's
(POSIX; macOS ignores the first); the network and other programs are refused.
"""

import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from ingest.readers.build import ArchiveError, ReadError

OUTPUT_BYTES = 50_000_000


def read_exactly(stream: IO[bytes], count: int) -> bytes:
    """So many bytes of a stream; raises `EOFError` when it ends before."""
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _serve(limits: dict[str, float]) -> None:
    """Answer requests until the parent goes away."""
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # A library that prints must not garble the answers.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _limit_process(limits)
    sys.addaudithook(_refuse)
    while line := stdin.readline():
        request = json.loads(line)
        data = read_exactly(stdin, request["bytes"])
        _limit_cpu(limits["cpu"])
        answer, body = _answer(request, data)
        del data
        stdout.write(json.dumps(answer | {"bytes": len(body)}).encode() + b"\n" + body)
        stdout.flush()
        if answer.get("last"):
            return


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Parsers have no business with the network or with other programs."""
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system",
                 "os.exec", "os.fork", "os.posix_spawn", "os.remove", "os.rename", "os.rmdir"):  # fmt: skip
        raise PermissionError(f"{event} is not allowed in a reader")


def _limit_process(limits: dict[str, float]) -> None:
    try:
        import resource
    except ImportError:  # Windows: the parent's limits on time and output remain
        return
    size = resource.getpagesize()
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * size
    except OSError:
        taken = 512 << 20
    for kind, amount in (
        (resource.RLIMIT_AS, taken + int(limits["memory"])),
        (resource.RLIMIT_FSIZE, 16 << 20),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (amount, amount))


def _limit_cpu(seconds: float) -> None:
    """CPU time is counted from the start of the process, so the limit moves with each file."""
    try:
        import resource
    except ImportError:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime + seconds) + 1
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _answer(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    try:
        return {"read": _do_read, "unzip": _do_unzip, "entries": _do_entries}[request["do"]](request, data)
    except ArchiveError as error:
        return {"error": str(error), "archive": True}, b""
    except ReadError as error:
        return {"error": str(error)}, b""
    except MemoryError:
        return {"error": "reading it needs too much memory", "last": True}, b""
    except RecursionError:
        return {"error": "it is nested too deeply", "last": True}, b""
    except Exception as error:  # noqa: BLE001 - whatever a parser throws is the file's fault, and is named
        return {"error": f"the reader failed on it ({type(error).__name__})", "last": True}, b""


def _do_read(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    from ingest.readers import read_as

    kind, document = read_as(data, request["name"], request["url"], request["type"])
    text = document.text.encode()
    if len(text) > OUTPUT_BYTES:
        raise ReadError(f"it gives more than {OUTPUT_BYTES // 1_000_000} MB of text")
    return {"kind": kind, "metadata": asdict(document.metadata)}, text


def _do_unzip(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    from ingest.readers.archive import unzip

    members: list[tuple[str, int, str | None]] = []
    body = bytearray()
    for name, found in unzip(data, request["skip"]):
        if isinstance(found, bytes) and members and len(body) + len(found) > OUTPUT_BYTES:
            return {"members": members, "all": False}, bytes(body)
        if isinstance(found, bytes):
            body += found
            members.append((name, len(found), None))
        else:
            members.append((name, 0, found))
    return {"members": members, "all": True}, bytes(body)


def _do_entries(request: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    from ingest.readers.feed import entries

    return {"entries": entries(data)}, b""


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))
