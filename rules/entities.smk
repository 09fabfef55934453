include: "common.smk"


rule entities:
    input:
        expand("results/entities/{document}.json", document=DOCUMENTS),


rule entity_list:
    input:
        after_base(PLAN.params.llm.model),
        recipe=recipe("entities"),
        document="results/documents/{document}.json",
    output:
        entities=update("results/entities/{document}.json"),
        receipt=receipt("entities/{document}"),
    log:
        ".closedbook/logs/entities/{document}.log",
    shell:
        "{CLOSEDBOOK} step entities"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --document {input.document:q}"
        " --output {output.entities:q}"
        + INTO_LOG
