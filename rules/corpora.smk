include: "common.smk"


rule corpora:
    input:
        expand("results/corpora/{arm}/corpus.json", arm=ARMS),


def strategy_of(wildcards):
    return ARMS[wildcards.arm].strategy


rule corpus:
    input:
        lambda wildcards: expand("results/passages/{strategy}/{document}.json", strategy=strategy_of(wildcards), document=DOCUMENTS),
        expand("results/questions/{document}.json", document=DOCUMENTS),
        expand("results/documents/{document}.json", document=DOCUMENTS),
        recipe=recipe("corpora/{arm}"),
        base="results/base/base.json",
        replay=PLAN.params.corpora.replay.path,
    output:
        corpus=update("results/corpora/{arm}/corpus.json"),
        receipt=receipt("corpora/{arm}"),
    params:
        strategy=strategy_of,
    log:
        ".closedbook/logs/corpora/{arm}.log",
    shell:
        "{CLOSEDBOOK} step corpora"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --passages results/passages/{params.strategy:q}"
        " --questions results/questions"
        " --documents results/documents"
        " --base results/base"
        " --replay {input.replay:q}"
        " --folder results/corpora/{wildcards.arm:q}"
        + INTO_LOG_AND_TERMINAL
