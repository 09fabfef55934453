"""The command line: every job as its rule runs it, and the commands that look after the results."""

import argparse
import os
import re
import sys
import traceback
from pathlib import Path

QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "true",
    "OMP_WAIT_POLICY": "passive",  # threads that spin take the core that another job waits for
}
"""nothing phones home, and processes that share cores do not starve each other; set before any library is loaded"""
INTERRUPTED = 128 + 2
"""the exit status of a program that Ctrl-C ended, as a shell knows it from SIGINT"""


EXAMPLES = {
    "init": "init folder",
    "forecast": "forecast --measure",
    "fresh": "fresh --strict",
    "table": "table",
    "compare": "compare raw entigraph",
    "passages": "passages harbour-3f2a91c0 --strategy entigraph",
    "bakeoff": "bakeoff",
    "next": "next --price openai/gpt-4o-mini",
    "spent": "spent --by model",
    "ledger": "ledger stats",
    "ledger verify": "ledger verify",
    "ledger stats": "ledger stats",
    "ledger show": "ledger show 3f2a91",
    "retry": "retry harbour-3f2a91c0",
    "ask": 'ask entigraph-s1 "What is the weaver called?"',
    "chat": "chat entigraph-s1",
    "serve": "serve --port 8765",
    "asks": "asks export requests",
    "asks export": "asks export requests",
    "asks import": "asks import answers/*.jsonl",
    "trace": "trace --run entigraph-s1 --token 123456",
    "impact": "impact harbour-3f2a91c0",
    "audit": "audit",
    "diff": "diff raw entigraph",
    "reproducible": "reproducible entigraph --prove",
    "prune": "prune --yes",
    "restore": "restore",
    "seal": "seal before-release",
    "crate": "crate --folder crate",
    "cards": "cards --folder cards",
    "export": "export passages-entigraph --strategy entigraph",
    "completion": "completion bash",
    "job": "job runs/raw-s1",
    "stage": "stage runs",
    "verify": "verify runs",
    "commit": "commit",
}
"""of each command; last those that rules and DVC call"""
ALIASES = {"ask-again": "retry"}
"""older names"""


class Parser(argparse.ArgumentParser):
    """Names the nearest where a command, or another choice, is misspelt; and prints as all else does, for behind `| head` argparse would not end
    as a program does whose reader is gone."""

    def _print_message(self, message: str, file=None):
        from closedbook.util import terminal

        terminal.write(message) if file is sys.stdout else terminal.note(*message.splitlines())

    def error(self, message: str):
        from closedbook.util.errors import did_you_mean

        if wrong := re.fullmatch(r"argument (.*): invalid choice: '(.*)' \(choose from (.*)\)", message):
            name, given, choices = wrong.groups()
            near = did_you_mean(given, re.findall(r"[\w-]+", choices), f"{self.prog} --help lists them")
            what = {"COMMAND": "no such command"}.get(name, f"{name}: no such choice")
            message = f"{what}: {given}; {near}"
        super().error(message)


def main(arguments: list[str] | None = None) -> int:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    from closedbook.util import terminal
    from closedbook.util.errors import REMEDY, UserError, refused

    sys.excepthook = lambda *error: terminal.note(*"".join(traceback.format_exception(*error)).splitlines())  # it quotes names and texts
    try:
        options = _parser().parse_args((sys.argv[1:] if arguments is None else arguments) or ["--help"])
        _go_home(options)
        options.command(options)
    except UserError as error:
        terminal.note(*f"error: {error}".splitlines())
        return 2
    except KeyboardInterrupt:
        terminal.note("interrupted: what is finished is kept, and the same command goes on from there")
        return INTERRUPTED
    except Exception as error:  # libraries write files too (models, checkpoints, databases), and each has its own way to fail
        if (reason := refused(error)) is None:
            raise
        terminal.note(f"error: {reason}: {REMEDY}")
        return 2
    return 0


def _go_home(options: argparse.Namespace) -> None:
    """From a folder within a project to the project's own; paths that were given stay where they are. Raises UserError outside of one."""
    from closedbook import project

    here = Path.cwd()
    home = here if options.command is _completion else project.home(here)
    if home == here:
        return
    for name, value in vars(options).items():
        if isinstance(value, Path):
            setattr(options, name, here / value)
    os.chdir(home)


