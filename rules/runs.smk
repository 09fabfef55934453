include: "common.smk"


rule runs:
    input:
        RUN.results("runs"),


rule run:
    input:
        lambda wildcards: inputs(f"runs/{wildcards.run}"),
    output:
        outputs_of("runs", "{run}"),
    log:
        ".closedbook/logs/runs/{run}.log",
    threads: PARAMS.training.threads * PARAMS.training.processes
    resources:
        **on_node("runs/{run}", gpus=PARAMS.training.processes if PARAMS.training.device == "cuda" else 0, nodes=PARAMS.training.nodes),
    priority: 5  # the longest jobs first, so that no core waits for the last of them
    params:
        launcher=LAUNCHER,
    shell:
        "CLOSEDBOOK_LAUNCHER={params.launcher:q} " + KEEPING_MEMORY + JOB + "runs/{wildcards.run}" + INTO_LOG
