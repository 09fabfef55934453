# The pipeline, in the order the data flows. Parameters are read from params.yaml alone.
# Run: snakemake --cores all        One file: snakemake --cores all results/entities/DOCUMENT.json
# Each rule's code and parameters are a recipe file among its inputs; docs/freshness.md says how that decides what runs.


rule all:
    input:
        "results/report/report.html",


include: "rules/common.smk"
include: "rules/documents.smk"
include: "rules/base.smk"
include: "rules/entities.smk"
include: "rules/passages.smk"
include: "rules/judgements.smk"
include: "rules/corpora.smk"
include: "rules/runs.smk"
include: "rules/retrieval.smk"
include: "rules/scores.smk"
include: "rules/report.smk"


onsuccess:
    end()
    RUN.commit()
