"""A model file of a hub repository: only when the user names it, over https, checked by the hub's own SHA-256.

The hub is asked once. What it said (size, hash, commit) is kept beside the file, so that a fetch that
was interrupted goes on with the same bytes, and nothing is asked again when the file is there.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from app.gguf import parts
from app.pinned_files import Pin, check_space, matches
from ingest import UserError
from ingest.progress import Progress, Report
from ingest.settings import Settings

HUB = "https://huggingface.co"
FORM = re.compile(r"(\w[\w.-]*/\w[\w.-]*)(?::(\w[\w.-]*(?:/\w[\w.-]*)*\.gguf))?", re.ASCII)
USUAL = "q4_k_m"  # of several files: the size that most people run
REDIRECTS = 5
SLACK = 64 << 20  # bytes that the disk must have beyond the file
TIMEOUT = httpx.Timeout(30)


@dataclass(frozen=True)
class HubFile:
    """A GGUF file of a repository: the one named, else the only one, else the one of the usual size."""

    repository: str
    file: str | None = None
    base: str = HUB

    @property
    def name(self) -> str:
        """As the user wrote it."""
        return f"{self.repository}:{self.file}" if self.file else self.repository

    def path(self, settings: Settings) -> Path:
        """Where the file is kept."""
        return settings.cache_dir / "models" / (re.sub(r"[/:]", "--", self.name).removesuffix(".gguf") + ".gguf")

    def pin(self, path: Path) -> Pin:
        """Size and hash, as the hub told when it was first asked. Raises `UserError`."""
        return self._told(path)[0]

    def fetch(self, path: Path, report: Report) -> None:
        """Get the file into `path`, going on where an earlier try ended. Raises `UserError`."""
        pin, url = self._told(path)
        part = path.with_name(path.name + ".part")
        have = part.stat().st_size if part.exists() else 0
        check_space(self.name, pin.size - have + SLACK, path.parent)
        print(f"{self.name}: {pin.size / 1e6:,.0f} MB from {self.base}, SHA-256 {pin.sha256}.", file=sys.stderr)
        with self._faults(), httpx.Client(timeout=TIMEOUT) as client:
            if have < pin.size:
                self._download(client, url, part, pin, report)
        if not matches(part, pin, report):
            part.unlink()
            raise UserError(f"What {self.base} sent for {self.name} is not the file that it names. Try again.")
        part.rename(path)

    def _told(self, path: Path) -> tuple[Pin, str]:
        kept = path.with_name(path.name + ".pin")
        try:
            told = json.loads(kept.read_text("utf-8"))
            return Pin(self.name, int(told["size"]), str(told["sha256"])), str(told["url"])
        except (OSError, ValueError, KeyError, TypeError):
            with self._faults(), httpx.Client(timeout=TIMEOUT) as client:
                size, sha256, url = self._ask(client)
            kept.write_text(json.dumps({"size": size, "sha256": sha256, "url": url}), "utf-8")
            return Pin(self.name, size, sha256), url

    def _ask(self, client: httpx.Client) -> tuple[int, str, str]:
        """Size, SHA-256 and the address at this commit, from the hub's own pointer to the file."""
        chosen = self.file or self._choose(client)
        if len(parts(Path(chosen))) > 1:
            raise UserError(
                f"{self.repository}:{chosen} is one of {len(parts(Path(chosen)))} parts, and only whole files are "
                "fetched: get all parts into one folder yourself, and set CHAT_MODEL to the path of the first."
            )
        file = quote(chosen)
        head = self._send(client, "HEAD", f"{self.base}/{self.repository}/resolve/main/{file}", until="x-linked-etag")
        sha256 = head.headers.get("x-linked-etag", "").strip('"')
        size = head.headers.get("x-linked-size", "")
        commit = head.headers.get("x-repo-commit", "")
        if not (re.fullmatch(r"[0-9a-f]{64}", sha256) and size.isdigit() and re.fullmatch(r"\w+", commit)):
            raise UserError(
                f"{self.base} tells no SHA-256 of {self.name}, so it cannot be checked: fetch the file yourself, "
                "and set CHAT_MODEL to its path."
            )
        return int(size), sha256, f"{self.base}/{self.repository}/resolve/{commit}/{file}"

    def _choose(self, client: httpx.Client) -> str:
        listed = self._send(client, "GET", f"{self.base}/api/models/{self.repository}")
        files = [str(entry["rfilename"]) for entry in json.loads(listed.read())["siblings"]]
        found = [name for name in files if re.fullmatch(r"[\w./-]+\.gguf", name) and "mmproj" not in name.lower()]
        usual = [name for name in found if USUAL in name.lower() and "-of-" not in name]
        if len(found) == 1 or len(usual) == 1:
            return (usual or found)[0]
        names = ", ".join(sorted(found)[:12]) or "none"
        raise UserError(f"Say which file of {self.repository}: CHAT_MODEL={self.repository}:FILE. It has: {names}.")

    def _download(self, client: httpx.Client, url: str, part: Path, pin: Pin, report: Report) -> None:
        have = part.stat().st_size if part.exists() else 0
        response = self._send(client, "GET", url, {"Range": f"bytes={have}-"} if have else {})
        if response.status_code != 206:
            have = 0  # the server begins anew
        with closing(response), part.open("ab") as out:
            out.truncate(have)
            for block in response.iter_bytes():
                have += len(block)
                if have > pin.size:
                    break
                out.write(block)
                report(Progress(f"Fetching {self.name}", have, pin.size, "B"))

    def _send(
        self, client: httpx.Client, method: str, url: str, headers: dict[str, str] | None = None, until: str = ""
    ) -> httpx.Response:
        """The reply, not yet read; redirects are followed, never to http, but for one that has the header `until`."""
        request = client.build_request(method, url, headers={"Accept-Encoding": "identity", **(headers or {})})
        for _ in range(REDIRECTS + 1):
            if urlsplit(str(request.url)).scheme != urlsplit(self.base).scheme:
                raise UserError(f"{self.base} leads to {request.url.host} without https: {self.name} is not fetched.")
            response = client.send(request, stream=True)
            if until and until in response.headers:
                return response
            if response.next_request is None:
                return response.raise_for_status()
            response.close()
            request = response.next_request
        raise UserError(f"{self.base} redirects more than {REDIRECTS} times.")

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPStatusError as error:
            code = error.response.status_code
            why = {
                401: "it is private, gated or not there",
                403: "it is gated: fetch the file yourself once you may, and set CHAT_MODEL to its path",
                404: "there is no such repository or file",
            }.get(code, "ask again later")
            raise UserError(f"{self.base} does not give {self.name} (HTTP {code}): {why}.") from error
        except httpx.HTTPError as error:
            raise UserError(
                f"{self.name} could not be fetched from {self.base} ({str(error) or type(error).__name__}). "
                "Check the network and try again: it goes on from here."
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{self.base} sent a list of files for {self.name} that cannot be read.") from error
