include: "common.smk"


# The model that the arms start from: the miniature's is trained here, any other one is pinned.
rule base:
    input:
        lambda wildcards: inputs("base/base"),
    output:
        outputs_of("base"),
    log:
        ".closedbook/logs/base.log",
    threads: PARAMS.training.threads
    resources:
        gpu=int(PARAMS.training.device == "cuda"),
    priority: 10
    shell:
        KEEPING_MEMORY + JOB + "base/base" + INTO_LOG
