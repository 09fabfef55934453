include: "common.smk"


rule pairs:
    input:
        RUN.results("pairs"),


rule pair:
    input:
        lambda wildcards: inputs("pairs/pairs"),
    output:
        outputs_of("pairs"),
    log:
        ".closedbook/logs/pairs.log",
    localrule: True
    shell:
        JOB + "pairs/pairs" + INTO_LOG
