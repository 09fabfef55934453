"""What the ledger holds, one call of it, and whether any of it was changed since it was written."""

import argparse
import json
import re
import time
from collections import Counter
from pathlib import Path

from closedbook.llm import ledger
from closedbook.llm.answers import CACHED
from closedbook.llm.ledger import ANSWERED, QUARANTINED
from closedbook.spending import calls
from closedbook.util import files, tables
from closedbook.util.errors import UserError

MOST_REASONS = 10
SUMS = ("lines", "bytes", "reopened", "redacted", "input_tokens", "cached_tokens", "output_tokens", "usd", "unpriced", "timed", "seconds",
        "answers")
SHORTEST = 6
"""digits of a key"""
KEYS_LISTED = 5
BROKEN_SHOWN = 20


def stats_answer(options: argparse.Namespace) -> dict:
    """Sums over all lines, and how many there are by outcome, reason, model, prompt and day.

    Raises UserError where there is no ledger.
    """
    segments, texts = calls.segments(), list((ledger.root() / "texts").glob("*.txt"))
    totals, groups = Counter(), {}
    for sums, found in calls.over(_summed, segments):
        totals.update(sums)
        for name, counts in found.items():
            groups.setdefault(name, Counter()).update(counts)
    about = {"segments": len(segments), "texts": len(texts), "text_bytes": sum(path.stat().st_size for path in texts)}
    return {**about, **{name: totals[name] for name in SUMS}, **{name: dict(counts.most_common()) for name, counts in groups.items()}}


def _summed(path: Path) -> tuple[Counter, dict[str, Counter]]:
    sums, groups = Counter(bytes=path.stat().st_size), {name: Counter() for name in ("outcomes", "reasons", "models", "prompts", "days")}
    for line in calls.lines(path):
        sums["lines"] += 1
        if "reopened" in line:
            sums["reopened"] += 1
            continue
        if "outcome" not in line:  # from before every try was a line
            groups["outcomes"]["of an older form"] += 1
            continue
        outcome = line["outcome"]
        sums["redacted"] += "messages" not in line
        sums["answers"] += outcome in (ANSWERED, QUARANTINED)
        sums["timed"] += outcome in (ANSWERED, QUARANTINED) and line["seconds"] is not None
        sums["seconds"] += (line["seconds"] or 0) if outcome in (ANSWERED, QUARANTINED) else 0
        sums["input_tokens"] += line["gen_ai.usage.input_tokens"] or 0
        sums["cached_tokens"] += line.get(CACHED) or 0
        sums["output_tokens"] += line["gen_ai.usage.output_tokens"] or 0
        sums["usd"] += line["cost_usd"] or 0
        sums["unpriced"] += outcome in (ANSWERED, QUARANTINED) and line["cost_usd"] is None
        groups["outcomes"][outcome] += 1
        groups["reasons"][line["reason"] or line["error.type"] or "none"] += outcome != ANSWERED
        groups["models"][line["request"]["gen_ai.request.model"]] += 1
        groups["prompts"][line["prompt"]] += 1
        groups["days"][time.strftime("%Y-%m-%d", time.gmtime(line["time"]))] += 1
    return sums, groups


def stats_lines(answer: dict) -> list[str]:
    figure = tables.figure
    mean = answer["seconds"] / answer["timed"] if answer["timed"] else 0.0
    told = [f"{figure(answer['lines'])} lines in {figure(answer['segments'])} segments ({answer['bytes'] / 1e6:,.1f} MB), "
            f"{figure(answer['texts'])} stored texts ({answer['text_bytes'] / 1e6:,.1f} MB)",
            f"{figure(answer['redacted'])} with their texts struck out, {figure(answer['reopened'])} that allow new attempts",
            f"{figure(answer['input_tokens'])} input tokens ({figure(answer['cached_tokens'])} of them cached) and "
            f"{figure(answer['output_tokens'])} output tokens, {mean:.1f} s per answer",
            f"{figure(float(answer['usd']))} US dollars ({figure(answer['unpriced'])} answers without a price)"]
    for name in ("outcomes", "models", "prompts", "days", "reasons"):
        counts = [(key, number) for key, number in answer.get(name, {}).items() if number]
        more = f", and {len(counts) - MOST_REASONS} more" if len(counts) > MOST_REASONS else ""
        told += [f"{name}: {', '.join(f'{key} {figure(number)}' for key, number in counts[:MOST_REASONS])}{more}"] if counts else []
    return told


