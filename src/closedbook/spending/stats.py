"""What the whole ledger holds."""

import argparse
import time
from collections import Counter
from pathlib import Path

from closedbook.llm import ledger
from closedbook.llm.answers import CACHED
from closedbook.llm.ledger import ANSWERED, QUARANTINED
from closedbook.spending import calls
from closedbook.util import tables

MOST_REASONS = 10
SUMS = ("lines", "bytes", "reopened", "redacted", "input_tokens", "cached_tokens", "output_tokens", "usd", "unpriced", "seconds", "answers")


def answer(options: argparse.Namespace) -> dict:
    """Sums over all lines, and how many there are by outcome, reason, model, prompt and day.

    Raises UserError where there is no ledger.
    """
    segments, texts = calls.segments(), list((ledger.root() / "texts").glob("*.txt"))
    totals, groups = Counter(), {}
    for sums, found in calls.over(_segment, segments):
        totals.update(sums)
        for name, counts in found.items():
            groups.setdefault(name, Counter()).update(counts)
    about = {"segments": len(segments), "texts": len(texts), "text_bytes": sum(path.stat().st_size for path in texts)}
    return {**about, **{name: totals[name] for name in SUMS}, **{name: dict(counts.most_common()) for name, counts in groups.items()}}


def _segment(path: Path) -> tuple[Counter, dict[str, Counter]]:
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
        sums["seconds"] += line["seconds"] if outcome in (ANSWERED, QUARANTINED) else 0
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


def lines(answer: dict) -> list[str]:
    figure = tables.figure
    mean = answer["seconds"] / answer["answers"] if answer["answers"] else 0.0
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
