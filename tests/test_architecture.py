"""The order of the rooms and the rules of the house, read off the syntax trees of the tracked files.

`run_study.py` -> {`analysis`, `trainables`, `study`'s driver} -> `study`'s nouns; in `trainables`: ops, features <
detectors, distillers, data sets < training < costs < run. The rule for a file is the one with the longest matching path
in RULES.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
OURS = ("study", "trainables", "analysis", "run_study", "tests")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
LONGEST_FILE = 300
VAGUE_NAME = re.compile(r"utils?|helpers?|common|misc|managers?|tools|base_.*")
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")
MACHINE_PATH = re.compile(r"(?<![\w.-])/(?:work|home|root|Users)/")
REGISTRY = re.compile(r"pypi[.]org|pythonhosted[.]org|download[.]pytorch[.]org|npmjs[.]|anaconda[.]org|debian[.]org")

TRAINING = frozenset({"torch", "torch_cluster", "mmengine", "mmcv", "mmdet", "mmdet3d", "spconv", "numba"})
SCHEDULING = frozenset({"ray", "optuna"})


@dataclass(frozen=True)
class Rule:
    """What the files of a room may import. A name stands for a module and all below it."""

    ours: tuple[str, ...]
    but_not: tuple[str, ...] = ()
    never: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    """Packages of others; None: any that is not in `never`."""


RULES = {
    "run_study.py": Rule(("study", "trainables", "analysis")),
    "study": Rule(("study",), never=TRAINING | SCHEDULING),
    "study/nouns": Rule(("study.nouns",), never=TRAINING | SCHEDULING),
    "study/evidence": Rule(("study.nouns", "study.evidence"), never=TRAINING | SCHEDULING),
    "study/planning": Rule(("study.nouns", "study.evidence", "study.planning"), never=TRAINING | {"ray"}),
    "study/planning/optuna_search.py": Rule(("study.nouns", "study.planning"), never=TRAINING),
    "study/driver": Rule(("study.nouns", "study.planning", "study.driver"), never=TRAINING),
    "analysis": Rule(("analysis", "study.nouns", "study.evidence"), never=TRAINING | SCHEDULING),
    "trainables": Rule(("trainables", "study.nouns")),
    "trainables/features.py": Rule((), never=TRAINING - {"torch"}),
    "trainables/ops": Rule(("trainables.ops", "study.nouns.errors"), only=(TRAINING - {"mmdet"}) | {"numpy"}),
    "trainables/datasets": Rule(("trainables.datasets", "trainables.ops", "study.nouns")),
    "trainables/detectors": Rule(("trainables.detectors", "trainables.features", "trainables.ops", "study.nouns")),
    "trainables/distillers": Rule(("trainables.distillers", "trainables.features", "trainables.ops", "study.nouns")),
    "trainables/training": Rule(("trainables", "study.nouns"), ("trainables.run", "trainables.costs")),
    "trainables/costs": Rule(("trainables", "study.nouns"), ("trainables.run",)),
}


def tracked() -> list[str]:
    """Paths of the tracked files that exist, relative to the repository."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip(f"not a git checkout: {REPOSITORY}")
    return [path for path in listing.stdout.split("\0") if path and (REPOSITORY / path).is_file()]