def _parser() -> Parser:
    from importlib.metadata import version

    from closedbook.lineage import commands as lineage
    from closedbook.serve import commands as serve
    from closedbook.spending import commands as spending
    from closedbook.util import completion
    from closedbook.workflow.registry import STAGES

    parser = Parser(prog="closedbook", description="Teach a language model what documents say, and prove where it came from.")
    parser.add_argument("--version", action="version", version=f"closedbook {version('closedbook')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = _add(commands, "init", _init, "write a preset out as params.yaml, whole, fitted to the documents there; without a name, list them")
    init.add_argument("preset", nargs="?", help="one of presets/")
    init.add_argument("--force", action="store_true", help="put it in the place of the params.yaml that is there, which is kept under another name")
    init.add_argument("--base", metavar="MODEL", help="a folder, or a name on the Hugging Face Hub, in place of the preset's base.model")
    init.add_argument("--measure", action="store_true", help="train ten steps, in a temporary folder, to know how long trainings take")
    fresh = _add(commands, "fresh", _fresh, "say what is stale, and why")
    fresh.add_argument("--strict", action="store_true", help="count results of other library versions as stale too, and exit with 1 if anything is")
    fresh.add_argument("--accept", metavar="RESULT", help='keep results over a change of code that can\'t have mattered: a path, a stage, or "runs/raw-*"')
    fresh.add_argument("--why", help="the reason, which stays in their receipts")
    _add(commands, "table", _table, "print the table of arms")
    again = _add(commands, "retry", _retry, "ask the model again where it failed: for entity lists, passages, summaries and verdicts",
                 aliases=[*ALIASES])  # fmt: skip
    again.add_argument("documents", nargs="*", metavar="DOCUMENT", help="by id, path or title (all that fell back)")
    serve.add(commands)
    spending.add(commands)
    lineage.add(commands)
    _add(commands, "completion", _completion, "print a script by which a shell completes commands").add_argument("shell", choices=completion.SHELLS)
    job = _add(commands, "job", _job, "run jobs of one stage by hand, as its rule does")
    job.add_argument("names", nargs="*", metavar="JOB", help='as "runs/raw-s1"')
    job.add_argument("--shard", type=Path, help="a JSON file that lists them")
    job.add_argument("--processes", type=int, default=1, help="that share jobs which do not wait for a model (1)")
    _add(commands, "stage", _stage, "what a DVC stage runs: build what is stale, prove the rest").add_argument("name", choices=[*STAGES])
    _add(commands, "verify", _verify, "fail unless all results of a stage are fresh").add_argument("name", choices=[*STAGES])
    _add(commands, "commit", _commit, "record what is fresh in dvc.lock, as a successful run does")
    for name, command in every(parser).items():
        command.epilog = f"example: closedbook {EXAMPLES[ALIASES.get(name, name)]}"
    return parser


def every(parser: argparse.ArgumentParser, of: str = "") -> dict[str, argparse.ArgumentParser]:
    """The parser of each command by its name, of those within others too ("ledger stats")."""
    groups = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    found = {of + name: command for group in groups for name, command in group.items()}
    return found | {name: within for each, command in found.items() for name, within in every(command, f"{each} ").items()}


def _add(commands, name: str, function, summary: str, aliases: list[str] | None = None) -> argparse.ArgumentParser:
    """`aliases`: names that it had before, and still answers to."""
    command = commands.add_parser(name, help=summary, aliases=aliases or [])
    command.set_defaults(command=function)
    return command


def _job(options) -> None:
    from closedbook.util import files
    from closedbook.util.errors import UserError
    from closedbook.workflow import jobs

    if options.shard and not options.shard.is_file():
        raise UserError(f"{options.shard}: no such file")
    if not (options.shard or options.names):
        raise UserError("closedbook job: name jobs as closedbook fresh does (runs/raw-s1), or a file with --shard")
    if names := files.read_json(options.shard) if options.shard else options.names:
        jobs.run(names, options.processes)


def _stage(options) -> None:
    from closedbook.workflow import dvc

    dvc.run_stage(options.name)


def _verify(options) -> None:
    from closedbook.workflow import plan, upkeep

    upkeep.verify(plan.make(write=False), options.name)


def _commit(options) -> None:
    from closedbook.util import terminal
    from closedbook.workflow import dvc, plan, upkeep

    with upkeep.hold("closedbook commit"):
        terminal.show(*dvc.commit(plan.make(write=False)))


def _fresh(options) -> None:
    from closedbook.util import terminal
    from closedbook.util.errors import UserError
    from closedbook.workflow import plan, upkeep

    if bool(options.accept) != bool(options.why):
        raise UserError("--accept RESULT and --why REASON go together")
    if options.accept:
        with upkeep.hold("closedbook fresh --accept"):
            for receipt in upkeep.accept(plan.make(), options.accept, options.why):
                terminal.show(f"{receipt} holds the reason; closedbook commit records it")
        return
    lines, stale = upkeep.report(plan.make(write=False), options.strict)
    terminal.show(*lines)
    if stale and options.strict:
        raise SystemExit(1)


def _completion(options) -> None:
    from closedbook.util import completion, terminal

    parser = _parser()
    terminal.write(completion.script(parser, every(parser).values(), options.shell))


def _init(options) -> None:
    from closedbook import presets
    from closedbook.util import tables, terminal

    if options.preset is None:
        terminal.show(*tables.aligned([(name, presets.summary(name)) for name in presets.names()], left=(0, 1)))
        return
    changes, told = presets.fitted(options.preset, options.base, options.measure)
    kept = presets.write(options.preset, force=options.force, changes=changes)
    terminal.show(f"params.yaml holds the preset {options.preset}", *([f"what was there is kept as {kept}"] if kept else []), *told)


def _table(options) -> None:
    from closedbook.util import terminal
    from closedbook.workflow import outcome, plan

    terminal.show(*outcome.lines(plan.make(write=False)))


def _retry(options) -> None:
    from closedbook.spending import again
    from closedbook.util import terminal
    from closedbook.workflow import plan, upkeep

    with upkeep.hold("closedbook retry"):
        for line in again.reopen(plan.make(), options.documents):
            terminal.show(line)
