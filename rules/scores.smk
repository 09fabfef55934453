include: "common.smk"


rule scores:
    input:
        RUN.results("scores"),


def is_here(wildcards):
    """Whether the model runs on this machine, and not behind an API."""
    return RUN.recipe(f"scores/{wildcards.run}")["step"] == "scores"


rule score:
    input:
        lambda wildcards: inputs(f"scores/{wildcards.run}"),
    output:
        outputs_of("scores", "{run}"),
    log:
        ".closedbook/logs/scores/{run}.log",
    threads: lambda wildcards: PARAMS.scores.threads if is_here(wildcards) else 1
    resources:
        gpu=lambda wildcards: int(PARAMS.scores.device == "cuda" and is_here(wildcards)),
    shell:
        KEEPING_MEMORY + JOB + "scores/{wildcards.run}" + INTO_LOG
