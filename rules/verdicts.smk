include: "common.smk"


# Only where quality_summary is among the tasks; otherwise there is nothing to do.
rule verdicts:
    input:
        RUN.results("verdicts"),


if RUN.results("verdicts"):

    rule verdict:
        input:
            lambda wildcards: inputs(f"verdicts/{wildcards.run}"),
        output:
            outputs_of("verdicts", "{run}"),
        log:
            ".closedbook/logs/verdicts/{run}.log",
        localrule: True
        shell:
            JOB + "verdicts/{wildcards.run}" + INTO_LOG
