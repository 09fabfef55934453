include: "common.smk"


rule judgements:
    input:
        RUN.results("judgements"),


rule judgement:
    input:
        lambda wildcards: inputs("judgements/judgements"),
    output:
        outputs_of("judgements"),
    log:
        ".closedbook/logs/judgements.log",
    localrule: True
    shell:
        JOB + "judgements/judgements" + INTO_LOG
