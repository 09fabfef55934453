"""The questions about calls and their cost as commands."""

from closedbook.util import terminal

GROUPS = {"strategy": "step", "document": "document", "model": "model", "day": "day"}
"""by what spending can be summed, and the account's name for it"""


def add(commands) -> None:
    """Add a parser for each question to the command line's."""
    forecast = _question(commands, "forecast", "what a run would ask of the language model, and what that and trainings take")
    forecast.add_argument("--measure", action="store_true", help="train ten steps, in a temporary folder, to know how long trainings take")
    spent = _question(commands, "spent", "what was asked of language models here, and what it cost")
    spent.add_argument("--by", choices=[*GROUPS], default="strategy", help="a row for each of these (strategy)")
    asks = commands.add_parser("asks", help="what is not answered yet: to files, for any engine, and its answers back")
    of_asks = asks.add_subparsers(required=True, metavar="COMMAND")
    export = terminal.question(of_asks, "export", "write it as OpenAI's batch files", "closedbook.spending.asks", prefix="export_")
    export.add_argument("folder", help="to be made, with a file for each 50,000 requests or 200 MB")
    taken = terminal.question(of_asks, "import", "check answers, and put them on the ledger", "closedbook.spending.asks", prefix="import_")
    taken.add_argument("files", nargs="+", metavar="FILE", help="of answers, by whichever engine; their names and order do not matter")
    ledger = commands.add_parser("ledger", help="what the ledger holds, and whether it was changed")
    of_it = ledger.add_subparsers(required=True, metavar="COMMAND")
    _of_ledger(of_it, "verify", "does each line follow from the one before, and each stored text from its name?")
    _of_ledger(of_it, "stats", "records, bytes, answers and failures, tokens and times")
    show = _of_ledger(of_it, "show", "one call: what was sent, what came back")
    show.add_argument("id", help="its key, or the first digits of it")


def _question(commands, name: str, summary: str):
    return terminal.question(commands, name, summary, f"closedbook.spending.{name}")


def _of_ledger(commands, name: str, summary: str):
    return terminal.question(commands, name, summary, "closedbook.spending.kept", prefix=f"{name}_")
