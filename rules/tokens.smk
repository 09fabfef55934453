include: "common.smk"


rule tokens:
    input:
        RUN.results("tokens"),


for shard, jobs in RUN.shards_of("tokens").items():

    rule:
        name:
            shard.replace("-", "_")
        input:
            lambda wildcards, jobs=jobs: inputs(*jobs),
        output:
            outputs(shard),
        threads: processes(shard)
        localrule: True
        params:
            shard=RUN.shard_file(shard),
        log:
            f".closedbook/logs/{shard}.log",
        priority: 5  # corpora and trainings, the longest jobs, wait for it
        shell:
            SHARD + INTO_LOG
