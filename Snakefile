# The whole pipeline, in the order the data flows. Parameters are read from params.yaml alone.
# Run: snakemake --cores all        One file: snakemake --cores all results/entities/DOCUMENT.json
# Receipts decide what must run, and those jobs are forced: docs/freshness.md.
# The stages are listed in src/closedbook/workflow/registry.py.


rule all:
    input:
        "results/report/report.html",


include: "rules/common.smk"


for stage in STAGES:

    include: f"rules/{stage}.smk"


onsuccess:
    end()
    told(RUN.commit)
    if PROGRESS and "report/report" in RUN.due:
        terminal.note("", *told(outcome.lines, RUN.plan))
