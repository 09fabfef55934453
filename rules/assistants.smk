include: "common.smk"


rule assistants:
    input:
        RUN.results("assistants"),


def recipe_of(wildcards):
    return RUN.recipe(f"assistants/{wildcards.assistant}")


def training_of(recipe):
    """Its settings; of an assistant that is not trained, {}."""
    return recipe["params"].get("training", {})


# A cluster wants one answer for all of them: what the largest needs.
LARGEST = [recipe for name, recipe in RUN.plan.recipes.items() if name.startswith("assistants/")]


rule assistant:
    input:
        lambda wildcards: inputs(f"assistants/{wildcards.assistant}"),
    output:
        outputs_of("assistants", "{assistant}"),
    log:
        ".closedbook/logs/assistants/{assistant}.log",
    threads: lambda wildcards: training_of(recipe_of(wildcards)).get("threads", PARAMS.scores.threads) * training_of(recipe_of(wildcards)).get("processes", 1)
    resources:
        **on_node(
            "assistants/{assistant}",
            gpus=(lambda wildcards: devices.needed(recipe_of(wildcards))) if HERE else max(map(devices.needed, LARGEST), default=0),
            nodes=max((training_of(recipe).get("nodes", 1) for recipe in LARGEST), default=1),
        ),
    params:
        launcher=LAUNCHER,
    shell:
        "CLOSEDBOOK_LAUNCHER={params.launcher:q} " + KEEPING_MEMORY + JOB + "assistants/{wildcards.assistant}" + INTO_LOG
