"""What an assistant knows, has forgotten and does as told, beside the run that it was made from and the base."""


def rows(scores: list[dict]) -> list[dict]:
    """One per assistant and seed, in the order given: {"assistant", "seed", "method", "strength" (None where there is none), "models": base, run and
    assistant, each {"run", "accuracy": {task: {"accuracy", "stderr"}}, "perplexity" (of replay text; None where it was not measured),
    "instructions": {task: {"metric", "value"}}}, "part": of the questions, "all", or "test" where the strength was chosen on the validation
    questions}. `scores` hold those of the base and of the runs."""
    by_run = {score["run"]: score for score in scores}
    return [
        {"assistant": score["arm"], "seed": score["seed"], "method": score["of"]["method"], "strength": score["of"]["strength"], "part": part,
         "models": [_measured(by_run[name], part) for name in ("base", score["of"]["run"], score["run"])]}
        for score in scores if "of" in score for part in ["test" if score["of"]["is_chosen"] else "all"]
    ]  # fmt: skip


def _measured(score: dict, part: str) -> dict:
    replay = (score.get("forgetting") or {}).get("replay")
    return {
        "run": score["run"],
        "accuracy": {task: {name: found.get(part, found)[name] for name in ("accuracy", "stderr")} for task, found in score["tasks"].items()},
        "perplexity": replay and replay["perplexity"],
        "instructions": {task: {name: found[name] for name in ("metric", "value")} for task, found in score.get("instructions", {}).items()},
    }  # fmt: skip
