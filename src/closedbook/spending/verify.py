"""Was the ledger changed since it was written? Every chain is followed, every stored text hashed."""

import argparse
from pathlib import Path

from closedbook.llm import ledger
from closedbook.spending import calls
from closedbook.util import files

SHOWN = 20


def answer(options: argparse.Namespace) -> dict:
    """How much was read, and what is "broken" ({"file", "line", "problem"}). Raises UserError where there is no ledger."""
    segments = calls.segments()
    checked = list(calls.over(_segment, segments))
    texts = sorted((ledger.root() / "texts").glob("*.txt"))
    named = {sha256 for _, _, its in checked for sha256 in its}
    broken = [problem for _, problems, _ in checked for problem in problems]
    broken += [{"file": str(path), "line": None, "problem": "does not hash to its name: it was edited"}
               for path in texts if files.sha256_file(path) != path.stem]
    broken += [{"file": str(ledger.root() / "texts" / f"{sha256}.txt"), "line": None, "problem": "is gone, and calls name it"}
               for sha256 in sorted(named - {path.stem for path in texts})]
    return {"segments": len(segments), "lines": sum(number for number, _, _ in checked), "texts": len(texts), "broken": broken}


def _segment(path: Path) -> tuple[int, list[dict], set[str]]:
    """How many lines a segment has, what is wrong with which of them, and which stored texts they name."""
    checked = [(number, problem) for number, _, problem in ledger.verified(path)]
    broken = [{"file": str(path), "line": number, "problem": problem} for number, problem in checked if problem]
    return len(checked), broken, ledger.stored_texts(path)


def lines(answer: dict) -> list[str]:
    broken = answer["broken"]
    held = f"{answer['lines']:,} lines in {answer['segments']:,} segments and {answer['texts']:,} texts"
    told = [f"{held}: {len(broken) or 'nothing'} broken"]
    told += [f"broken: {one['file']}{':' + str(one['line']) if one['line'] else ''}: {one['problem']}" for one in broken[:SHOWN]]
    return told + ([f"and {len(broken) - SHOWN:,} more: --json lists all"] if len(broken) > SHOWN else [])
