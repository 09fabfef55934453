"""The questions about calls and their cost as commands."""

from pathlib import Path

from closedbook.util import terminal

GROUPS = {"strategy": "step", "document": "document", "model": "model", "day": "day"}
"""by what spending can be summed, and the account's name for it"""


def add(commands) -> None:
    """Add a parser for each question to the command line's."""
    forecast = _question(commands, "forecast", "what a run would ask of the language model, and what that and trainings take")
    forecast.add_argument("--measure", action="store_true", help="train ten steps, in a temporary folder, to know how long trainings take")
    forecast.add_argument("--beside", metavar="MODEL", help="what the same would cost with another model, by LiteLLM's name")
    spent = _question(commands, "spent", "what was asked of language models here, and what it cost")
    spent.add_argument("--by", choices=[*GROUPS], default="strategy", help="a row for each of these (strategy)")
    bakeoff = _question(commands, "bakeoff", "arms that were trained equally long: over tokens, over dollars, and which surely differ")
    bakeoff.add_argument("arms", nargs="*", metavar="ARM", help="only these (all)")
    bakeoff.add_argument("--task", help="by default the first of scores.tasks")
    bakeoff.add_argument("--price", metavar="MODEL", help="dollars as if this model, by LiteLLM's name, had been asked")
    bakeoff.add_argument("--plot", type=Path, default=Path("bakeoff.png"), metavar="FILE", help="where the picture is written to (bakeoff.png)")
    following = _question(commands, "next", "what the next dollars would bring under each strategy, and where the curve can't tell")
    following.add_argument("dollars", nargs="*", type=float, metavar="USD", help="how many (10 100 1000)")
    following.add_argument("--task", help="by default the first of scores.tasks")
    following.add_argument("--price", metavar="MODEL", help="dollars as if this model, by LiteLLM's name, had been asked")
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
