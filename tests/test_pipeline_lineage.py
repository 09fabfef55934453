"""Questions about the lineage of a whole pipeline, asked where it was made and in a clone."""

import json
import os
import random
import re
from pathlib import Path

import pytest
from pipeline import Pipeline
from test_crate import violations
from test_pipeline_versions import pushed_and_cloned

from closedbook.lineage import audit
from closedbook.lineage.checks.state import State
from closedbook.lineage.history import History
from closedbook.util import files
from closedbook.workflow import receipts, versioned

pytestmark = pytest.mark.slow


def test_what_is_published_is_the_same_in_a_clone_and_a_validator_takes_it(pipeline: Pipeline, tmp_path):
    clone = pushed_and_cloned(pipeline, tmp_path)
    clone.run("dvc", "pull", "--quiet")
    for place in (pipeline, clone):
        assert "not proved: no licence is known of 3 documents" in place.closedbook("crate")
        place.closedbook("cards")
    for path in ("crate/ro-crate-metadata.json", "crate/SHA256SUMS", "cards/runs/entigraph-s1/README.md", "cards/passages/entigraph/README.md"):
        assert (pipeline.folder / path).read_bytes() == (clone.folder / path).read_bytes(), path
    assert violations(clone.folder / "crate", tmp_path / "cache") == []
    assert clone.run("bash", "-c", "cd crate && sha256sum --check --quiet SHA256SUMS") == ""


def test_what_is_stale_is_not_published(pipeline: Pipeline):
    pipeline.set(training={"weight_decay": 0.02})
    for question in ("crate", "cards"):
        said = pipeline.closedbook(question, status=2)
        assert "results/receipts/runs/entigraph-s1.json: parameter training.weight_decay changed 0.01 → 0.02" in said
        assert not (pipeline.folder / question).exists()
    assert "exported/data/entigraph.parquet" in pipeline.closedbook("export", "../exported"), "nothing behind passages is stale"


def test_a_takedown_by_its_own_commands_leaves_nothing_and_each_step_is_missed(pipeline: Pipeline):
    document = next(path.stem for path in (pipeline.folder / "results/documents").glob("harbour-*.json"))
    answer = json.loads(pipeline.closedbook("impact", document, "--json"))
    assert answer["title"] == "The Harbour of Varn"
    assert answer["corpora"]["entigraph-all"]["tokens"] == answer["runs"]["entigraph-s1"]["tokens_read"] > 0
    *commands, certify = answer["commands"]
    assert [command.split()[0] for command in commands] == ["sed", "rm", "snakemake", "closedbook", "dvc"]
    for command in commands:
        assert command in pipeline.closedbook("impact", document, "--certify", status=1)
        step = {"snakemake": pipeline.snakemake, "closedbook": lambda: pipeline.closedbook(*command.split()[1:]),
                "dvc": lambda: pipeline.run("dvc", "gc", "--workspace", "--force")}
        step.get(command.split()[0], lambda: pipeline.run("bash", "-c", command))()
    said = pipeline.closedbook(*certify.split()[1:])
    assert "nothing of it is left in any of" in said and "git's history: holds its words" in said
    assert re.search("commits? .* names? its results in dvc.lock, by hashes only", said)
    assert "Nothing to be done" in pipeline.snakemake() and "up to date" in pipeline.run("dvc", "status")


def test_an_arm_is_rebuilt_bit_by_bit_and_a_receipt_that_says_otherwise_is_a_wrong_claim(pipeline: Pipeline):
    path = pipeline.folder / "results/receipts/corpora/entigraph-all.json"
    record = receipts.read(path)
    record["outputs"]["results/corpora/entigraph-all/passages.npy"] = "0" * 64
    receipts.keep(path, record)
    before = pipeline.bytes()
    said = pipeline.closedbook("reproducible", "entigraph", "--prove", status=1)
    assert "Rebuilt: 18 of 19 identical" in said and "Claims that were wrong: corpora/entigraph-all\n" in said
    assert f"results/corpora/entigraph-all/passages.npy: expected {'0' * 64}, got " in said
    assert pipeline.bytes() == before, "nothing is written here"


def test_what_was_made_is_traced_to_its_documents_and_to_the_commit_of_its_code_in_a_clone_too(pipeline: Pipeline, tmp_path):
    clone = pushed_and_cloned(pipeline, tmp_path)
    clone.run("dvc", "pull", "--quiet")
    head = pipeline.run("git", "rev-parse", "HEAD").strip()
    questions = (["results/scores/entigraph-s1.json"], ["results/report/report.html"], ["--run", "entigraph", "--token", "100"],
                 ["--run", "entigraph", "--step", "0"], ["--text", "Who kept the lighthouse of Varn?"])  # fmt: skip
    for question in questions:
        answers = [json.loads(re.sub(r"^indexing.*\n", "", place.closedbook("trace", *question, "--json"))) for place in (pipeline, clone)]
        assert answers[0] == answers[1]
    found = json.loads(pipeline.closedbook("trace", *questions[0], "--json"))
    assert {row["commit"] for row in found["code"]} == {head} and len(found["code"]) == 11
    assert found["runs"][0]["model_sha256"] == found["scores"][0]["model_sha256"] and found["num_documents"] == 3
    runs = pipeline.folder / "src/closedbook/stages/runs.py"
    runs.write_text(runs.read_text() + "\nfor x in ():\n    pass\n")
    said = pipeline.closedbook("trace", "results/runs/entigraph-s1/run.json")
    assert re.search(rf"runs +{head[:12]}", said) and "not committed, so in nobody's history but this folder's: 1 file: src/closedbook/stages/runs.py" in said
    pipeline.snakemake("results/runs/entigraph-s1/run.json")
    said = pipeline.closedbook("trace", "results/runs/entigraph-s1/run.json")
    assert "the code of the stage runs is in no commit, only in this folder" in said


