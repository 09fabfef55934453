include: "common.smk"


rule scores:
    input:
        expand("results/scores/{run}.json", run=["base", *RUNS]),


def model_folder(wildcards):
    return "results/base" if wildcards.run == "base" else f"results/runs/{wildcards.run}"


rule score:
    input:
        expand("results/questions/{document}.json", document=DOCUMENTS),
        recipe=recipe("scores"),
        replay=PLAN.params.corpora.replay.path,
        model=lambda wildcards: f"{model_folder(wildcards)}/{'base' if wildcards.run == 'base' else 'run'}.json",
    output:
        score=update("results/scores/{run}.json"),
        samples=update("results/scores/{run}.samples.jsonl"),
        receipt=receipt("scores/{run}"),
    params:
        model=model_folder,
    log:
        ".closedbook/logs/scores/{run}.log",
    threads: PLAN.params.scores.threads
    resources:
        gpu=int(PLAN.params.scores.device == "cuda"),
    shell:
        "{CLOSEDBOOK} step scores"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --model {params.model:q}"
        " --replay {input.replay:q}"
        " --questions results/questions"
        " --output {output.score:q}"
        " --samples {output.samples:q}"
        + INTO_LOG
