include: "common.smk"


# Only where quality_summary is among the tasks; otherwise there is nothing to do.
rule summaries:
    input:
        RUN.results("summaries"),


def sums_up_here(wildcards):
    """Whether the model runs on this machine."""
    return RUN.recipe(f"summaries/{wildcards.run}")["step"] == "summaries"


if RUN.results("summaries"):

    rule sum_up:
        input:
            lambda wildcards: inputs(f"summaries/{wildcards.run}"),
        output:
            outputs_of("summaries", "{run}"),
        log:
            ".closedbook/logs/summaries/{run}.log",
        threads: lambda wildcards: PARAMS.scores.threads if sums_up_here(wildcards) else 1
        resources:
            gpu=lambda wildcards: int(PARAMS.scores.device == "cuda" and sums_up_here(wildcards)),
        shell:
            KEEPING_MEMORY + JOB + "summaries/{wildcards.run}" + INTO_LOG_AND_TERMINAL
