include: "common.smk"


# The model that the arms start from: the miniature's is trained here, any other one is pinned.
rule base:
    input:
        recipe=recipe("base"),
        files=recipes.base_files(PLAN.params),
    output:
        base=update("results/base/base.json"),
        replay=update("results/base/replay.jsonl"),
        receipt=receipt("base/base"),
    log:
        ".closedbook/logs/base.log",
    threads: PLAN.params.training.threads
    resources:
        gpu=int(PLAN.params.training.device == "cuda"),
    priority: 10
    shell:
        "{KEEPING_MEMORY} {CLOSEDBOOK} step base"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --files {input.files:q}"
        " --checkpoints .closedbook/checkpoints/base"
        " --folder results/base"
        + INTO_LOG_AND_TERMINAL
