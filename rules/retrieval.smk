include: "common.smk"


# Only where a task puts chunks into the prompt; otherwise there is nothing to do.
RETRIEVED = ["results/retrieval/chunks.jsonl"] if "retrieval" in PLAN.recipes else []


rule retrieval:
    input:
        RETRIEVED,


rule retrieve:
    input:
        after_base(PLAN.params.retrieval.embedder.model, PLAN.params.retrieval.reranker.model),
        expand("results/documents/{document}.json", document=DOCUMENTS),
        expand("results/questions/{document}.json", document=DOCUMENTS),
        recipe=recipe("retrieval"),
    output:
        chunks=update("results/retrieval/chunks.jsonl"),
        about=update("results/retrieval/retrieval.json"),
        receipt=receipt("retrieval/retrieval"),
    log:
        ".closedbook/logs/retrieval.log",
    shell:
        "{CLOSEDBOOK} step retrieval"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --documents results/documents"
        " --questions results/questions"
        " --folder results/retrieval"
        + INTO_LOG_AND_TERMINAL
