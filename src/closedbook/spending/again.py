"""Asking a model again where it failed: for entity lists that fell back to spaCy, passages that were dropped, summaries that an API model did not
write, and verdicts that the judge did not give."""

from collections.abc import Iterator
from pathlib import Path

from closedbook import layout
from closedbook.llm.ledger import API_MODELS, VERDICTS, Ledger, decided, verified
from closedbook.params import API
from closedbook.records import EntityList, Passages
from closedbook.util import files
from closedbook.workflow import named, recipes
from closedbook.workflow.plan import Plan
from closedbook.workflow.receipts import FOLDER


def reopen(plan: Plan, documents: list[str]) -> list[str]:
    """Allow a new round of attempts and make the results that need it stale; returns a line for each.

    `documents`: only these, by id, path or title; none means all. Raises UserError for one that is not in the plan.
    """
    wanted, lines = list(dict.fromkeys(named.document(name, plan.documents) for name in documents) or plan.documents), []
    failures = [(document, *one) for document in wanted for one in _failures(plan, document)]
    for document, step, output, reason in [*failures, *_of_summaries(plan, wanted)]:
        with Ledger(step, document) as ledger:
            ledger.reopen()
        (FOLDER / output.relative_to(layout.RESULTS)).unlink(missing_ok=True)
        output.unlink(missing_ok=True)
        lines.append(f"{output}: {reason}")
    return [*lines, "run snakemake --cores all to ask again" if lines else "nothing fell back and nothing was dropped"]


def _of_summaries(plan: Plan, documents: list[str]) -> Iterator[tuple[str, str, Path, str]]:
    """(document, step, its result, why) for summaries and verdicts, of which a model's are one result."""
    for name in recipes.summary_names(plan.params):
        asked = [(layout.verdicts(name), VERDICTS + name, "no verdict")]
        if name.startswith(API):
            asked.append((layout.summaries(name), API_MODELS + name.removeprefix(API), "no summary"))
        for path, step, what in asked:
            reasons = _reasons(path)
            yield from ((one, step, path, f"{one}: {what}: {reasons[one]}") for one in documents if one in reasons)


def _reasons(path: Path) -> dict[str, str]:
    """By document, why a model gave nothing, where it was asked: for a summary there is a prompt then, for a verdict there are sentences."""
    rows = files.read_json(path)["summaries"] if path.exists() else []
    return {row["document"]: row["reason"] for row in rows if row["reason"] and (row.get("prompt") or row.get("sentences"))}


def _failures(plan: Plan, document: str) -> list[tuple[str, Path, str]]:
    """(step, its result, why) for what a model should have made of a document and did not."""
    failures = []
    entities = layout.entities(document)
    if plan.params.llm.model is None:
        return []
    found = EntityList.read(entities) if entities.exists() else None
    if found and found.why:
        failures.append(("entities", entities, f"fell back to {found.maker}: {found.why}"))
    segment = Ledger("entities", document).path
    if not found and segment.exists() and any(decided(record) for _, record, _ in verified(segment)):
        failures.append(("entities", entities, "asked, and no valid list given"))
    for strategy in recipes.strategies(plan.params):
        path = layout.passages(strategy, document)
        dropped = Passages.read(path).dropped if path.exists() else []
        if dropped:
            failures.append((strategy, path, f"{len(dropped)} dropped: {dropped[0]['reason']}"))
    return failures
