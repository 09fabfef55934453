"""The questions about lineage as commands, and closedbook compare."""

import argparse
from pathlib import Path

from closedbook.evaluation.clustered import SPLITS
from closedbook.util import terminal


def add(commands) -> None:
    """Add a parser for each question to the command line's."""
    _add_compare(commands)
    trace = _question(commands, "trace", "where a score, a passage, a token or a sentence came from")
    trace.add_argument("target", nargs="?", help="a file under results/, a passage's id, a run (raw-s1), or a document by id, path or title")
    trace.add_argument("--run", metavar="ARM", help="an arm, or one of its runs (raw-s1): with --token or --step")
    trace.add_argument("--token", type=int, metavar="N", help="the run's N-th token, counted from 0 as the model read them")
    trace.add_argument("--step", type=int, metavar="N", help="the run's N-th training step, counted from 0: all that the model saw in it")
    trace.add_argument("--text", metavar="SENTENCE", help="the training passages nearest to a sentence")
    passages = _question(commands, "passages", "some of what was written about a document, what was dropped, and what the filters rejected")
    passages.add_argument("document", help="by id, path or title")
    passages.add_argument("--strategy", help="only this one (all)")
    passages.add_argument("--number", type=int, default=3, metavar="N", help="how many per strategy (3)")
    impact = _question(commands, "impact", "what holds a document, and what taking it down would cost")
    impact.add_argument("document", help="by id, path or title")
    impact.add_argument("--redact", action="store_true", help="strike the text of a document that was taken out from the ledger")
    impact.add_argument("--certify", action="store_true", help="show that nothing of a document that was taken out is left here")
    audit = _question(commands, "audit", "has anything changed? re-hashes everything, believes no time")
    audit.add_argument("revision", nargs="?", help="a seal, or a commit, to check against")
    diff = _question(commands, "diff", "the first place where two histories differ, and by how much their results do")
    diff.add_argument("a", help="a run (raw-s1), an arm, or a revision: a commit, tag or branch, and . for the results that are here")
    diff.add_argument("b", help="another of the same kind")
    reproducible = _question(commands, "reproducible", "what of an arm can be made again, bit by bit, and what for")
    reproducible.add_argument("arm", help="or one of its runs (raw-s1)")
    reproducible.add_argument("--prove", action="store_true", help="rebuild it in a scratch folder and compare")
    prune = _question(commands, "prune", "which results are not planned any more, and which of them can be brought back")
    prune.add_argument("--yes", action="store_true", help="remove those that can be brought back")
    restore = _question(commands, "restore", "bring back results that DVC's cache still holds")
    restore.add_argument("name", nargs="?", help="as a run or closedbook prune named it, or a commit (without it: all names)")
    restore.add_argument("jobs", nargs="*", metavar="JOB", help="only what these jobs made (runs/raw-s1)")
    restore.add_argument("--replace", action="store_true", help="also what is here with another content that can be brought back too")
    seal = _question(commands, "seal", "put a digest of everything into a git tag, which audit checks against")
    seal.add_argument("name")
    crate = _question(commands, "crate", "write the lineage as a Provenance Run Crate")
    crate.add_argument("--folder", type=Path, default=Path("crate"), help="where to (crate/)")
    cards = _question(commands, "cards", "write model and dataset cards from the lineage")
    cards.add_argument("--folder", type=Path, default=Path("cards"), help="where to (cards/)")
    export = _question(commands, "export", "write passages as a data set that datasets.load_dataset reads")
    export.add_argument("folder", type=Path, help="a new one")
    which = export.add_mutually_exclusive_group()
    which.add_argument("--arm", help="just what the corpus of an arm, or of a run (raw-s1), holds, in its order")
    which.add_argument("--strategy", help="only this one (all)")


def _question(commands, name: str, summary: str):
    return terminal.question(commands, name, summary, f"closedbook.lineage.{name}")


def _add_compare(commands) -> None:
    """Two arms on the same questions: its answer is printed by rules of its own."""
    command = commands.add_parser("compare", help="how two arms differ on the same questions, and which ones flipped")
    command.add_argument("a", metavar="ARM", help="an arm, one of its runs (raw-s1), base, or an API model's score (api-NAME)")
    command.add_argument("b", metavar="ARM", help="another one")
    command.add_argument("--task", help="by default the first of scores.tasks that both were scored under")
    command.add_argument("--split", choices=("all", *SPLITS), default="all", help="of the documents, in the order of their titles")
    command.add_argument("--json", action="store_true", help="the answer as JSON")
    command.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> None:
    from closedbook import params
    from closedbook.analysis.compare import words
    from closedbook.workflow import receipts

    settings = params.load()
    scores = [path for path in receipts.results("scores") if path.suffix == ".json"]
    found = words.compare(options.a, options.b, task=options.task, split=options.split, tasks=settings.scores.tasks, scores=scores)
    terminal.show(*(terminal.as_json(found).split("\n") if options.json else words.lines(found)))
