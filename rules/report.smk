include: "common.smk"


rule report:
    input:
        expand("results/entities/{document}.json", document=DOCUMENTS),
        expand("results/passages/{strategy}/{document}.json", strategy=ARM_STRATEGIES, document=DOCUMENTS),
        scores=expand("results/scores/{run}.json", run=["base", *RUNS]),
        runs=expand("results/runs/{run}/run.json", run=RUNS),
        recipe=recipe("report"),
    output:
        report=update("results/report/report.html"),
        receipt=receipt("report/report"),
    params:
        passages=expand("results/passages/{strategy}", strategy=ARM_STRATEGIES),
    log:
        ".closedbook/logs/report.log",
    shell:
        "{CLOSEDBOOK} report"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --entities results/entities"
        " --passages {params.passages:q}"
        " --scores {input.scores:q}"
        " --runs {input.runs:q}"
        " --folder results/report"
        + INTO_LOG