def show_answer(options: argparse.Namespace) -> dict:
    """The record of the one call whose key begins with options.id, and which files hold the texts that its messages have marks for.

    Raises UserError where no key begins so, where several do, and for what can't be a key.
    """
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},64}}", options.id):
        raise UserError(f"{options.id}: not the key of a call: give at least {SHORTEST} of its hexadecimal digits")
    found = [one for segment in calls.segments() for one in _lines(segment, options.id)]
    if not found:
        raise UserError(f"{options.id}: no call in {ledger.root()} has a key that begins so: each passage and entity list names its call's")
    if len(keys := sorted({record["key"] for _, _, record in found})) > 1:
        raise UserError(f"{options.id}: {len(keys)} keys begin so, as {', '.join(keys[:KEYS_LISTED])}: give more of it")
    segment, number, record = found[-1]
    texts = {mark: str(ledger.root() / "texts" / f"{sha256}.txt") for mark, sha256 in _marks(record)}
    return {"file": str(segment), "line": number, "step": segment.parent.name, "document": segment.stem,
            "is_redacted": "text_sha256" in record, "texts": texts, "record": record}


def _lines(segment: Path, beginning: str):
    """(segment, line number, record) of each call whose key begins so; lines are only searched until one is found."""
    data = segment.read_bytes()
    for match in re.finditer(rb'"key": "' + beginning.encode(), data):
        begin, end = data.rfind(b"\n", 0, match.start()) + 1, data.find(b"\n", match.end())
        record = json.loads(data[begin:end]) if end != -1 else {}
        if record.get("key", "").startswith(beginning):
            yield segment, data.count(b"\n", 0, begin) + 1, record


def _marks(record: dict) -> list[tuple[str, str]]:
    found = [match for message in record.get("messages", []) for match in ledger.STORED.finditer(message["content"].encode())]
    return [(match[0].decode(), match[1].decode()) for match in found]


def _flat(record: dict) -> dict:
    """Under the ledger's own names, which people search for."""
    parts = [value if isinstance(value, dict) else {name: value} for name, value in record.items()]
    return {name: value for part in parts for name, value in part.items()}


def show_lines(answer: dict) -> list[str]:
    record = answer["record"]
    told = [f"{answer['file']}:{answer['line']}, {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(record['time']))} UTC", ""]
    plain = {name: value for name, value in _flat(record).items() if name not in ("messages", "text")}
    told += tables.aligned([(name, json.dumps(value, ensure_ascii=False)) for name, value in plain.items()], left=(0, 1))
    if answer["is_redacted"]:
        return [*told, "", "its texts were struck out: what was sent and answered is gone, but for its hashes"]
    for message in record["messages"]:
        content = message["content"]
        for mark, path in answer["texts"].items():
            content = content.replace(mark, f"[document {answer['document']}'s text: {path}]")
        told += ["", f"--- {message['role']}", *content.splitlines()]
    return [*told, "", "--- answer", *record.get("text", "none").splitlines()]


def verify_answer(options: argparse.Namespace) -> dict:
    """How much was read, and what is "broken" ({"file", "line", "problem"}). Raises UserError where there is no ledger."""
    segments = calls.segments()
    checked = list(calls.over(_verified, segments))
    texts = sorted((ledger.root() / "texts").glob("*.txt"))
    named = {sha256 for _, _, its in checked for sha256 in its}
    broken = [problem for _, problems, _ in checked for problem in problems]
    broken += [{"file": str(path), "line": None, "problem": "does not hash to its name: it was edited"}
               for path in texts if files.sha256_file(path) != path.stem]
    broken += [{"file": str(ledger.root() / "texts" / f"{sha256}.txt"), "line": None, "problem": "is gone, and calls name it"}
               for sha256 in sorted(named - {path.stem for path in texts})]
    return {"segments": len(segments), "lines": sum(number for number, _, _ in checked), "texts": len(texts), "broken": broken}


def _verified(path: Path) -> tuple[int, list[dict], set[str]]:
    """How many lines a segment has, what is wrong with which of them, and which stored texts they name."""
    checked = [(number, problem) for number, _, problem in ledger.verified(path)]
    broken = [{"file": str(path), "line": number, "problem": problem} for number, problem in checked if problem]
    return len(checked), broken, ledger.stored_texts(path)


def verify_lines(answer: dict) -> list[str]:
    broken = answer["broken"]
    held = f"{answer['lines']:,} lines in {answer['segments']:,} segments and {answer['texts']:,} texts"
    told = [f"{held}: {len(broken) or 'nothing'} broken"]
    told += [f"broken: {one['file']}{':' + str(one['line']) if one['line'] else ''}: {one['problem']}" for one in broken[:BROKEN_SHOWN]]
    return told + ([f"and {len(broken) - BROKEN_SHOWN:,} more: --json lists all"] if len(broken) > BROKEN_SHOWN else [])