def under(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, also inside functions; a relative import as its dots and name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{source}.{alias.name}") for alias in node.names)


def import_complaints(path: str, tree: ast.Module) -> Iterator[str]:
    rooms = [room for room in RULES if path == room or path.startswith(f"{room}/")]
    if not rooms:
        return
    room = max(rooms, key=len)
    rule = RULES[room]
    for line, name in imported(tree):
        package = name.split(".")[0]
        if package in OURS:
            refused = not under(name, rule.ours) or under(name, rule.but_not)
        elif rule.only is not None:
            refused = package not in rule.only and package not in sys.stdlib_module_names
        else:
            refused = package in rule.never or name.startswith(".")
        if refused:
            yield f"{path}:{line}: {room} must not import {name}"


def early_imports(path: str, tree: ast.Module) -> Iterator[str]:
    """Imports of mmdet3d or mmcv's operators, when the file is loaded, before the bridge has been installed."""
    for node in tree.body:
        if ast.unparse(node).split("(")[0] in ("bridge.install", "install"):
            return
        names = [name for _, name in imported(ast.Module([node], []))] if not isinstance(node, FUNCTIONS) else []
        for name in names:
            if under(name, ("mmdet3d", "mmcv.ops")):
                yield f"{path}:{node.lineno}: bridge.install() must come before the import of {name}"


def code_complaints(path: str, source: str) -> Iterator[str]:
    """What a Python file does against the rules, one sentence each."""
    tree = ast.parse(source)
    yield from import_complaints(path, tree)
    if path.startswith("trainables/"):
        yield from early_imports(path, tree)
    if (lines := source.count("\n")) > LONGEST_FILE:
        yield f"{path}: {lines} lines; a file has at most {LONGEST_FILE}"
    if tree.body and not ast.get_docstring(tree):
        yield f"{path}: no module docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and all(isinstance(step, ast.Pass) for step in node.body):
            yield f"{path}:{node.lineno}: an exception is swallowed"


def text_complaints(path: str, text: str) -> Iterator[str]:
    """What any text file does against the rules, one sentence each."""
    names = [PurePosixPath(part).stem for part in PurePosixPath(path).parts]
    yield from (f"{path}: '{name}' says nothing about what is in it" for name in names if VAGUE_NAME.fullmatch(name))
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in (("unfinished work", LEFTOVER), ("a machine's path", MACHINE_PATH), ("a host", REGISTRY)):
            if found := pattern.search(line):
                yield f"{path}:{number}: names {what}: {found.group()}"


def test_every_tracked_python_file_keeps_the_order_of_the_rooms_and_the_rules_of_the_house() -> None:
    sources = [path for path in tracked() if path.endswith(".py")]
    assert "run_study.py" in sources
    complaints = [c for path in sources for c in code_complaints(path, (REPOSITORY / path).read_text())]
    assert not complaints, "\n" + "\n".join(complaints)


def test_no_tracked_file_names_a_machine_or_unfinished_work_or_hides_behind_a_vague_name() -> None:
    complaints: list[str] = []
    for path in tracked():
        content = (REPOSITORY / path).read_bytes()
        text = "" if b"\0" in content else content.decode(errors="replace")
        complaints += text_complaints(path, text)
    assert not complaints, "\n" + "\n".join(complaints)


def program() -> list[PurePosixPath]:
    """Paths of all tracked Python files but the tests."""
    return [PurePosixPath(path) for path in tracked() if path.endswith(".py") and not path.startswith("tests/")]


def test_the_map_of_files_says_of_every_file_what_it_is_for_and_of_no_other() -> None:
    lines = re.findall(r"^- `([^`]+)`: \S", (REPOSITORY / "docs/files.md").read_text(), re.MULTILINE)
    assert sorted(lines) == sorted(str(path) for path in program())


def test_no_two_files_or_data_sets_have_one_name() -> None:
    stems = [path.stem for path in program() if path.stem != "__init__"]
    stems += [path.parent.name for path in program() if path.match("trainables/datasets/*/__init__.py")]
    assert not [name for name, times in Counter(stems).items() if times > 1]


def test_the_room_of_training_shows_at_most_eight_entries() -> None:
    entries = {path.parts[1] for path in program() if path.parts[0] == "trainables"} - {"__init__.py"}
    assert len(entries) <= 8, sorted(entries)


def loaded_with(module: str) -> set[str]:
    """All that a process has loaded which imports a module."""
    question = f"import sys, {module}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", question], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(answer.stdout.split())


