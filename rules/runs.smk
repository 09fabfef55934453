include: "common.smk"


rule runs:
    input:
        expand("results/runs/{run}/run.json", run=RUNS),


def corpus_of(wildcards):
    return f"results/corpora/{recipes.corpus_of(wildcards.arm, wildcards.seed, PLAN.documents)}"


rule run:
    input:
        recipe=recipe("runs/{arm}-s{seed}"),
        corpus=lambda wildcards: f"{corpus_of(wildcards)}/corpus.json",
        base="results/base/base.json",
    output:
        run=update("results/runs/{arm}-s{seed}/run.json"),
        receipt=receipt("runs/{arm}-s{seed}"),
    params:
        corpus=corpus_of,
    log:
        ".closedbook/logs/runs/{arm}-s{seed}.log",
    threads: PLAN.params.training.threads
    resources:
        gpu=int(PLAN.params.training.device == "cuda"),
    priority: 5  # the longest jobs first, so that no core waits for the last of them
    shell:
        "{KEEPING_MEMORY} {CLOSEDBOOK} step runs"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --corpus {params.corpus:q}"
        " --base results/base"
        " --checkpoints .closedbook/checkpoints/{wildcards.arm:q}-s{wildcards.seed:q}"
        " --folder results/runs/{wildcards.arm:q}-s{wildcards.seed:q}"
        + INTO_LOG_AND_TERMINAL
