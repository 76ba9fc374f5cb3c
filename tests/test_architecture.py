"""The rules of the house, held on every file: layers, doors, forbidden calls, what is published."""

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ingest.settings import ROOT

README = (ROOT / "README.md").read_text("utf-8")
PRODUCT = sorted(p for floor in ("ingest", "app") for p in (ROOT / floor).rglob("*.py"))

# One door per foreign giant: package -> the only files that may import it.
DOORS = {
    "gradio": r"app/(page\w*|server)\.py",
    "chromadb": r"ingest/(index|health)\.py",
    "sqlite3": r"ingest/catalog\w*\.py",
    "zipfile": r"ingest/readers/\w+\.py|app/weights\.py",  # the latter opens wheels, checked by hash
    "xllamacpp": r"app/embedded\.py",
    "openai": r"app/(model|client|endpoint|faults|reply)\.py|ingest/embed\w*\.py",
    **dict.fromkeys(
        ("trafilatura", "pypdfium2", "striprtf", "charset_normalizer"),
        r"ingest/readers/\w+\.py",
    ),
}
# Loading any of these takes from a tenth of a second to several.
HEAVY = {
    "gradio",
    "chromadb",
    "llama_index",
    "trafilatura",
    "onnxruntime",
    "numpy",
    "openai",
    "pandas",
    "fastapi",
}
# They run what a file says, or hand text to a shell.
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "shelve", "marshal", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "extractall", "unpack_archive", "system", "popen", "getoutput", "mktemp"}


def name_of(path: Path) -> str:
    """`ingest/readers/pdf.py` -> `ingest.readers.pdf`; a package is named by its folder."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in PRODUCT}
TREES = {path: ast.parse(path.read_text("utf-8")) for path in PRODUCT}


def imported(path: Path) -> Iterator[str]:
    """The full names that a file imports, anywhere in it: also inside functions and for types alone."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import; write the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own_imports(path: Path) -> set[str]:
    """The modules of ours that a file imports."""
    found = set()
    for name in imported(path):
        module = name if name in MODULES else name.rpartition(".")[0]
        if module in MODULES:
            found.add(module)
    return found - {name_of(path)}


def readme_order() -> list[str]:
    """The modules in the order of the README's captioned tree."""
    tree = re.search(r"^```\n(ingest/.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert tree, "the README has no captioned tree that starts with ingest/"
    folders: list[str] = []
    modules = []
    for line in tree[1].splitlines():
        entry = re.match(r"( *)([\w.]+(?:/|\.py))\s", line + " ")
        if not entry:
            continue
        depth, name = len(entry[1]) // 2, entry[2]
        del folders[depth:]
        if name.endswith("/"):
            folders.append(name.rstrip("/"))
        else:
            modules.append(".".join([*folders, name[:-3]]).removesuffix(".__init__"))
    return modules


def test_readme_captions_every_file():
    assert sorted(readme_order()) == sorted(MODULES)


def test_each_file_imports_only_from_lines_above_it_in_the_tree():
    order = {module: place for place, module in enumerate(readme_order())}
    for module, path in MODULES.items():
        below = [m for m in own_imports(path) if order[m] > order[module]]
        assert not below, f"{module} imports {below}, which stand below it in the README's tree"


def test_lower_floor_never_imports_the_upper():
    for module, path in MODULES.items():
        if module.startswith("ingest"):
            assert not [name for name in imported(path) if name.split(".")[0] == "app"], module


def test_no_import_circles():
    waiting = {module: own_imports(path) for module, path in MODULES.items()}
    while ready := [module for module, needs in waiting.items() if not needs & waiting.keys()]:
        for module in ready:
            del waiting[module]
    assert not waiting, f"a circle among {sorted(waiting)}"


@pytest.mark.parametrize("package", sorted(DOORS))
def test_one_door_per_foreign_giant(package: str):
    users = [p.relative_to(ROOT).as_posix() for p in PRODUCT if package in {n.split(".")[0] for n in imported(p)}]
    strays = [user for user in users if not re.fullmatch(DOORS[package], user)]
    assert not strays, f"{package} is imported by {strays}; its door is {DOORS[package]}"


@pytest.mark.parametrize("path", PRODUCT, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_call_that_runs_what_a_document_says(path: Path):
    assert not FORBIDDEN_IMPORTS & {name.split(".")[0] for name in imported(path)}
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert called not in FORBIDDEN_CALLS, f"line {node.lineno}: {called}"
            for keyword in node.keywords:
                switched_on = not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
                unsafe = keyword.arg in ("shell", "trust_remote_code", "allow_pickle") and switched_on
                assert not unsafe, f"line {node.lineno}: {keyword.arg}"


@pytest.mark.parametrize(
    "module", ["ingest.settings", "ingest.document", "ingest.corpus", "app.answer", "app.__main__"]
)
def test_light_modules_load_nothing_heavy(module: str):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_importing_everything_touches_no_file_socket_or_setting(tmp_path: Path):
    """Watched by an audit hook: nothing is written, connected to or started when modules load."""
    code = """
import importlib, os, sys
names, seen = sys.argv[1:], []
def watch(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if writes or event in ("socket.connect", "socket.bind", "sqlite3.connect", "subprocess.Popen"):
        seen.append((event, str(args[0])))
for giant in ("gradio", "chromadb", "llama_index.core", "trafilatura", "markitdown", "xllamacpp"):
    try: importlib.import_module(giant)
    except ImportError: pass
environ = dict(os.environ)
sys.dont_write_bytecode = True
sys.addaudithook(watch)
for name in names:
    importlib.import_module(name)
print(seen, dict(os.environ) == environ)
"""
    names = [name for name in MODULES if not name.endswith("__main__")]
    done = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[] True"


def variables() -> set[str]:
    """The environment variables that ingest/settings.py reads."""
    tree = TREES[ROOT / "ingest" / "settings.py"]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    first = [node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)]
    return {name for name in first if isinstance(name, str) and re.fullmatch(r"[A-Z][A-Z0-9_]+", name)}


def test_every_setting_is_documented():
    example = (ROOT / ".env.example").read_text("utf-8")
    assert variables() == set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))
    missing = [name for name in sorted(variables()) if f"`{name}`" not in README]
    assert not missing, f"the README does not name {missing}"


