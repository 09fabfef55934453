"""Asking the model again where it failed: for entity lists that fell back to spaCy and passages that were dropped."""

from pathlib import Path

from closedbook import layout
from closedbook.llm.ledger import Ledger, decided, verified
from closedbook.records import EntityList, Passages
from closedbook.workflow import named, recipes
from closedbook.workflow.plan import Plan
from closedbook.workflow.receipts import FOLDER


def reopen(plan: Plan, documents: list[str]) -> list[str]:
    """Allow a new round of attempts and make the results that need it stale; returns a line for each.

    `documents`: only these, by id, path or title; none means all. Raises UserError for one that is not in the plan.
    """
    lines = []
    for document in dict.fromkeys(named.document(name, plan.documents) for name in documents) or plan.documents:
        for step, output, reason in _failures(plan, document):
            with Ledger(step, document) as ledger:
                ledger.reopen()
            (FOLDER / output.relative_to(layout.RESULTS)).unlink(missing_ok=True)
            output.unlink(missing_ok=True)
            lines.append(f"{output}: {reason}")
    return [*lines, "run snakemake --cores all to ask again" if lines else "nothing fell back and nothing was dropped"]


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
