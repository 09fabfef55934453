# The pipeline, in the order the data flows. Parameters are read from params.yaml alone.
# Run: snakemake --cores all        One file: snakemake --cores all results/entities/DOCUMENT.json
# What must run is decided by content before the graph is built: docs/freshness.md. The stages are listed in workflow/registry.py.


rule all:
    input:
        "results/report/report.html",


include: "rules/common.smk"


for stage in STAGES:

    include: f"rules/{stage}.smk"


onsuccess:
    end()
    RUN.commit()