def test_only_settings_reads_the_environment():
    """Elsewhere a variable may be set, unset or handed on to a child, never looked up."""
    for path in PRODUCT:
        if path.name == "settings.py":
            continue
        for node in ast.walk(TREES[path]):
            lookup = isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)
            lookup = lookup and ast.unparse(node.value) == "os.environ"
            get = isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv")
            key = node.slice if lookup else node.args[0] if get else None
            assert not isinstance(key, ast.Constant), f"{path.relative_to(ROOT)}:{node.lineno}"


def tracked() -> Iterator[tuple[str, str]]:
    """Path and text of every text file that is published."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout: cannot tell which files are published")
    for name in filter(None, done.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            content = path.read_bytes()
            if b"\0" not in content:
                yield name, content.decode("utf-8", "replace")


def test_no_registry_host_or_machine_path_is_published():
    host = re.compile(r"\bpy(?:pi|thonhosted)[.]org|\bregistry[.]npmjs|--(?:extra-)?index-url|--find[-]links")
    place = re.compile(r"(?<![\w./:-])/(?:work|root|home/\w+|Users/\w+)/")
    for name, text in tracked():
        for pattern in (host, place):
            found = pattern.search(text)
            assert not found, f"{name}: {found and found[0]}"


def minimum_safe() -> list[Requirement]:
    """The checked-in list of the first safe versions."""
    lines = (ROOT / "requirements" / "minimum-safe.txt").read_text("utf-8").splitlines()
    return [Requirement(bare) for line in lines if (bare := line.partition("#")[0].strip())]


@pytest.mark.parametrize("safe", minimum_safe(), ids=lambda r: r.name)
def test_no_version_with_a_known_hole(safe: Requirement):
    locked = []
    for lock in ("base.txt", "test.txt", "bench.txt"):
        text = (ROOT / "requirements" / lock).read_text("utf-8")
        for name, version in re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", text, re.MULTILINE):
            if canonicalize_name(name) == canonicalize_name(safe.name):
                locked.append(version)
    assert locked, f"{safe.name} is not in the lock any more: take it off the list"
    for version in [*locked, importlib.metadata.version(safe.name)]:
        assert version in safe.specifier, f"{safe.name} {version}: needs {safe}"


def test_every_locked_package_has_a_hash():
    for lock in (ROOT / "requirements").glob("*.txt"):
        if lock.name == "minimum-safe.txt":
            continue
        entries = re.split(r"\n(?=\S)", lock.read_text("utf-8").strip())
        bare = [e for e in entries if not e.startswith("#") and "--hash=sha256:" not in e]
        assert not bare, f"{lock.name}: {bare[:3]}"


def test_every_requirement_is_used_and_every_use_is_required():
    """No dependency that nobody imports; nothing imported that only some other package happens to bring."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", project, re.MULTILINE | re.DOTALL)
    assert block
    required = {
        canonicalize_name(re.split(r"[\[<>=]", n)[0]) for n in re.findall(r'^ +"(.+?)"', block[1], re.MULTILINE)
    }
    providers = importlib.metadata.packages_distributions()
    used: set[str] = set()
    for path in PRODUCT:
        for name in imported(path):
            top = name.split(".")[0]
            if top in sys.stdlib_module_names or top in ("app", "ingest"):
                continue
            candidates = {canonicalize_name(d) for d in providers.get(top, [top])}
            if top == "llama_index":  # many distributions share this one name
                part = "-".join(name.split(".")[1:3]).replace("_", "-")
                candidates = {f"llama-index-{part}"} & required or {"llama-index-core"}
            assert candidates & required, (
                f"{path.relative_to(ROOT)} imports {top}, which pyproject.toml does not require"
            )
            used |= candidates & required
    text = "".join(path.read_text("utf-8") for path in PRODUCT)
    named = {package for package in required if re.search(rf"['\"]{package.replace('-', '.')}[\w./-]*['\"]", text)}
    assert required - used - named == set(), "required, but no file imports or names it"