CLASSES = {
    "artefact": "results/[!r]*/**/*", "receipt": "results/receipts/**/*.json", "recipe": ".closedbook/recipes/**/*.json",
    "ledger": "ledger/*/**/*", "cache object": ".dvc/cache/files/md5/??/*", "MLflow artefact": "mlartifacts/*/artifacts/*",
    "model": "results/runs/*/model.safetensors", "crate": "crate/**/*",
}  # fmt: skip


def audited() -> dict[str, set[str]]:
    """{broken file: jobs not trusted any more} in the working directory."""
    state = State.here()
    return {one["file"]: set(one["untrusted"]) for one in audit.of(state, audit.planned(state))["broken"]}


def flip(path: Path, place: int, bit: int) -> None:
    """One bit, and the time of modification as it was."""
    status = os.stat(path)
    with open(path, "r+b") as handle:
        handle.seek(place)
        byte = handle.read(1)[0]
        handle.seek(place)
        handle.write(bytes([byte ^ 1 << bit]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def asking(path: Path) -> list[str]:
    """The jobs whose calls are in a segment of the ledger, or sent this text."""
    segments = [path] if path.suffix == ".jsonl" else [each for each in Path("ledger").glob("*/*.jsonl") if path.stem in each.read_text()]
    return [f"{'' if each.parent.name == 'entities' else 'passages/'}{each.parent.name}/{each.stem}" for each in segments]


def spoilt(kind: str, path: str, history: History, held: versioned.Held) -> set[str]:
    """Which jobs' results can't be trusted when this file was changed, by the history before the change."""
    if kind in ("artefact", "model"):
        return {job.name for job in history.after([path])}
    if kind == "cache object":
        named = [out for out in held.md5 if held.place(out) == Path(path).resolve()]
        folders = tuple(f"{folder}/" for folder, md5 in held.folders.items() if held.object(md5) == Path(path).resolve())
        return {job.name for job in history.after([*named, *(out for out in history.maker if out.startswith(folders))])}
    if kind == "receipt":
        jobs = [history.jobs[receipts.name(path)]]
    elif kind == "recipe":
        jobs = [job for job in history.jobs.values() if files.canonical(job.recipe) == files.canonical(files.read_json(path))]
    else:
        jobs = [history.jobs[name] for name in asking(Path(path))] if kind == "ledger" else []
    return {job.name for job in [*jobs, *history.after(output for job in jobs for output in job.outputs)]}


def test_one_flipped_bit_is_found_wherever_it_is_and_no_untouched_copy_alarms(pipeline: Pipeline, tmp_path, monkeypatch):
    pipeline.commit("all")
    pipeline.closedbook("crate")
    copies = [pipeline.copy(tmp_path / f"copy{number}") for number in range(7)]
    clone = pushed_and_cloned(pipeline, tmp_path)
    for kind in ("copy", "hardlink", "symlink"):
        copies.append(clone.copy(tmp_path / kind))
        copies[-1].run("dvc", "config", "--local", "cache.type", kind)
        copies[-1].run("dvc", "pull", "--quiet")
    for copy in copies:
        monkeypatch.chdir(copy.folder)
        assert audited() == {}, copy.folder

    monkeypatch.chdir(pipeline.folder)
    history, held, draw = History.here(), versioned.Held(Path("dvc.lock").read_text()), random.Random(0)
    for kind in (list(CLASSES) * 7)[:50]:
        path = str(draw.choice(sorted(path for path in Path().glob(CLASSES[kind]) if path.is_file() and path.stat().st_size)))
        place, bit = draw.randrange(os.path.getsize(path)), draw.randrange(8)
        expected = spoilt(kind, path, history, held)
        flip(Path(path), place, bit)
        found = audited()
        named = {file: jobs for file, jobs in found.items() if file == path or (kind == "ledger" and file.startswith(f"{path}:"))}
        assert named, f"{kind}: bit {bit} of byte {place} of {path}: {found}"
        assert set().union(*named.values()) == expected, f"{kind}: {path}"
        flip(Path(path), place, bit)
    assert audited() == {}


def test_a_commit_is_audited_from_the_cache_and_what_is_not_there_is_named(pipeline: Pipeline, tmp_path):
    pipeline.set(training={"weight_decay": 0.02})
    pipeline.commit("edited and not run")
    assert re.search("stale: teacher, runs, assistants: parameter training.weight_decay was 0.01, and params.yaml says 0.02", pipeline.closedbook("audit", "HEAD"))
    said = pipeline.closedbook("audit", "HEAD~1")
    assert "nothing broken" in said and "stale" not in said
    model = next(path for path in pipeline.bytes() if path.endswith("model.safetensors"))
    place = pipeline.folder / ".dvc/cache/files/md5" / re.search(r"(\w\w)(\w{30})", pipeline.run("md5sum", model)).expand(r"\1/\2")
    flip(place, 100, 3)
    said = pipeline.closedbook("audit", "HEAD~1", status=1)
    assert f"broken: {model}" in said and "not trusted  report/report, scores/entigraph-s1" in said
    assert f"broken: {place.relative_to(pipeline.folder)}" in pipeline.closedbook("audit", status=1)
    place.unlink()
    assert f"1 files of HEAD~1 are not in DVC's cache (dvc fetch --all-commits): {model}" in pipeline.closedbook("audit", "HEAD~1")
    clone = pipeline.clone(tmp_path / "clone")
    assert "no receipts here, so there is nothing to audit: dvc pull" in clone.closedbook("audit", status=2)
    assert "HEAD: DVC's cache holds none of its receipts: dvc fetch" in clone.closedbook("audit", "HEAD", status=2)
