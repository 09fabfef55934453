include: "common.smk"


from closedbook.params import OWN_BASES


# The model that the arms start from: the miniature's is trained here, any other one is pinned.
rule base:
    input:
        lambda wildcards: inputs("base/base"),
    output:
        outputs_of("base"),
    log:
        ".closedbook/logs/base.log",
    threads: PARAMS.training.threads
    localrule: PARAMS.base.model not in OWN_BASES
    resources:
        **on_node("base/base", gpus=int(PARAMS.training.device == "cuda")),
    priority: 10
    shell:
        KEEPING_MEMORY + JOB + "base/base" + INTO_LOG