def test_a_report_is_made_without_loading_torch_or_ray() -> None:
    assert not loaded_with("analysis.report") & (TRAINING | SCHEDULING)


def test_a_worker_begins_without_loading_what_only_a_driver_needs() -> None:
    """It takes a second of each process."""
    loaded = loaded_with("study.driver.no_run_without_record, study.driver.departing")
    assert not loaded & {"optuna", "scipy", "study.evidence", "study.planning.planner"}


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("study/nouns/spec.py", "import torch"),
        ("study/nouns/spec.py", "from trainables import run"),
        ("study/nouns/spec.py", "from study.planning.plan import expand"),
        ("study/planning/plan.py", "import ray"),
        ("study/planning/plan.py", "from study.driver import launch"),
        ("study/driver/launch.py", "from mmengine.runner import Runner"),
        ("study/nouns/records.py", "from . import spec"),
        ("analysis/results.py", "from study.driver import launch"),
        ("analysis/tables/ablation.py", "import trainables.features"),
        ("analysis/report.py", "def draw():\n    import torch"),
        ("trainables/run.py", "from study.driver.launch import launch"),
        ("trainables/distillers/new.py", "from trainables.detectors.pointpillars import SPEC"),
        ("trainables/detectors/new.py", "from trainables import distillers"),
        ("trainables/datasets/new/__init__.py", "from trainables.training import runner"),
        ("trainables/training/student.py", "from trainables.costs import counting"),
        ("trainables/ops/new.py", "from trainables.training.student import StudentModel"),
        ("trainables/ops/new.py", "import pandas"),
    ],
)
def test_an_import_against_the_order_is_found(path: str, statement: str) -> None:
    assert [c for c in code_complaints(path, f'"""New."""\n{statement}\n') if "must not import" in c]


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        ("study/driver/launch.py", "from ray import tune"),
        ("study/planning/search_space.py", "import optuna"),
        ("trainables/distillers/new.py", "from trainables.distillers import Distiller"),
        ("trainables/ops/new.py", "from trainables import ops"),
        ("analysis/results.py", "from study.nouns.records import RunRecord"),
    ],
)
def test_an_import_with_the_order_passes(path: str, statement: str) -> None:
    assert not list(code_complaints(path, f'"""New."""\n{statement}\n'))


@pytest.mark.parametrize(
    ("before", "early"),
    [("", True), ("import trainables.ops.setup.bridge\n", True), ("def later():\n    bridge.install()\n\n\n", True),
     ("bridge.install()\n\n", False)],
)  # fmt: skip
@pytest.mark.parametrize("statement", ["from mmdet3d.registry import MODELS", "import mmcv.ops"])
def test_mmdet3d_is_imported_after_the_bridge_only(before: str, early: bool, statement: str) -> None:
    source = f'"""New."""\n{before}{statement}\n'
    found = [c for c in code_complaints("trainables/training/new.py", source) if "bridge.install() must come" in c]
    assert bool(found) is early
    assert not list(code_complaints("trainables/training/new.py", '"""New."""\ndef f():\n    import mmdet3d\n'))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1\n", "no module docstring"),
        ('"""Long."""\n' + "x = 1\n" * LONGEST_FILE, "301 lines"),
        ('"""Quiet."""\ntry:\n    x = 1\nexcept ValueError:\n    pass\n', "swallowed"),
    ],
)
def test_code_against_the_rules_is_found(source: str, complaint: str) -> None:
    assert [c for c in code_complaints("study/new.py", source) if complaint in c]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("study/utils.py", ""),
        ("trainables/common/boxes.py", ""),
        ("trainables/base_model.py", ""),
        ("README.md", "# TO" + "DO: write"),
        ("cluster.yaml", "file_mounts: /ho" + "me/me/data"),
        ("Makefile", "pip install --index-url https://py" + "pi.org/simple"),
    ],
)
def test_text_against_the_rules_is_found(path: str, text: str) -> None:
    assert list(text_complaints(path, text))
