include: "common.smk"


rule runs:
    input:
        expand("results/runs/{arm}-s{seed}/run.json", arm=ARMS, seed=PLAN.params.training.seeds),


rule run:
    input:
        recipe=recipe("runs/{arm}-s{seed}"),
        corpus="results/corpora/{arm}/corpus.json",
        base="results/base/base.json",
    output:
        run=update("results/runs/{arm}-s{seed}/run.json"),
        receipt=receipt("runs/{arm}-s{seed}"),
    log:
        ".closedbook/logs/runs/{arm}-s{seed}.log",
    threads: PLAN.params.training.threads
    resources:
        gpu=int(PLAN.params.training.device == "cuda"),
    shell:
        "{CLOSEDBOOK} step runs"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --corpus results/corpora/{wildcards.arm:q}"
        " --base results/base"
        " --checkpoints .closedbook/checkpoints/{wildcards.arm:q}-s{wildcards.seed:q}"
        " --folder results/runs/{wildcards.arm:q}-s{wildcards.seed:q}"
        + INTO_LOG_AND_TERMINAL
