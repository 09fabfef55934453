import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import toys
from toys import git

from closedbook.lineage import audit, seal
from closedbook.lineage.checks import results
from closedbook.lineage.checks.state import Digests, State
from closedbook.llm import ledger
from closedbook.util import files
from closedbook.util.errors import UserError
from closedbook.workflow import receipts, versioned
from closedbook.workflow.registry import Files, Job

DOCUMENT, PASSAGES, MODEL = "results/documents/d.json", "results/passages/entigraph/d.json", "results/runs/a-s1/model.safetensors"
RUN, SCORE = "results/runs/a-s1/run.json", "results/scores/a-s1.json"
CALLED = ["corpora/a", "passages/entigraph/d", "runs/a-s1", "scores/a-s1"]


def job(name: str, *inputs: str, **outputs) -> None:
    """A job that wrote values as JSON (None: the file is there) to paths, and left its receipt."""
    for path, value in outputs.items():
        if value is not None:
            files.write_json(Path(path), value)
    toys.receipt(name, inputs, outputs, facts={"made_by": "llm"}, code="c0de")


def called(step: str, key: str, answer: str) -> dict:
    """A call in the ledger, as a passage carries it."""
    with ledger.Ledger(step, "d") as segment:
        request = {"key": key, "messages": [{"role": "user", "content": "Read: The text."}]}
        segment.append({**request, "text": answer, "refusal": None}, "The text.")
    return {"key": key, "prompt": "entities" if step == "entities" else "pair", "response_sha256": files.sha256_text(answer)}


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """One document, its entity list, two passages, an arm with its run and score; without DVC, MLflow and a plan."""
    monkeypatch.chdir(tmp_path)
    listed = called("entities", "k0", "a list")
    job("documents/d", **{DOCUMENT: {"id": "d", "text": "The text."}})
    job("entities/d", DOCUMENT, **{"results/entities/d.json": {"document": "d", "entities": ["A", "B"], "call": listed}})
    calls = {"one": called("entigraph", "k1", "one"), "two": called("entigraph", "k2", "two"), "summary": listed, "without": None}
    told = [{"document": "d", "text": text, "call": call} for text, call in calls.items()]
    job("passages/entigraph/d", DOCUMENT, "results/entities/d.json", **{PASSAGES: {"passages": told}})
    job("corpora/a", PASSAGES, **{"results/corpora/a/corpus.json": {"tokens": 3}})
    files.write_json(Path(MODEL), "weights")
    job("runs/a-s1", "results/corpora/a/corpus.json",
        **{MODEL: None, RUN: {"run": "a-s1", "sha256": {"model.safetensors": files.sha256_file(Path(MODEL))}, "data_sha256": "da7a"}})
    job("scores/a-s1", MODEL, **{SCORE: {"accuracy": 1}})


def audited(revision=None) -> dict:
    return audit.answer(argparse.Namespace(revision=revision))


def broken(revision=None) -> dict[str, list[str]]:
    """{file: jobs not trusted any more}"""
    return {one["file"]: one["untrusted"] for one in audited(revision)["broken"]}


