"""What lies among the results and is not planned: nothing of it is lost, nothing of it is recorded, and what is pruned comes back."""

import json
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import jobs_here
import pytest
from ruamel.yaml import YAML
from texts import HOSTILE, write_documents
from toys import git

from closedbook import cli
from closedbook.lineage import prune, restore
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import dvc, earlier, leftovers, plan, receipts, upkeep, versioned
from closedbook.workflow.registry import Stage

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
YAMLS = YAML(typ="safe", pure=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Three documents with their passages, which are all that was made; without git."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    for name in ("evals", "src"):
        Path(name).symlink_to(ROOT / name)
    write_documents(Path("texts"))
    _plan()
    return tmp_path


def _plan(**strategies):
    """Write the parameters of arms of these strategies, and make what they ask for."""
    sections = YAMLS.load(ROOT / "params.yaml")
    arms = {name: {"strategy": name, "corpus_tokens": "all", "epochs": 1} for name in strategies or ("raw",)}
    sections |= {"documents": {"source": "folder", "path": "texts", "limit": None}, "llm": {**sections["llm"], "model": None}, "arms": arms}
    YAMLS.dump(sections, Path("params.yaml"))
    jobs_here.make(plan.make())


@pytest.fixture
def recorded(project):
    """The same under git and DVC, with a dvc.lock that no commit holds."""
    (project / "src").unlink()
    shutil.copytree(ROOT / "src", "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("rules", ".dvc"):
        Path(name).mkdir()
    for name in ("dvc.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, name)
    git("init", "--quiet")
    git("add", "--all")
    git("commit", "--quiet", "-m", "state")
    Path("results/base").mkdir()  # DVC looks for it: those who ask a provider come after it
    assert dvc.commit(plan.make()) == ["recorded in dvc.lock: documents, entities, pairs, passages, judgements, retrieval, verdicts"]
    return project


def results() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(Path("results").rglob("*")) if path.is_file() and path != leftovers.IGNORED}


def pruned(yes=False) -> dict:
    return prune.answer(Namespace(yes=yes))


def run_dvc(*command: str) -> str:
    return subprocess.run([sys.executable, "-m", "dvc", *command], check=True, capture_output=True, text=True).stdout


def test_what_a_killed_job_left_half_written_goes_and_what_a_live_one_writes_stays(project):
    before = results()
    with files.whole_file(Path("results/passages/raw/now.json")) as live:
        files.write_text(Path(f"results/passages/raw/{files.TEMPORARY}half"), '{"document": "har')
        files.write_text(Path("results/passages/raw/.tmp-mine"), "a user's own")
        assert dvc.commit(plan.make())[0] == "not recorded in dvc.lock: DVC needs a git repository"
        added = {path.removeprefix("results/passages/raw/")[: len(files.TEMPORARY)] for path in results().keys() - before.keys()}
        assert added == {files.TEMPORARY, ".tmp-mine"} and not live.closed


def test_without_git_nothing_is_removed(project):
    files.write_text(Path("results/documents/notes.txt"), "my own")
    (Path("texts") / HOSTILE).unlink()
    before = results()
    jobs_here.make(plan.make())
    assert len(dvc.commit(plan.make())) == 2
    found = pruned(yes=True)
    assert results() == before and not found["back"] and found["foreign"] == ["results/documents/notes.txt"]
    assert {job.split("/")[0] for job in found["stay"]} == {"documents", "entities", "passages"} and len(found["stay"]) == 3


def test_an_older_plan_s_results_stay_until_they_are_pruned_and_the_command_that_is_named_brings_them_back(recorded, capsys):
    first = Path("dvc.lock").read_text()
    (Path("texts") / HOSTILE).unlink()
    edited = next(Path("results/entities").glob("it-s-touch*"))
    before = results()
    said = dvc.commit(plan.make())
    assert results() == before and "restore" in said[1] and "7 files among the results are not planned" in said[2]
    with_leftovers = Path("dvc.lock").read_text()
    assert first != with_leftovers and (kept := dvc.kept()) and list(kept.values()) == [first]
    assert dvc.commit(plan.make())[0] == said[0] and dvc.kept() == kept, "nothing was written over"

    edited.write_text("edited by hand")
    files.write_text(Path("results/passages/raw/my [notes].txt "), "my own")
    assert cli.main(["prune"]) == 0 and results().keys() == before.keys() | {"results/passages/raw/my [notes].txt "}
    assert cli.main(["prune", "--yes"]) == 0
    told = capsys.readouterr().out
    gone = before.keys() - results().keys()
    assert len(gone) == 5, "two receipts, the document, its questions and its passages"
    assert edited.exists() and Path("results/passages/raw/my [notes].txt ").exists()
    dvc.commit(plan.make())
    assert Path("dvc.lock").read_text() == with_leftovers, "what lies among the results is not recorded"
    assert "up to date" in run_dvc("status", "documents", "entities", "passages")
    run_dvc("checkout", "--force", "documents", "entities", "passages")
    assert edited.read_text() == "edited by hand" and Path("results/passages/raw/my [notes].txt ").exists()

    (command,) = {line.strip().removesuffix(" brings them back") for line in told.splitlines() if "closedbook restore" in line}
    assert cli.main(shlex.split(command)[1:]) == 0
    assert {path: content for path, content in results().items() if path in gone} == {path: before[path] for path in gone}
    assert edited.read_text() == "edited by hand"


def test_what_was_made_otherwise_since_stays_unless_it_can_be_brought_back_too(recorded):
    text = next(Path("texts").glob("clock*"))
    text.write_text(text.read_text() + "\nAnna Kell sold the clock.\n")
    old = results()
    jobs_here.make(plan.make())
    assert results() != old
    name = dvc.commit(plan.make())[1].split("closedbook restore ")[1].split()[0]
    new = results()
    edited = next(Path("results/documents").glob("clock*"))
    edited.write_text("edited")
    assert restore.answer(Namespace(name=name, jobs=[], replace=False))["restored"] == []
    found = restore.answer(Namespace(name=name, jobs=[], replace=True))
    assert results() == old | {str(edited): b"edited"} and found["other"] == [str(edited)]
    other = restore.answer(Namespace(name=None, jobs=[], replace=False))["names"]
    assert set(other) == set(dvc.kept()) and len(other) == 2
    (newer,) = other.keys() - {name}
    edited.unlink()
    restore.answer(Namespace(name=newer, jobs=[f"documents/{edited.stem}"], replace=True))
    assert results()[str(edited)] == new[str(edited)]
    with pytest.raises(UserError, match="no results are kept under this name.*kept: .*" + name):
        restore.answer(Namespace(name="nosuch", jobs=[], replace=False))
    with pytest.raises(UserError, match="runs/none: no job of"):
        restore.answer(Namespace(name=name, jobs=["runs/none"], replace=False))


def test_what_the_cache_lacks_or_holds_broken_is_not_pruned(recorded):
    (Path("texts") / HOSTILE).unlink()
    dvc.commit(plan.make())
    assert len(pruned()["back"]) == 1 and not pruned()["stay"]
    lock = list(dvc.kept().values())[-1]
    entry = next(path for path in results() if "passages/raw/it-s" in path and "receipts" not in path)
    place = versioned.Held(lock).place(entry)
    place.chmod(0o644)
    place.write_bytes(place.read_bytes()[:-1])
    assert list(pruned()["stay"]) == [receipts.name(f"results/receipts/{entry.removeprefix('results/')}")]
    with pytest.raises(UserError, match="is not what its name says"):
        Path(entry).unlink()
        restore.answer(Namespace(name=list(dvc.kept())[-1], jobs=[], replace=False))


def test_a_commit_beside_a_live_run_is_refused_and_one_that_the_run_starts_shares_its_lock(project, capsys):
    with upkeep.hold("a run") as lock:
        assert cli.main(["commit"]) == 2 and "a run" in capsys.readouterr().err
        assert upkeep.under(lock, "commit") == 0
        assert cli.main(["commit"]) == 2, "still held"
    assert cli.main(["commit"]) == 0


def test_what_is_stale_is_reported_by_the_source_as_it_is(project):
    text = next(Path("texts").glob("clock*"))
    text.write_text(text.read_text() + "\nAnna Kell sold the clock.\n")
    lines, _ = upkeep.report(plan.make(write=False), strict=False)
    assert [line for line in lines if line.startswith("documents/")] == [
        f"documents/{name}: input .closedbook/sources/{name}.json changed" for name in [next(Path("results/documents").glob("clock*")).stem]]
    with pytest.raises(UserError, match="stage documents: 1 results"):
        upkeep.verify(plan.make(write=False), "documents")
    shutil.rmtree(".closedbook/sources")
    assert upkeep.report(plan.make(write=False), strict=False)[0] == lines


def test_a_name_that_dvc_can_not_read_is_refused(project):
    files.write_text(Path("results/documents/two\nlines"), "my own")
    with pytest.raises(UserError, match="rename it"):
        leftovers.tell_dvc(plan.make())


def test_a_list_of_what_would_be_pruned_writes_nothing(recorded, capsys):
    (Path("texts") / HOSTILE).unlink()
    assert list(pruned()["back"]) == [versioned.LOCK] and not dvc.kept()
    assert cli.main(["prune"]) == 0 and "--yes gives them a name" in capsys.readouterr().out and not dvc.kept()
    assert list(pruned(yes=True)["back"]) == list(dvc.kept()) != []


def test_a_state_that_can_not_be_read_is_passed_over(recorded):
    for content in (Path("dvc.lock").read_text(), "<<<<<<< HEAD\n", None):
        Path("dvc.lock").unlink() if content is None else Path("dvc.lock").write_text(content)
        git("add", "--all", "dvc.lock")
        git("commit", "--quiet", "-m", "state")
    assert len(restore.answer(Namespace(name=None, jobs=[], replace=False))["names"]) == 1 and pruned()["stay"] == {}


def test_the_answer_as_json_names_every_file(project, capsys):
    (Path("texts") / HOSTILE).unlink()
    assert cli.main(["prune", "--json"]) == 0
    assert all(path.startswith("results/") for its in json.loads(capsys.readouterr().out)["stay"].values() for path in its)


def test_a_folder_with_nothing_planned_in_it_is_one_line_for_dvc(project):
    for path in ("runs/mine/run.json", "runs/mine/deep/er/notes.md", "passages/raw/notes [1].md", "passages/qa/old.json", "documents/x"):
        files.write_text(Path("results") / path, "my own")
    assert leftovers.tell_dvc(plan.make()) == 5
    assert leftovers.IGNORED.read_text().splitlines() == ["/documents/x", "/passages/qa/", "/passages/raw/notes \\[1\\].md", "/runs/mine/"]


def _with_entities(number: int) -> plan.Plan:
    sections = YAMLS.load(Path("params.yaml"))
    YAMLS.dump(sections | {"entities": {**sections["entities"], "max": number}}, Path("params.yaml"))
    planned = plan.make()
    earlier.note(planned.jobs.values(), planned.recipes)
    return planned


def _counted(monkeypatch) -> list[str]:
    """The modules of the stages that work from here on, once for each job."""
    made, job = [], Stage.job
    monkeypatch.setattr(Stage, "job", lambda its: lambda **given: made.append(its.module) or job(its)(**given))
    return made


def test_parameters_of_before_bring_their_results_back_and_nothing_is_made_again(recorded, monkeypatch):
    before = results()
    planned = _with_entities(3)
    jobs_here.make(planned)
    assert results() != before
    dvc.commit(planned)
    made = _counted(monkeypatch)
    planned = _with_entities(YAMLS.load(ROOT / "params.yaml")["entities"]["max"])
    jobs_here.make(planned)
    assert results() == before and not made
    assert not any(upkeep.check(planned, "entities").values()) and not list(Path("results").rglob(receipts.UNFINISHED))
    Path("texts/harbour.md").write_text("Another text, of a clock in Varn.")
    planned = _with_entities(3)
    jobs_here.make(planned)
    assert made == ["closedbook.stages.documents", "closedbook.stages.entities", "closedbook.stages.passages"], "of one document only: what it reads is new"


def test_what_the_cache_has_lost_or_holds_wrongly_is_made_again_and_so_is_what_has_no_receipt(recorded, monkeypatch):
    before = results()
    planned = _with_entities(3)
    jobs_here.make(planned)
    dvc.commit(planned)
    first, second, third = sorted(path for path in before if path.startswith("results/entities/"))
    (held,) = (held for _, held in versioned.states())
    held.place(first).unlink()
    held.place(second).chmod(0o644)
    held.place(second).write_text("something else")
    (receipts.FOLDER / "entities" / Path(third).name).unlink()
    planned, made = _with_entities(YAMLS.load(ROOT / "params.yaml")["entities"]["max"]), _counted(monkeypatch)
    jobs_here.make(planned)
    assert made == ["closedbook.stages.entities"] * 3
