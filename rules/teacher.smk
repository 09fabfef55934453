include: "common.smk"


rule teacher:
    input:
        RUN.results("teacher"),


rule teaching:
    input:
        lambda wildcards: inputs(f"teacher/{wildcards.corpus}"),
    output:
        outputs_of("teacher", "{corpus}"),
    log:
        ".closedbook/logs/teacher/{corpus}.log",
    threads: PARAMS.training.threads * PARAMS.training.processes
    resources:
        **on_node("teacher/{corpus}", gpus=PARAMS.training.processes if PARAMS.training.device == "cuda" else 0, nodes=PARAMS.training.nodes),
    priority: 5  # trainings wait for it
    params:
        launcher=LAUNCHER,
    shell:
        "CLOSEDBOOK_LAUNCHER={params.launcher:q} " + KEEPING_MEMORY + JOB + "teacher/{wildcards.corpus}" + INTO_LOG
