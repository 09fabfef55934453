include: "common.smk"


rule scores:
    input:
        expand("results/scores/{run}.json", run=SCORES),


# Questions are always asked; documents and chunks are read where a task shows them, replay text where some is held out.
REPLAY = [PLAN.params.corpora.replay.path] if PLAN.params.corpora.replay.held_out else []


def chunks(shown):
    return ["results/retrieval/chunks.jsonl"] if any(map(tasks.shows_chunks, shown)) else []


def asked_about(wildcards):
    return PLAN.recipes[f"scores/{wildcards.run}"]["documents"]


def tasks_of(wildcards):
    return PLAN.recipes[f"scores/{wildcards.run}"]["params"]["scores"]["tasks"]


def shows_documents(wildcards):
    return any(map(tasks.shows_document, tasks_of(wildcards)))


def model_folder(wildcards):
    return "results/base" if wildcards.run == "base" else f"results/runs/{wildcards.run}"


rule score:
    input:
        lambda wildcards: expand("results/questions/{document}.json", document=asked_about(wildcards)),
        lambda wildcards: expand("results/documents/{document}.json", document=asked_about(wildcards) if shows_documents(wildcards) else []),
        retrieved=lambda wildcards: chunks(tasks_of(wildcards)),
        recipe=recipe("scores/{run}"),
        replay=REPLAY,
        model=lambda wildcards: f"{model_folder(wildcards)}/{'base' if wildcards.run == 'base' else 'run'}.json",
    output:
        score=update("results/scores/{run}.json"),
        samples=update("results/scores/{run}.samples.jsonl"),
        receipt=receipt("scores/{run}"),
    params:
        model=model_folder,
        documents=lambda wildcards: "results/documents" if shows_documents(wildcards) else [],
    log:
        ".closedbook/logs/scores/{run}.log",
    threads: PLAN.params.scores.threads
    resources:
        gpu=int(PLAN.params.scores.device == "cuda"),
    shell:
        "{KEEPING_MEMORY} {CLOSEDBOOK} step scores"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --model {params.model:q}"
        " --questions results/questions"
        " --documents {params.documents:q}"
        " --retrieved {input.retrieved:q}"
        " --replay {input.replay:q}"
        " --output {output.score:q}"
        " --samples {output.samples:q}"
        + INTO_LOG


rule reader:
    input:
        lambda wildcards: after_base(PLAN.params.readers[wildcards.reader].model),
        expand("results/questions/{document}.json", document=DOCUMENTS),
        expand("results/documents/{document}.json", document=DOCUMENTS),
        retrieved=lambda wildcards: chunks(PLAN.params.readers[wildcards.reader].tasks),
        recipe=recipe("scores/reader-{reader}"),
    output:
        score=update("results/scores/reader-{reader}.json"),
        samples=update("results/scores/reader-{reader}.samples.jsonl"),
        receipt=receipt("scores/reader-{reader}"),
    log:
        ".closedbook/logs/scores/reader-{reader}.log",
    shell:
        "{CLOSEDBOOK} step readers"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --questions results/questions"
        " --documents results/documents"
        " --retrieved {input.retrieved:q}"
        " --output {output.score:q}"
        " --samples {output.samples:q}"
        + INTO_LOG_AND_TERMINAL


ruleorder: reader > score
