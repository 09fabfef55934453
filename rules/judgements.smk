include: "common.smk"


rule judgements:
    input:
        JUDGEMENTS,


rule judgement:
    input:
        after_base(PLAN.params.judge.model),
        expand("results/passages/{strategy}/{document}.json", strategy=JUDGED, document=DOCUMENTS),
        expand("results/documents/{document}.json", document=DOCUMENTS),
        recipe=recipe("judgements"),
    output:
        judgements=update("results/judgements/judgements.json"),
        receipt=receipt("judgements/judgements"),
    params:
        passages=expand("results/passages/{strategy}", strategy=JUDGED),
    log:
        ".closedbook/logs/judgements.log",
    shell:
        "{CLOSEDBOOK} step judgements"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --documents results/documents"
        " --passages {params.passages:q}"
        " --folder results/judgements"
        + INTO_LOG_AND_TERMINAL
