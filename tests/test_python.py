"""closedbook from Python: its signatures, what its frames hold, its errors, and the notebook that shows it."""

import asyncio
import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import toy_project
import toys
from test_report import score

import closedbook
from closedbook import cli, layout
from closedbook.analysis.table import COLUMNS
from closedbook.util import files

ROOT = Path(__file__).parent.parent
SIGNATURES = {
    "load": "(folder: pathlib.Path | str = '.') -> 'Project'",
    "documents": "(self) -> 'pandas.DataFrame'",
    "passages": "(self, document: str | None = None, strategy: str | None = None) -> 'pandas.DataFrame'",
    "corpora": "(self) -> 'pandas.DataFrame'",
    "runs": "(self) -> 'pandas.DataFrame'",
    "scores": "(self) -> 'pandas.DataFrame'",
    "trace": "(self, target: str | None = None, *, run: str | None = None, token: int | None = None, step: int | None = None, "
             "text: str | None = None) -> dict[str, typing.Any]",
    "ask": "(self, run: str, question: str, *, system: str = '', temperature: float = 0.0, max_tokens: int = 256, seed: int = 1) "
           "-> dict[str, typing.Any]",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The toy project with whole scores: raw's from two seeds."""
    root = toy_project.make(tmp_path_factory.mktemp("made") / "project")
    for name, accuracy, seed in (("base", 0.25, None), ("raw", 0.3, 1), ("raw", 0.5, 2), ("entigraph", 0.6, 1)):
        path = score(root / "results", name, name, 0 if name == "base" else 1000, accuracy, seed=seed)
        with closedbook.project.chdir(root):
            toys.receipt(f"scores/{path.stem}", [], [path.relative_to(root), path.with_suffix(".samples.jsonl").relative_to(root)])
    return root


@pytest.fixture
def project(made):
    return closedbook.load(made)


def hashes(root: Path) -> dict[str, str]:
    return {str(path): files.sha256_file(path) for path in (root / "results").rglob("*") if path.is_file()}


def test_its_signatures_are_a_promise():
    public = {name: getattr(closedbook.Project, name) for name in vars(closedbook.Project) if not name.startswith("_")} | {"load": closedbook.load}
    assert {name: str(inspect.signature(one)) for name, one in public.items()} == SIGNATURES
    assert all(one.__doc__ for one in public.values()) and closedbook.__all__ == ["Project", "UserError", "load"]
    page = (ROOT / "docs/python.md").read_text()
    assert all(f"{name}(" in page for name in SIGNATURES) and (ROOT / "src/closedbook/py.typed").exists()


def test_importing_it_loads_nothing_heavy():
    code = "import sys, closedbook; print(sorted({'torch', 'mlflow', 'pandas', 'numpy', 'transformers', 'pydantic', 'asyncio'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": "src"}, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_frames_hold_what_results_say_from_whichever_folder(made, project, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = hashes(made)
    documents, passages, corpora, runs = project.documents(), project.passages(), project.corpora(), project.runs()
    assert list(documents.id) == [toy_project.OTHER, toy_project.FIRST] and documents.title[0] == "The Clock"
    assert passages.groupby(["document", "strategy"]).size().to_dict() == {(name, strategy): {"raw": 1, "entigraph": 120}[strategy]
                                                                           for name in documents.id for strategy in ("raw", "entigraph")}  # fmt: skip
    assert set(passages.title) == set(documents.title) and passages.call_key.notna().all()
    of_one = project.passages("the clock", strategy="raw")
    assert list(of_one.id) == list(passages.id[(passages.document == toy_project.OTHER) & (passages.strategy == "raw")])
    assert dict(zip(corpora.corpus, corpora.num_passages)) == {"entigraph": 239, "raw": 2} and list(runs.run) == ["entigraph-s1", "raw-s1"]
    assert Path.cwd() == tmp_path and hashes(made) == before and closedbook.load(made / "results/runs") == project


def test_scores_are_the_table(project):
    scores = project.scores()
    assert list(scores.columns[: 1 + len(COLUMNS)]) == ["run", *COLUMNS]
    closed = scores[scores.task == "quality_closed_text"].set_index("run")
    assert list(closed.index) == ["base", "raw-s1", "raw-s2", "entigraph-s1"] and dict(closed.accuracy)["raw-s2"] == 0.5
    assert closed.accuracy_mean["raw-s1"] == closed.accuracy_mean["raw-s2"] == pytest.approx(0.4)


def test_what_is_wrong_is_said_as_the_commands_say_it(project, capsys, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert cli.main(["fresh"]) == 2
    with pytest.raises(closedbook.UserError) as error:
        closedbook.load()
    assert capsys.readouterr().err == f"error: {error.value}\n" and "not a closedbook project" in str(error.value)
    (tmp_path / "params.yaml").touch()
    for read in (closedbook.load().documents, closedbook.load().passages, closedbook.load().corpora, closedbook.load().runs, closedbook.load().scores):
        with pytest.raises(closedbook.UserError, match="nothing is there yet: run snakemake"):
            read()
    for wrong, words in ((lambda: project.passages("the clok"), "did you mean The Clock"), (lambda: project.passages(strategy="rwa"), "did you mean raw"),
                         (lambda: project.trace("rwa"), "did you mean raw"), (lambda: project.trace(), "ask for one thing")):  # fmt: skip
        with pytest.raises(closedbook.UserError, match=words):
            wrong()


def test_what_was_edited_is_not_shown(made, tmp_path):
    shutil.copytree(made, tmp_path / "project")
    path = tmp_path / "project" / layout.score("raw-s1")
    files.write_json(path, files.read_json(path) | {"corpus_tokens": 7})
    with pytest.raises(closedbook.UserError, match="raw-s1.json: is not what results/receipts/scores/raw-s1.json says"):
        closedbook.load(tmp_path / "project").scores()


@pytest.mark.slow
def test_asking_works_where_an_event_loop_is_at_work_and_loads_a_model_once(project, monkeypatch):
    from closedbook.serve import speakers

    loaded = []
    local = speakers.Local
    monkeypatch.setattr(speakers, "Local", lambda folder: loaded.append(folder) or local(folder))

    async def in_a_notebook():
        return [project.ask("entigraph", "Who?", max_tokens=8, seed=seed) for seed in (1, 2)]

    first, second = asyncio.run(in_a_notebook())
    assert [*first["answers"]] == ["base", toy_project.RUN] and first["nearest"]["corpus"] == "entigraph" and first == second and len(loaded) == 2
    with pytest.raises(closedbook.UserError, match="no such arm or run"):
        project.ask("nobody", "Who?")


@pytest.mark.slow
def test_the_notebook_runs_from_its_first_cell_to_its_last(made, monkeypatch):
    notebook = nbformat.read(ROOT / "examples/results.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert all(f"project.{name}(" in "\n".join(code) for name in SIGNATURES.keys() - {"load"})
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    monkeypatch.chdir(made / "results")
    names = {"__name__": "__main__"}
    for source in code:
        exec(compile(source, "examples/results.ipynb", "exec"), names)
    assert [*names["said"]["answers"]][0] == "base"
