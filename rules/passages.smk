include: "common.smk"


rule passages:
    input:
        expand("results/passages/{strategy}/{document}.json", strategy=ARM_STRATEGIES, document=DOCUMENTS),


rule document_passages:
    input:
        after_base(PLAN.params.llm.model),
        recipe=recipe("passages/{strategy}"),
        document="results/documents/{document}.json",
        entities=branch(
            lambda wildcards: strategies.STRATEGIES[wildcards.strategy].NEEDS_ENTITIES,
            then="results/entities/{document}.json",
            otherwise=[],
        ),
    output:
        passages=update("results/passages/{strategy}/{document}.json"),
        receipt=receipt("passages/{strategy}/{document}"),
    log:
        ".closedbook/logs/passages/{strategy}/{document}.log",
    shell:
        "{CLOSEDBOOK} step passages"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --document {input.document:q}"
        " --entities {input.entities:q}"
        " --strategy {wildcards.strategy:q}"
        " --output {output.passages:q}"
        + INTO_LOG_AND_TERMINAL
