"""closedbook compare: two arms on the same questions, for a person or, with --json, for a program."""

import argparse

from closedbook.evaluation.splits import SPLITS
from closedbook.util import terminal


def add(commands) -> None:
    """Add the command's parser to the command line's."""
    command = commands.add_parser("compare", help="how two arms differ on the same questions, and which ones flipped")
    command.add_argument("a", metavar="ARM", help="an arm, base, or an API model's score (api-NAME)")
    command.add_argument("b", metavar="ARM", help="another one")
    command.add_argument("--task", help="by default the first of scores.tasks that both were scored under")
    command.add_argument("--split", choices=("all", *SPLITS), default="all", help="of the documents, in the order of their titles")
    command.add_argument("--json", action="store_true", help="the answer as JSON")
    command.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> None:
    from closedbook import params
    from closedbook.analysis.compare import named, words
    from closedbook.workflow import receipts

    settings = params.load()
    scores = [path for path in receipts.results("scores") if path.suffix == ".json"]
    found = named.compare(options.a, options.b, task=options.task, split=options.split, tasks=settings.scores.tasks, scores=scores)
    terminal.show(*(terminal.as_json(found).split("\n") if options.json else words.lines(found)))
