"""The shape of the code: who may import whom, how long a file may get, what a package exports."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mnv4_vision"
MAX_LINES = 400

# room: the rooms it may import from
ROOMS = {
    "analysis": {"core", "compat"},
    "compat": set(),
    "core": {"compat"},
    "cls": {"datasets", "core", "compat"},
    "det": {"datasets", "core", "compat"},
    "seg": {"datasets", "core", "compat"},
    "datasets": {"core", "compat"},
}
# room: top-level modules it must do without
FORBIDDEN = {"core": {"mmdet", "mmseg"}}
# What makes `--help` slow: tools import these inside main().
HEAVY = {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmseg", "timm", "cv2", "mnv4_vision"}
# Nothing in the package may lean on what is not installed with it.
NOT_INSTALLED = {"tools", "configs", "tests", "benchmarks"}


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_modules(nodes: Iterator[ast.AST], path: Path) -> set[str]:
    """Dotted names of everything imported; `from a import b` gives `a` and `a.b`."""
    modules = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute_base(node, path)
            modules |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return modules


def absolute_base(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module
    package = path.relative_to(ROOT).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def rooms_of(modules: set[str]) -> set[str]:
    parts = [module.split(".") for module in modules]
    return {p[1] for p in parts if p[0] == "mnv4_vision" and len(p) > 1 and p[1] in ROOMS}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def test_every_subpackage_is_a_room():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= set(ROOMS), "give the new room its place in ROOMS and in the documentation"


@pytest.mark.parametrize("path", python_files("mnv4_vision"), ids=relative)
def test_arrows_go_down_only(path: Path):
    modules = imported_modules(ast.walk(parse(path)), path)
    assert not {module.split(".")[0] for module in modules} & NOT_INSTALLED
    room = path.relative_to(PACKAGE).parts[0]
    if room in ROOMS:
        assert rooms_of(modules) <= ROOMS[room] | {room}
        assert not {module.split(".")[0] for module in modules} & FORBIDDEN.get(room, set())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from mnv4_vision import det", {"det"}),
        ("import mnv4_vision.seg.heads as heads", {"seg"}),
        ("from ..det import heads", {"det"}),
        ("from .blocks import Conv", {"core"}),
        ("def lazy():\n    from mnv4_vision.datasets import demo", {"datasets"}),
        ("from mnv4_vision import __version__\nimport torch", set()),
    ],
)
def test_imports_are_found_in_every_form(source: str, expected: set[str]):
    tree = ast.parse(source)
    assert rooms_of(imported_modules(ast.walk(tree), PACKAGE / "core" / "module.py")) == expected


@pytest.mark.parametrize("path", python_files("tools"), ids=relative)
def test_tools_answer_help_without_heavy_imports(path: Path):
    modules = imported_modules(iter(parse(path).body), path)
    assert not {module.split(".")[0] for module in modules} & HEAVY


def lines_outside_tables(path: Path) -> int:
    """Length of a file, without the data tables: assignments of more than one line at its top."""
    tables = [node for node in parse(path).body if isinstance(node, ast.Assign | ast.AnnAssign)]
    in_tables = sum(node.end_lineno - node.lineno for node in tables)
    return len(path.read_text(encoding="utf-8").splitlines()) - in_tables


@pytest.mark.parametrize(
    "path", python_files("mnv4_vision", "tools", "tests", "benchmarks", "configs"), ids=relative
)
def test_files_stay_readable(path: Path):
    assert lines_outside_tables(path) <= MAX_LINES


def bound_names(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=relative)
def test_packages_say_what_they_export(path: Path):
    tree = parse(path)
    exported = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    assert exported, f"{relative(path)} has no __all__"
    missing = set(exported[0]) - bound_names(tree)
    assert not missing, f"{relative(path)} exports what it does not define: {sorted(missing)}"


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for path in PACKAGE.rglob("*.py")}
    assert not [relative(folder) for folder in folders if not (folder / "__init__.py").is_file()]
