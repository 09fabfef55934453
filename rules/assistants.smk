include: "common.smk"


rule assistants:
    input:
        RUN.results("assistants"),


def settings_of(wildcards):
    """Of its training; of an assistant that is not trained, {}."""
    return RUN.recipe(f"assistants/{wildcards.assistant}")["params"].get("training", {})


rule assistant:
    input:
        lambda wildcards: inputs(f"assistants/{wildcards.assistant}"),
    output:
        outputs_of("assistants", "{assistant}"),
    log:
        ".closedbook/logs/assistants/{assistant}.log",
    threads: lambda wildcards: settings_of(wildcards).get("threads", PARAMS.scores.threads) * settings_of(wildcards).get("processes", 1)
    resources:
        gpu=lambda wildcards: devices.needed(RUN.recipe(f"assistants/{wildcards.assistant}")),
    params:
        launcher=LAUNCHER,
    shell:
        "CLOSEDBOOK_LAUNCHER={params.launcher:q} " + KEEPING_MEMORY + JOB + "assistants/{wildcards.assistant}" + INTO_LOG_AND_TERMINAL
