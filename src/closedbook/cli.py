"""The command line: every step as its rule runs it, and the commands that look after the results."""

import argparse
import os
import re
import sys
from pathlib import Path

QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "true",
    "OMP_WAIT_POLICY": "passive",  # threads that spin take the core that another job waits for
}
"""nothing phones home, and processes that share cores do not starve each other; set before any library is loaded"""
NO_PLACE = re.compile(r"No space left|[Dd]isk is full|Disk quota|File too large|Permission denied|[Rr]ead-only|readonly database|unable to open database")


def main(arguments: list[str] | None = None) -> int:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from closedbook.errors import UserError

    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Exception as error:  # libraries write files too (models, checkpoints, databases), and each has its own way to fail
        if not NO_PLACE.search(str(error)):
            raise
        print(f"error: {error}: make room or give write permission, then run again; what is finished is kept", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    from closedbook.comparison import command as comparison
    from closedbook.lineage import commands as lineage
    from closedbook.spending import commands as spending
    from closedbook.steps import STAGES, STEPS

    parser = argparse.ArgumentParser(prog="closedbook", description="Teach a language model what documents say, and prove where it came from.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    steps = _add(commands, "step", None, "run one step by hand, as its rule does").add_subparsers(required=True, metavar="STEP")
    for name, step in STEPS.items():
        command = steps.add_parser(name, help=f"what rules/{name if name in STAGES else 'scores'}.smk runs")
        command.add_argument("--recipe", type=Path, required=True, help="its parameters, code and prompts")
        command.add_argument("--receipt", type=Path, required=True, help="where to write what went in and came out, as hashes")
        for option in (*step.inputs, *step.outputs, *step.folders, *step.work):
            command.add_argument(f"--{option}", type=Path, required=True)
        for option in (*step.per_document, *step.lists):
            command.add_argument(f"--{option}", type=Path, nargs="*", required=True)
        for option in step.values:
            command.add_argument(f"--{option}", required=True)
        command.set_defaults(command=_run_step, step=step)
    _add(commands, "stage", _stage, "what a DVC stage runs: build what is stale, prove the rest").add_argument("name", choices=STAGES)
    _add(commands, "verify", _verify, "fail unless all results of a step are fresh").add_argument("name", choices=STAGES)
    _add(commands, "commit", _commit, "record what is fresh in dvc.lock, as a successful run does")
    fresh = _add(commands, "fresh", _fresh, "tell what is stale, and why")
    fresh.add_argument("--strict", action="store_true", help="take other versions of libraries for stale too, and exit with 1 if anything is")
    fresh.add_argument("--accept", type=Path, metavar="PATH", help="keep this result over a change of code that can't have mattered")
    fresh.add_argument("--why", help="the reason, which stays in its receipt")
    _add(commands, "table", _table, "print the table of arms")
    again = _add(commands, "ask-again", _ask_again, "ask the model again for documents whose entity list fell back or whose passages were dropped")
    again.add_argument("documents", nargs="*", help="their ids (all that fell back)")
    spending.add(commands)
    comparison.add(commands)
    lineage.add(commands)
    return parser


def _add(commands, name: str, function, summary: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary)
    command.set_defaults(command=function)
    return command


def _run_step(options) -> None:
    from closedbook.freshness import jobs

    jobs.run(options.step, vars(options))


def _stage(options) -> None:
    from closedbook.freshness import recording

    recording.run_stage(options.name)


def _verify(options) -> None:
    from closedbook.freshness import plan, upkeep

    upkeep.verify(plan.make(write=False), options.name)


def _commit(options) -> None:
    from closedbook.freshness import plan, recording, upkeep

    with upkeep.hold("closedbook commit"):
        print("\n".join(recording.commit(plan.make(write=False))))


def _fresh(options) -> None:
    from closedbook.errors import UserError
    from closedbook.freshness import accept, plan, upkeep

    if bool(options.accept) != bool(options.why):
        raise UserError("--accept PATH and --why REASON go together")
    if options.accept:
        with upkeep.hold("closedbook fresh --accept"):
            print(f"{accept.accept(plan.make(), options.accept, options.why)} holds the reason; closedbook commit records it")
        return
    lines, stale = upkeep.report(plan.make(write=False), options.strict)
    print("\n".join(lines))
    if stale and options.strict:
        raise SystemExit(1)


def _table(options) -> None:
    from closedbook import params, table
    from closedbook.errors import UserError
    from closedbook.freshness import recipes

    settings = params.load()
    scores = [path for name in recipes.score_names(settings) if (path := Path(f"results/scores/{name}.json")).is_file()]
    if not scores:
        raise UserError("results/scores: no scores of params.yaml yet: run make reproduce, or snakemake --cores all")
    print(table.text(scores, recipes.all_tasks(settings)))
    print("\nreport: results/report/report.html")


def _ask_again(options) -> None:
    from closedbook import again
    from closedbook.freshness import plan, upkeep

    with upkeep.hold("closedbook ask-again"):
        for line in again.reopen(plan.make(), options.documents):
            print(line)
