"""One more stage is one entry in the registry, one module and one rule; all else follows."""

import pytest
from pipeline import Pipeline, jobs
from texts import write_documents

from closedbook.util import files

pytestmark = pytest.mark.slow
MODULE = """
from closedbook.util import files

def job(*, params, limits, documents, folder):
    files.write_json(folder / "counts.json", {path.stem: len(files.read_json(path)["text"]) * params.seed for path in documents})
"""
FILES = """
def _counts(about, recipe):
    return Files(inputs={"documents": _each(layout.document, recipe)}, folders={"folder": layout.RESULTS / "counts"}, holds=("counts.json",))


STEPS = {
    "counts": Stage(
        module="closedbook.stages.counts", result="counts", files=_counts, reads=("documents",), watches=("seed",),
        recipes=lambda params, bound: {"counts": recipes.recipe("counts", {"seed": params.seed}, documents=bound)},
    ),
"""
RULE = """
include: "common.smk"

rule counts:
    input:
        lambda wildcards: inputs("counts/counts"),
    output:
        outputs_of("counts"),
    log:
        ".closedbook/logs/counts.log",
    shell:
        JOB + "counts/counts" + INTO_LOG
"""

DVC = """
  counts:
    cmd: ${run} counts
    deps: [src/closedbook, rules, results/documents]
    params: [seed]
    outs:
      - results/counts: {persist: true}
      - results/receipts/counts: {persist: true}
"""


def test_a_stage_is_added_by_an_entry_a_module_and_a_rule(tmp_path):
    pipeline = Pipeline(tmp_path / "pipeline", documents={"source": "folder", "path": "texts"})
    stages = pipeline.folder / "dvc.yaml"
    stages.write_text(stages.read_text().replace("\nstages:\n", f"\nstages:{DVC}", 1))
    write_documents(pipeline.folder / "texts")
    registry = pipeline.folder / "src/closedbook/workflow/registry.py"
    registry.write_text(registry.read_text().replace("\nSTEPS = {\n", FILES, 1))
    (pipeline.folder / "src/closedbook/stages/counts.py").write_text(MODULE)
    (pipeline.folder / "rules/counts.smk").write_text(RULE)

    assert jobs(pipeline.snakemake("results/counts/counts.json")) == {"documents shard": 2, "counts": 1}
    assert len(files.read_json(pipeline.folder / "results/counts/counts.json")) == 3
    receipt = files.read_json(pipeline.folder / "results/receipts/counts/counts.json")
    assert len(receipt["inputs"]) == 3 and list(receipt["outputs"]) == ["results/counts/counts.json"]
    assert "counts/counts" not in pipeline.closedbook("fresh") and "Nothing to be done" in pipeline.snakemake("counts")
    pipeline.set(seed=2)
    assert "counts/counts: parameter seed changed 1 → 2" in pipeline.closedbook("fresh")
    pipeline.commit()
    pipeline.run("dvc", "repro", "counts")
    receipt = files.read_json(pipeline.folder / "results/receipts/counts/counts.json")
    assert receipt["recipe"]["params"] == {"seed": 2} and "counts:" in (pipeline.folder / "dvc.lock").read_text()
    assert "counts" in pipeline.closedbook("trace", "results/counts/counts.json").split("SHA-256")[1], "lineage knows who made it"
