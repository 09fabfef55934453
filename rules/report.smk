include: "common.smk"


# What of its files Snakemake's own report shows: `snakemake --report report.zip`
SHOWN = {
    "report.html": "the report",
    "table.csv": "accuracy of each arm and task",
    "accuracy.png": "accuracy by tokens",
    "losses.png": "losses",
}


def as_results(paths):
    return [report(path, category="Results", labels={"result": SHOWN[name]}) if (name := Path(path).name) in SHOWN else path for path in paths]


rule report:
    input:
        lambda wildcards: inputs("report/report"),
    output:
        as_results(outputs_of("report")),
    log:
        ".closedbook/logs/report.log",
    localrule: True
    shell:
        JOB + "report/report" + INTO_LOG
