"""The crate is what a validator of the profile takes, offline; and what breaks the profile, it does not take."""

import json
import os
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import toy_history
import toys

from closedbook.lineage import crate, published
from closedbook.lineage.history import History
from closedbook.util import files
from closedbook.util.errors import UserError

pytestmark = pytest.mark.slow

CONTEXTS = {"https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1.jsonld",
            "https://w3id.org/ro/terms/workflow-run/context": "workflow-run.jsonld"}
PROJECT = published.Project(root="a" * 40, commit="b" * 40, date="2026-01-02T03:04:05+00:00")


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy_history.write()
    for name in ("Snakefile", "params.yaml", "rules/runs.smk"):
        files.write_text(name, "# toy\n")
    return tmp_path


def write(folder="crate") -> dict:
    """The crate's entities by id."""
    crate.write(Path(folder), History.here(), PROJECT, ["the moon"])
    return {entity["@id"]: entity for entity in files.read_json(Path(folder) / crate.METADATA)["@graph"]}


def violations(folder: Path, cache: Path) -> list[str]:
    """What roc-validator, that finds the contexts in its cache and nothing else, has against a crate as REQUIRED by the profile."""
    from requests_cache import CachedRequest, CachedResponse, CachedSession
    from rocrate_validator import models, services

    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        for address, name in CONTEXTS.items():
            content = (Path(__file__).parent / "contexts" / name).read_bytes()
            session.cache.save_response(CachedResponse(url=address, status_code=200, headers={"Content-Type": "application/ld+json"},
                                                       content=content, request=CachedRequest(method="GET", url=address)))  # fmt: skip
    settings = services.ValidationSettings(rocrate_uri=str(folder), profile_identifier="provenance-run-crate-0.5", offline=True,
                                           cache_path=cache, requirement_severity=models.Severity.REQUIRED)  # fmt: skip
    return [issue.message for issue in services.validate(settings).get_issues()]


def test_a_validator_takes_the_crate_and_no_broken_one(pipeline):
    entities = write()
    assert violations(pipeline / "crate", pipeline / "cache") == []
    del entities["#job/runs/raw-s1"]["instrument"], entities["./"]["license"]
    entities["#job/base/base"]["ours"] = "a word of no context"
    broken = {**files.read_json("crate/ro-crate-metadata.json"), "@graph": list(entities.values())}
    files.write_json("crate/ro-crate-metadata.json", broken)
    os.unlink("results/scores/raw-s1.json")
    found = "\n".join(violations(pipeline / "crate", pipeline / "cache"))
    assert "Action MUST have an instrument" in found and "MUST have a `license`" in found
    assert 'JSON-LD key "ours"' in found and "does not include the Data Entity 'results/scores/raw-s1.json'" in found


def named(value) -> list[str]:
    return [one["@id"] for one in (value if isinstance(value, list) else [value])]


def test_each_job_is_an_action_between_the_files_of_its_receipt(pipeline):
    entities, history = write(), History.here()
    for job in history.jobs.values():
        action = entities[f"#job/{job.name}"]
        objects, results = (named(action.get(part, [])) for part in ("object", "result"))
        assert {path: entities[path]["sha256"] for path in results} == job.outputs
        assert {path for path in job.inputs if path.startswith("results/")} <= set(objects)
        assert entities[f"#control/{job.name}"]["object"] == {"@id": f"#job/{job.name}"}
        assert entities[action["subjectOf"]["@id"]]["sha256"] == files.sha256_file(job.receipt)
    assert "#value/training.learning_rate/" in json.dumps(entities["#job/runs/raw-s1"]["object"])
    assert entities["results/documents/d.json"]["name"] == toy_history.HOSTILE, "a title is text, and only that"
    assert "Not proved: the moon." in entities["./"]["description"] and entities["./"]["version"] == PROJECT.commit


def test_what_was_retrieved_is_one_folder_of_two_files(pipeline):
    made = [f"results/retrieval/{name}" for name in ("chunks.jsonl", "retrieval.json")]
    for path in made:
        files.write_json(path, [])
    toys.receipt("retrieval/retrieval", ["results/documents/d.json"], made)
    entities = write()
    assert named(entities["results/retrieval/"]["hasPart"]) == made and "hasPart" not in entities[made[0]]
    assert violations(pipeline / "crate", pipeline / "cache") == []


def test_the_same_history_gives_the_same_bytes_and_its_sums_hold(pipeline):
    write("crate"), write("again")
    assert Path("crate/ro-crate-metadata.json").read_bytes() == Path("again/ro-crate-metadata.json").read_bytes()
    sums = dict(reversed(row.split("  ")) for row in Path("crate/SHA256SUMS").read_text().splitlines())
    assert sums == {name: files.sha256_file(Path("crate") / name) for name in sums}
    paths = {path.relative_to("crate") for path in Path("crate").rglob("*") if path.is_file()}
    assert sums.keys() == {str(path) for path in paths if path.parts[0] not in ("results", "SHA256SUMS")}
    assert str(pipeline) not in Path("crate/ro-crate-metadata.json").read_text()


def test_only_an_earlier_crate_of_this_project_is_overwritten(pipeline, monkeypatch):
    monkeypatch.setattr(published, "history", History.here)
    toy_history.commit("2026-01-02T03:04:05+00:00", "Snakefile")
    for _ in range(2):
        answer = crate.answer(Namespace(folder=Path("crate")))
    assert answer["jobs"] == 16 and any("openai/big" in line for line in crate.lines(answer)), "what can't be proved is said"
    write("other")
    with pytest.raises(UserError, match=f"other: the crate of another project.*{PROJECT.root}"):
        crate.answer(Namespace(folder=Path("other")))
    with pytest.raises(UserError, match="rules: holds files and no crate"):
        crate.answer(Namespace(folder=Path("rules")))
    with pytest.raises(UserError, match="Snakefile: a file"):
        crate.answer(Namespace(folder=Path("Snakefile")))
    shutil.copytree("crate", "whole")
    with pytest.raises(UserError, match="whole: a crate with results of its own"):
        crate.answer(Namespace(folder=Path("whole")))
    files.write_text("crate/ro-crate-metadata.json", "{")
    with pytest.raises(UserError, match="ro-crate-metadata.json: not a crate's metadata"):
        crate.answer(Namespace(folder=Path("crate")))


def test_without_a_commit_there_is_nothing_to_describe(pipeline):
    with pytest.raises(UserError, match="no commit here"):
        crate.answer(Namespace(folder=Path("crate")))
