include: "common.smk"


from closedbook.params import API


rule scores:
    input:
        RUN.results("scores"),


# Of models that run here.
rule score:
    input:
        lambda wildcards: inputs(f"scores/{wildcards.run}"),
    output:
        outputs_of("scores", "{run}"),
    log:
        ".closedbook/logs/scores/{run}.log",
    wildcard_constraints:
        run=f"(?!{API})[a-z][a-z0-9-]*",
    threads: PARAMS.scores.threads
    resources:
        **on_node("scores/{run}", gpus=int(PARAMS.scores.device == "cuda")),
    shell:
        KEEPING_MEMORY + JOB + "scores/{wildcards.run}" + INTO_LOG


# Of models behind an API.
rule answers:
    input:
        lambda wildcards: inputs(f"scores/{wildcards.run}"),
    output:
        outputs_of("scores", "{run}"),
    log:
        ".closedbook/logs/scores/{run}.log",
    wildcard_constraints:
        run=f"{API}[a-z0-9-]*",
    localrule: True
    shell:
        JOB + "scores/{wildcards.run}" + INTO_LOG
