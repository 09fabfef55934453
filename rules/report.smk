include: "common.smk"


rule report:
    input:
        expand("results/documents/{document}.json", document=DOCUMENTS),
        expand("results/entities/{document}.json", document=DOCUMENTS),
        expand("results/passages/{strategy}/{document}.json", strategy=ARM_STRATEGIES, document=DOCUMENTS),
        expand("results/corpora/{corpus}/corpus.json", corpus=CORPORA),
        scores=expand("results/scores/{run}.json", run=SCORES),
        samples=expand("results/scores/{run}.samples.jsonl", run=SCORES),
        runs=expand("results/runs/{run}/run.json", run=RUNS),
        judgements=JUDGEMENTS,
        recipe=recipe("report"),
    output:
        report=update("results/report/report.html"),
        receipt=receipt("report/report"),
    params:
        passages=expand("results/passages/{strategy}", strategy=ARM_STRATEGIES),
        corpora=expand("results/corpora/{corpus}", corpus=CORPORA),
    log:
        ".closedbook/logs/report.log",
    shell:
        "{CLOSEDBOOK} step report"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --documents results/documents"
        " --entities results/entities"
        " --passages {params.passages:q}"
        " --corpora {params.corpora:q}"
        " --scores {input.scores:q}"
        " --samples {input.samples:q}"
        " --runs {input.runs:q}"
        " --judgements {input.judgements:q}"
        " --folder results/report"
        + INTO_LOG
