include: "common.smk"


rule corpora:
    input:
        expand("results/corpora/{arm}/corpus.json", arm=ARMS),


def strategies_of(wildcards):
    return strategies.mixture.names(ARMS[wildcards.arm].strategy)


rule corpus:
    input:
        lambda wildcards: expand("results/passages/{strategy}/{document}.json", strategy=strategies_of(wildcards), document=DOCUMENTS),
        recipe=recipe("corpora/{arm}"),
        base="results/base/base.json",
        replay=PLAN.params.corpora.replay.path,
    output:
        corpus=update("results/corpora/{arm}/corpus.json"),
        receipt=receipt("corpora/{arm}"),
    params:
        passages=lambda wildcards: expand("results/passages/{strategy}", strategy=strategies_of(wildcards)),
    log:
        ".closedbook/logs/corpora/{arm}.log",
    shell:
        "{CLOSEDBOOK} step corpora"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --passages {params.passages:q}"
        " --base results/base"
        " --replay {input.replay:q}"
        " --folder results/corpora/{wildcards.arm:q}"
        + INTO_LOG_AND_TERMINAL
