include: "common.smk"


from closedbook.params import API
from closedbook.workflow.recipes import HUMAN


# Only where quality_summary is among the tasks; otherwise there is nothing to do.
rule summaries:
    input:
        RUN.results("summaries"),


if RUN.results("summaries"):

    # Of models that run here.
    rule sum_up:
        input:
            lambda wildcards: inputs(f"summaries/{wildcards.run}"),
        output:
            outputs_of("summaries", "{run}"),
        log:
            ".closedbook/logs/summaries/{run}.log",
        wildcard_constraints:
            run=f"(?!{API}|{HUMAN}$)[a-z][a-z0-9-]*",
        threads: PARAMS.scores.threads
        resources:
            **on_node("summaries/{run}", gpus=int(PARAMS.scores.device == "cuda")),
        shell:
            KEEPING_MEMORY + JOB + "summaries/{wildcards.run}" + INTO_LOG

    # Of models behind an API, and people's.
    rule summed_up:
        input:
            lambda wildcards: inputs(f"summaries/{wildcards.run}"),
        output:
            outputs_of("summaries", "{run}"),
        log:
            ".closedbook/logs/summaries/{run}.log",
        wildcard_constraints:
            run=f"{API}[a-z0-9-]*|{HUMAN}",
        localrule: True
        shell:
            JOB + "summaries/{wildcards.run}" + INTO_LOG
