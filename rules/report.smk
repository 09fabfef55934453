include: "common.smk"


rule report:
    input:
        lambda wildcards: inputs("report/report"),
    output:
        outputs_of("report"),
    log:
        ".closedbook/logs/report.log",
    localrule: True
    shell:
        JOB + "report/report" + INTO_LOG
