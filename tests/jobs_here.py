"""The jobs of a plan up to its passages, one after the other in this process, with what Snakemake's rules give them."""

from pathlib import Path

from closedbook.freshness import jobs, plan, receipts, upkeep
from closedbook.steps import STEPS
from closedbook.strategies import STRATEGIES

STAGES = ("documents", "entities", "passages")


def make(planned: plan.Plan) -> None:
    for stage in STAGES:
        for receipt in planned.receipts():
            if upkeep.stage_of(receipt) == stage:
                jobs.run(STEPS[stage], _options(stage, receipt))


def _options(stage: str, receipt: Path) -> dict:
    document = receipt.stem
    recipe = receipts.WORK / "recipes" / f"{stage}.json"
    options = {"receipt": receipt, "recipe": recipe, "document": Path(f"results/documents/{document}.json")}
    if stage == "documents":
        source = receipts.WORK / "sources" / f"{document}.json"
        return options | {"source": source, "questions": Path(f"results/questions/{document}.json")}
    if stage == "entities":
        return options | {"output": Path(f"results/entities/{document}.json")}
    strategy = receipt.parent.name
    lists = [Path(f"results/entities/{document}.json")] if STRATEGIES[strategy].NEEDS_ENTITIES else []
    return options | {"recipe": receipts.WORK / "recipes/passages" / f"{strategy}.json", "entities": lists, "strategy": strategy,
                      "output": Path(f"results/passages/{strategy}/{document}.json")}  # fmt: skip
