include: "common.smk"


rule passages:
    input:
        RUN.results("passages"),


for shard, jobs in RUN.shards_of("passages").items():

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
        shell:
            SHARD + INTO_LOG