def edit(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def rewrite(name: str, **changes) -> None:
    """A receipt written by hand, with a digest to match."""
    path = receipts.FOLDER / f"{name}.json"
    record = receipts.read(path)
    for part, values in changes.items():
        record[part] = {**record[part], **values}
    receipts.keep(path, record)


def test_nothing_is_broken_and_what_could_not_be_asked_is_said():
    answer = audited()
    assert answer["broken"] == [] and answer["jobs"] == 6
    assert [line.split(":")[0] for line in answer["unasked"]] == [
        "recipes, and what is stale, for nothing can be planned", "no dvc.lock and .dvc here", "no mlflow.db here"]
    assert audit.lines(answer)[0].endswith("nothing broken") and json.dumps(answer)


@pytest.mark.parametrize("path, spoilt", [
    (DOCUMENT, ["corpora/a", "entities/d", "passages/entigraph/d", "runs/a-s1", "scores/a-s1"]),
    (PASSAGES, ["corpora/a", "runs/a-s1", "scores/a-s1"]), (MODEL, ["scores/a-s1"]), (SCORE, [])])  # fmt: skip
def test_an_edited_result_is_named_with_all_that_is_made_from_it(path, spoilt):
    status = os.stat(path)
    content = Path(path).read_bytes()
    Path(path).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert broken() == {path: spoilt}
    Path(path).unlink()
    assert broken() == {path: spoilt} and audited()["broken"][0]["found"] == "no file"


def test_an_edited_receipt_is_named_with_its_job_and_all_after_it():
    edit("results/receipts/corpora/a.json", "c0de", "c1de")
    assert broken() == {"results/receipts/corpora/a.json": ["corpora/a", "runs/a-s1", "scores/a-s1"]}
    Path("results/receipts/corpora/a.json").write_text("{")
    assert "not JSON" in audited()["broken"][0]["found"]
    Path("results/receipts/corpora/a.json").write_text("{}")
    assert "from before receipts held it" in audited()["broken"][0]["found"]


def test_a_result_changed_together_with_its_receipt_no_longer_is_what_was_read():
    files.write_json(Path("results/corpora/a/corpus.json"), {"tokens": 4})
    rewrite("corpora/a", outputs={"results/corpora/a/corpus.json": files.sha256_file(Path("results/corpora/a/corpus.json"))})
    assert broken() == {"results/receipts/runs/a-s1.json": ["runs/a-s1", "scores/a-s1"]}


def test_a_model_changed_together_with_its_receipts_is_not_the_one_of_run_json():
    files.write_json(Path(MODEL), "heavier")
    for name, part in (("runs/a-s1", "outputs"), ("scores/a-s1", "inputs")):
        rewrite(name, **{part: {MODEL: files.sha256_file(Path(MODEL))}})
    assert broken() == {MODEL: ["scores/a-s1"]}


def test_results_from_before_receipts_are_reported():
    shutil.rmtree("results/receipts")
    with pytest.raises(UserError, match="results from before receipts were kept can't be audited"):
        audited()


def test_a_ledger_with_a_hole_is_named_by_line():
    path = Path("ledger/entigraph/d.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[1])
    assert broken() == {f"{path}:1": CALLED, PASSAGES: CALLED}
    path.write_bytes(lines[0])
    assert broken() == {PASSAGES: CALLED}, "cut at its end, it chains; but a passage carries the call"
    assert "k2" in audited()["broken"][0]["expected"] and "no such call" in audited()["broken"][0]["found"]


def test_an_answer_other_than_a_passage_carries_is_named():
    Path("ledger/entigraph/d.jsonl").unlink()
    called("entigraph", "k1", "something else")
    called("entigraph", "k2", "two")
    assert broken() == {PASSAGES: CALLED}
    assert files.sha256_text("something else") in audited()["broken"][0]["found"]


def test_an_answer_other_than_a_judgement_carries_is_named():
    path, call = "results/judgements/judgements.json", called("judgements", "k9", "all is well")
    job("judgements/judgements", PASSAGES, **{path: {"passages": [{"document": "d", "call": call}]}})
    assert broken() == {}
    job("judgements/judgements", PASSAGES, **{path: {"passages": [{"document": "d", "call": {**call, "response_sha256": "0" * 64}}]}})
    assert broken() == {path: ["judgements/judgements"]}


@pytest.mark.parametrize("step, name, path", [("retrieval", "retrieval/retrieval", "results/retrieval/retrieval.json"),
                                              ("reader-big", "scores/api-big", "results/scores/api-big.json")])
def test_a_changed_call_makes_what_was_found_or_answered_by_it_untrusted(step, name, path):
    called(step, "k9", "all is well")
    job(name, PASSAGES, **{path: {}})
    segment = Path(f"ledger/{step}/d.jsonl")
    segment.write_text(segment.read_text().replace("all is well", "all is lost"))
    assert broken() == {f"{segment}:1": [name]}


def test_a_documents_text_in_the_ledger_is_its_name():
    (text,) = Path("ledger/texts").iterdir()
    text.write_text("Another text.")
    assert set(broken()) == {str(text)}
    text.unlink()
    assert set(broken()) == {str(text)}


def test_a_redacted_document_still_verifies():
    ledger.redact("d")
    assert broken() == {}


def test_without_a_ledger_or_a_segment_of_it_nothing_is_broken_and_that_is_said():
    Path("ledger/entigraph/d.jsonl").unlink()
    assert broken() == {} and "no segment of the ledger here" in str(audited()["unasked"])
    shutil.rmtree("ledger")
    assert broken() == {} and "no ledger/ here" in str(audited()["unasked"])


def test_a_file_that_is_no_mlflow_store_is_named():
    Path("mlflow.db").write_text("not a database, long enough to have a header of its own" * 3)
    assert broken() == {"mlflow.db": []}


def test_mlflows_tags_and_artefacts_are_compared_with_the_run():
    run = files.read_json(Path(RUN))
    mlflow_store(run, losses="1,2")
    assert broken() == {}
    losses = Path("mlartifacts/r1/artifacts/losses.csv")
    losses.write_text("1,3")
    assert broken() == {str(losses): []}
    losses.unlink()
    assert broken() == {str(losses): []}
    losses.write_text("1,2")
    for tag in ("model.sha256", "dataset.sha256", "run"):
        mlflow_store(run, losses="1,2", **{tag: "another"})
        assert f"mlflow.db: run r1: {tag}" in broken()
    mlflow_store({**run, "sha256": {"model.safetensors": "another"}}, losses="1,2")
    assert broken() == {} and "holds no run with its model" in str(audited()["unasked"])


def test_mlflows_artefact_of_hashes_is_compared_with_its_tag_and_with_the_run():
    run, place = files.read_json(Path(RUN)), Path("mlartifacts/r1/artifacts/hashes.json")
    held = {"run": run["run"], "model": run["sha256"]["model.safetensors"], "dataset": run["data_sha256"], "files": run["sha256"]}

    def store(**changes) -> None:
        files.write_json(place, held | changes)
        mlflow_store(run, losses="1,2", only=("run", "model.sha256"), **{"hashes.sha256": files.sha256_file(place)})

    store()
    assert broken() == {} and not any("MLflow" in line for line in audited()["unasked"])
    place.write_text(place.read_text().replace(run["data_sha256"], "another"))
    assert broken() == {str(place): []}
    place.unlink()
    assert broken() == {str(place): []}
    store(dataset="another")
    assert "mlflow.db: run r1: dataset.sha256" in broken()
    store(files={**run["sha256"], "losses.csv": "another"})
    assert {str(Path("mlartifacts/r1/artifacts/losses.csv")), "mlflow.db: run r1: sha256.losses.csv"} & broken().keys()


def mlflow_store(run: dict, /, losses: str, only: tuple[str, ...] = (), **changes: str) -> None:
    """As much of MLflow's store as is read, with one finished run; `only`: the tags that it has of those of earlier records."""
    model = run["sha256"]["model.safetensors"]
    tags = {"run": run["run"], "model.sha256": model, "sha256.model.safetensors": model, "dataset.sha256": run["data_sha256"],
            "sha256.losses.csv": files.sha256_text(losses)}
    tags = {tag: value for tag, value in tags.items() if not only or tag in only} | changes
    files.write_text(Path("mlartifacts/r1/artifacts/losses.csv"), losses)
    Path("mlflow.db").unlink(missing_ok=True)
    with sqlite3.connect("mlflow.db") as store:
        store.executescript("""CREATE TABLE experiments (experiment_id, name); INSERT INTO experiments VALUES (1, 'closedbook');
            CREATE TABLE runs (run_uuid, experiment_id, status, lifecycle_stage); INSERT INTO runs VALUES ('r1', 1, 'FINISHED', 'active');
            CREATE TABLE tags (key, value, run_uuid); CREATE TABLE datasets (dataset_uuid, digest);
            CREATE TABLE inputs (source_id, destination_id); INSERT INTO inputs VALUES ('d1', 'r1');""")
        store.execute("INSERT INTO datasets VALUES ('d1', ?)", [run["data_sha256"]])
        store.executemany("INSERT INTO tags VALUES (?, ?, 'r1')", tags.items())


def test_a_crate_is_compared_with_its_sums_and_with_what_is_here():
    graph = [{"@id": "./", "version": "c0ffee"}, *({"@id": path, "sha256": files.sha256_file(Path(path))} for path in (DOCUMENT, MODEL))]
    files.write_json(Path("crate/ro-crate-metadata.json"), {"@graph": graph})
    files.write_text(Path("crate/SHA256SUMS"), f"{files.sha256_file(Path('crate/ro-crate-metadata.json'))}  ro-crate-metadata.json\n")
    assert broken() == {} and "describes another state, of commit c0ffee: 5 results" in str(audited()["unasked"])
    files.write_text(Path("crate/more.txt"), "more")
    edit("crate/ro-crate-metadata.json", "c0ffee", "c0ffef")
    assert set(broken()) == {"crate/more.txt", "crate/ro-crate-metadata.json"}
    Path("crate/SHA256SUMS").write_text("not sums\n")
    assert "crate/SHA256SUMS" in broken()


def test_a_content_is_read_once_however_many_links_and_hashes(monkeypatch):
    os.link(MODEL, "linked")
    os.symlink(MODEL, "pointed")
    digests = Digests()
    digests.read([(Path(MODEL), "sha256"), (Path("linked"), "md5"), (Path("pointed"), "md5"), (Path("nowhere"), "md5")])
    assert (digests.num_files, digests.num_bytes) == (1, os.path.getsize(MODEL))
    assert digests.sha256(Path("pointed")) == files.sha256_file(Path(MODEL)) and digests.sha256(Path("nowhere")) is None


def test_a_receipt_that_lacks_a_file_its_stage_must_write_is_stale():
    recipe = receipts.read(receipts.FOLDER / "runs/a-s1.json")["recipe"]
    job = Job(name="runs/a-s1", stage="runs", recipe="runs/a-s1", files=Files(outputs={"order": Path("results/runs/a-s1/schedule.npy")}))
    planned = SimpleNamespace(written={}, jobs={job.name: job}, recipes={job.name: recipe})
    found = results.stale_here(State.here(), planned, Digests())
    assert found == {"runs/a-s1": "results/runs/a-s1/schedule.npy is not among what it wrote"}


@pytest.fixture
def repository():
    git("init", "--quiet")
    git("config", "user.name", "test")
    git("config", "user.email", "test@example.org")
    Path(".gitignore").write_text("/results/\n/ledger/\n/key*\n")
    Path("params.yaml").write_text("seed: 1\n")
    git("add", "--all")
    git("commit", "--quiet", "-m", "state")


def sealed(name: str) -> dict:
    return seal.answer(argparse.Namespace(name=name))


def test_a_seal_holds_until_something_differs_and_names_just_that(repository):
    made = sealed("v1")
    assert made["tag"] == "closedbook/v1" and made["receipts"] == 6 and made["segments"] == 2 and not made["signed"]
    assert broken("v1") == {} and made["digest"] in str(audit.lines(audited("v1")))
    called("entigraph", "k3", "three")
    job("scores/b-s1", **{"results/scores/b-s1.json": {}})
    assert broken("v1") == {} and "new since closedbook/v1: results/receipts/scores/b-s1.json" in audited("v1")["notes"]
    edit("params.yaml", "1", "2")
    files.write_json(Path(SCORE), {"accuracy": 2})
    job("scores/a-s1", MODEL, **{SCORE: None})
    assert broken() == {} and set(broken("v1")) == {"params.yaml", "results/receipts/scores/a-s1.json"}


def test_a_seal_is_of_what_is_planned(repository, monkeypatch):
    job = Job(name="corpora/a", stage="corpora", recipe="corpora/a", files=Files())
    recipe = receipts.read(job.receipt)["recipe"]
    planned = SimpleNamespace(written={}, jobs={job.name: job}, recipes={job.name: recipe}, receipts=lambda: {job.receipt: recipe})
    monkeypatch.setattr(audit, "make", lambda **_: planned)
    assert sealed("v1")["receipts"] == 1 and broken("v1") == {}
    assert not [note for note in audited("v1")["notes"] if "new since" in note], "nor of what is there beside it"


def test_a_sealed_ledger_may_grow_and_be_redacted_and_not_be_written_anew(repository):
    sealed("v1")
    ledger.redact("d")
    assert broken("v1") == {}
    Path("ledger/entigraph/d.jsonl").unlink()
    assert broken() == {} and set(broken("v1")) == {"ledger/entigraph/d.jsonl"}
    for key, answer in (("k1", "one"), ("k2", "two"), ("k3", "three")):
        called("entigraph", key, answer)
    assert broken("v1") == {} and broken() == {}, "the same calls again, and one more"
    Path("ledger/entigraph/d.jsonl").unlink()
    for key, answer in (("k2", "two"), ("k1", "one")):
        called("entigraph", key, answer)
    assert broken() == {} and set(broken("v1")) == {"ledger/entigraph/d.jsonl"}
    shutil.rmtree("ledger")
    assert broken("v1") == {} and "no ledger here: 2 sealed segments of it were not asked" in audited("v1")["notes"]


@pytest.mark.parametrize("last", ["{", "{}", '{"key": "k2"}', "[1]"])
def test_a_sealed_ledger_whose_last_line_is_none_is_named(repository, last):
    sealed("v1")
    path = Path("ledger/entigraph/d.jsonl")
    path.write_text(path.read_text().splitlines()[0] + f"\n{last}\n")
    assert {"ledger/entigraph/d.jsonl", "ledger/entigraph/d.jsonl:2"} <= set(broken("v1"))


def test_a_call_without_its_answer_is_named():
    path = Path("ledger/entigraph/d.jsonl")
    path.write_text(path.read_text().replace('"text": ', '"texd": '))
    assert "ledger/entigraph/d.jsonl:1" in broken()


def test_a_seal_may_be_called_as_its_tag_is(repository):
    sealed("v1")
    Path("params.yaml").write_text("seed: 9\n")
    assert "params.yaml" in broken("closedbook/v1")


def test_a_project_of_dvcs_without_git_is_reported(repository):
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    shutil.rmtree(".git")
    with pytest.raises(UserError, match="no git repository here, which DVC needs"):
        versioned.cache()


def test_a_tag_that_was_edited_and_a_history_that_was_rewritten_are_named(repository):
    sealed("v1")
    message = git("cat-file", "tag", "closedbook/v1").partition("\n\n")[2]
    git("tag", "-a", "--cleanup=verbatim", "-m", message.replace('"lines": 2', '"lines": 1'), "closedbook/v2")
    assert set(broken("v2")) == {"closedbook/v2"}, "what it lists is not compared: nobody sealed that"
    git("commit", "--quiet", "--allow-empty", "-m", "later")
    assert broken("v1") == {}
    git("reset", "--quiet", "--hard", "HEAD~")
    git("commit", "--quiet", "--amend", "-m", "another history")
    with pytest.raises(UserError, match="rewritten from its first commit on"):
        audited("v1")


def test_a_signed_seal_is_verified_by_git(repository):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    Path("key.allowed").write_text("test@example.org " + Path("key.pub").read_text())
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", "key.pub"), ("gpg.ssh.allowedSignersFile", "key.allowed")):
        git("config", name, value)
    assert sealed("v1")["signed"] and broken("v1") == {} and "is signed" in str(audited("v1")["notes"])
    forged = git("cat-file", "tag", "closedbook/v1").replace("closedbook seal v1", "closedbook seal v9")
    made = subprocess.run(["git", "hash-object", "-t", "tag", "-w", "--stdin"], input=forged, capture_output=True, text=True, check=True)
    git("update-ref", "refs/tags/closedbook/v1", made.stdout.strip())
    assert set(broken("v1")) == {"closedbook/v1"}


def test_what_can_not_be_sealed_is_said(repository):
    with pytest.raises(UserError, match=r"no\.\.name: git takes no tag of this name"):
        sealed("no..name")
    sealed("v1")
    with pytest.raises(UserError, match="closedbook/v1: exists already"):
        sealed("v1")
    edit("params.yaml", "1", "2")
    with pytest.raises(UserError, match="1 files are not as the last commit has them, params.yaml"):
        sealed("v2")
    git("checkout", "--quiet", "params.yaml")
    edit(SCORE, "1", "2")
    with pytest.raises(UserError, match=f"nothing is sealed, for 1 things are broken .{SCORE}"):
        sealed("v2")
    shutil.rmtree(".git")
    with pytest.raises(UserError, match="git init"):
        sealed("v2")


def test_names_that_are_no_seals_of_this_project_are_reported(repository):
    with pytest.raises(UserError, match="v1: neither a seal nor a commit here; there are no seals"):
        audited("v1")
    sealed("release")
    with pytest.raises(UserError, match="did you mean release"):
        audited("relase")
    git("tag", "-a", "-m", "no seal", "closedbook/other")
    with pytest.raises(UserError, match="closedbook/other: a tag, but no seal"):
        audited("other")
    with pytest.raises(UserError, match="this commit has no dvc.lock"):
        audited("HEAD")


def test_a_dvc_lock_that_is_none_is_reported(repository, monkeypatch):
    monkeypatch.setattr(versioned, "cache", lambda: Path(".dvc/cache/files/md5"))
    Path(".dvc").mkdir()
    for text, words in (("stages: [", "not a dvc.lock"), ("schema: '2.0'", "not a dvc.lock .'stages'"), ("", "not a dvc.lock")):
        Path("dvc.lock").write_text(text)
        with pytest.raises(UserError, match=words):
            audited()
