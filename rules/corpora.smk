include: "common.smk"


rule corpora:
    input:
        expand("results/corpora/{corpus}/corpus.json", corpus=CORPORA),


def planned(wildcards):
    return PLAN.recipes[f"corpora/{wildcards.corpus}"]


def strategies_of(wildcards):
    return strategies.mixture.names(ARMS[planned(wildcards)["params"]["name"]].strategy)


def of_each_document(pattern):
    return lambda wildcards: expand(pattern, document=planned(wildcards)["documents"])


rule corpus:
    input:
        lambda wildcards: expand(
            "results/passages/{strategy}/{document}.json", strategy=strategies_of(wildcards), document=planned(wildcards)["documents"]
        ),
        of_each_document("results/questions/{document}.json"),
        of_each_document("results/documents/{document}.json"),
        recipe=recipe("corpora/{corpus}"),
        base="results/base/base.json",
        replay=PLAN.params.corpora.replay.path,
    output:
        corpus=update("results/corpora/{corpus}/corpus.json"),
        receipt=receipt("corpora/{corpus}"),
    params:
        passages=lambda wildcards: expand("results/passages/{strategy}", strategy=strategies_of(wildcards)),
    log:
        ".closedbook/logs/corpora/{corpus}.log",
    priority: 5  # trainings, the longest jobs, wait for it
    shell:
        "{CLOSEDBOOK} step corpora"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --passages {params.passages:q}"
        " --questions results/questions"
        " --documents results/documents"
        " --base results/base"
        " --replay {input.replay:q}"
        " --folder results/corpora/{wildcards.corpus:q}"
        + INTO_LOG_AND_TERMINAL
