"""The layers that pyproject.toml says are those of the code, and a package is where a newcomer looks for it."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src/closedbook"
MOST_MODULES = 8
"""in the root of the package, which is to be a list of what there is"""


def linted(place: Path) -> subprocess.CompletedProcess:
    command = [str(Path(sys.prefix) / "bin/lint-imports"), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(command, cwd=place, env={"PYTHONPATH": str(place / "src"), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    return tmp_path


def test_every_import_goes_down():
    done = linted(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module, planted", [
    ("util/files.py", "from closedbook.workflow import plan"),
    ("llm/client.py", "def late():\n    from closedbook.generation import mixing"),
    ("training/loop.py", "from closedbook.evaluation import tasks"),
    ("stages/runs.py", "from closedbook.miniature import base as planted"),
])  # fmt: skip
def test_one_that_goes_up_is_found(copy, module, planted):
    path = copy / "src/closedbook" / module
    path.write_text(f"{path.read_text()}\n\n{planted}\n")
    assert linted(copy).returncode == 1


def test_every_package_is_in_a_layer_and_may_not_import_the_miniature():
    layers, apart = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    there = {f"closedbook.{path.stem}" for path in PACKAGE.iterdir() if not path.name.startswith("__") and path.suffix in ("", ".py")}
    placed = {name.strip() for layer in layers["layers"] for name in layer.split("|")}
    assert placed | {"closedbook.miniature"} == there and set(apart["source_modules"]) == placed


def test_the_root_holds_few_modules():
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_MODULES


def test_the_miniature_is_imported_only_where_it_is_chosen():
    code = ("import sys, closedbook.cli, closedbook.workflow.plan, closedbook.stages.documents, closedbook.stages.base; "
            "print([name for name in sys.modules if name.startswith('closedbook.miniature')])")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"}, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_one_word_for_one_thing():
    """The words of before that docs/architecture.md has others for."""
    before = re.compile(r"hangs? on|held against|\bpurse\b|books? closed|text at hand|main job|without_model|scripted author|extractive writer", re.IGNORECASE)
    paths = [path for pattern in ("*.md", "docs/*.md", "presets/*.yaml", "src/**/*.py", "rules/*.smk") for path in ROOT.glob(pattern)]
    texts = {path: path.read_text(encoding="utf-8") for path in paths if path.name not in ("CHANGELOG.md", "experiments.md")}
    assert len(texts) > 200 and {str(path): found[0] for path, text in texts.items() if (found := before.search(text))} == {}


def test_only_layout_says_where_results_lie():
    paths = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "layout.py"]
    found = [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in results_named(path.read_text(encoding="utf-8"))]
    assert len(paths) > 100 and found == []


@pytest.mark.parametrize("planted", ['Path("results")', 'PATH = "results/runs/a.json"', 'f"results/{name}.json"', 'folder / "results"'])
def test_a_path_of_results_that_is_written_out_is_found(planted):
    assert results_named(planted) == [1]


@pytest.mark.parametrize("other", [
    '"""results/ in words"""', 'raise UserError("results/x: is gone")', '{"results": 1}["results"]', '"in results/x"',
])  # fmt: skip
def test_what_only_tells_of_results_is_none(other):
    assert results_named(other) == []


def results_named(code: str) -> list[int]:
    """The lines of strings that are a path of results. Docstrings, the words of a UserError and the keys of a dict are none."""
    tree = ast.parse(code)
    told = [node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    told += [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UserError"]
    told += [node.slice for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    told += [key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys if isinstance(key, ast.Constant)]
    excepted = {id(within) for node in told for within in ast.walk(node)}
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in excepted
            and isinstance(node.value, str) and (node.value == "results" or node.value.startswith("results/"))]
