include: "common.smk"


# Only where a task puts chunks into the prompt; otherwise there is nothing to do.
rule retrieval:
    input:
        RUN.results("retrieval"),


rule retrieve:
    input:
        lambda wildcards: inputs("retrieval/retrieval"),
    output:
        outputs_of("retrieval"),
    log:
        ".closedbook/logs/retrieval.log",
    localrule: True
    shell:
        JOB + "retrieval/retrieval" + INTO_LOG
