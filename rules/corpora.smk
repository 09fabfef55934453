include: "common.smk"


rule corpora:
    input:
        RUN.results("corpora"),


rule corpus:
    input:
        lambda wildcards: inputs(f"corpora/{wildcards.corpus}"),
    output:
        outputs_of("corpora", "{corpus}"),
    log:
        ".closedbook/logs/corpora/{corpus}.log",
    localrule: True
    priority: 5  # trainings, the longest jobs, wait for it
    shell:
        JOB + "corpora/{wildcards.corpus}" + INTO_LOG
