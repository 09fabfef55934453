include: "common.smk"


rule documents:
    input:
        expand("results/documents/{document}.json", document=DOCUMENTS),


rule document:
    input:
        recipe=recipe("documents"),
        source=".closedbook/sources/{document}.json",
    output:
        document=update("results/documents/{document}.json"),
        questions=update("results/questions/{document}.json"),
        receipt=receipt("documents/{document}"),
    log:
        ".closedbook/logs/documents/{document}.log",
    shell:
        "{CLOSEDBOOK} step documents"
        " --recipe {input.recipe:q}"
        " --receipt {output.receipt:q}"
        " --source {input.source:q}"
        " --document {output.document:q}"
        " --questions {output.questions:q}"
        + INTO_LOG
