"""Whether a world.yaml has the shape of the shipped one: the same parts, each of the same kind, and no {field} in a form that nothing fills."""

import re

FACTS = {"person": 3, "organisation": 2, "place": 1, "object": 2}
"""facts told of each subject of a kind; a person's profession is always one of them"""
FILLERS = 8
"""a book's, where each paragraph is about one person"""
FIELD = re.compile(r"\{(\w+)\}")


def problem(world, shipped: dict) -> str | None:
    """The first thing that books could not be made with, in words; None where there is none."""
    relations = world.get("relations") if isinstance(world, dict) else None
    values = world.get("values") if relations else None
    if not isinstance(relations, dict) or not isinstance(values, dict):
        return f"it must hold {', '.join(shipped)}"
    parts = (part for part in (relations, values, world.get("names")) if isinstance(part, dict))
    if unquoted := [name for part in parts for name in part if not isinstance(name, str)]:
        return f"{unquoted[0]!r} must be in quotes: YAML does not read it as text"
    pair = shipped["names"]["place"]
    like = {**shipped, "values": {name: pair if isinstance(value, dict) else "" for name, value in values.items()},
            "relations": dict.fromkeys(relations, _relation(shipped))}  # fmt: skip
    return _differs(world, like, "") or _unmatched(world) or _too_few(world)


def _relation(shipped: dict) -> dict:
    """What each relation must have, its forms with all fields that any shipped one has there."""
    every = shipped["relations"].values()
    return {"of": "", **{part: "\n".join(one[part] for one in every) for part in ("narrative", "discussion", "questions")}}


def _differs(part, like, where: str) -> str | None:
    if isinstance(like, dict):
        if not isinstance(part, dict):
            return f"{where or 'it'} must hold {', '.join(like)}"
        pairs = {name: f"{where}.{name}".strip(".") for name in like}
        return next(filter(None, (_differs(part.get(name), like[name], place) for name, place in pairs.items())), None)
    if isinstance(like, str):
        if not isinstance(part, str) or not all(map(str.strip, re.split(", |\n", part.strip()))):
            return f"{where} must be text, with no word or line of it empty"
        unknown = sorted(set(FIELD.findall(part)) - set(FIELD.findall(like)))
        return f"{where}: nothing fills {{{unknown[0]}}}" if unknown else None
    return None if isinstance(part, (int, float)) and 0 <= part <= 1 else f"{where} must be a number from 0 to 1"


def _unmatched(world: dict) -> str | None:
    kinds = ("person", *sorted({name for name, words in world["names"].items() if isinstance(words, dict)} | world["values"].keys()))
    for name, relation in world["relations"].items():
        if relation["of"] not in FACTS:
            return f"relations.{name}.of must be one of {', '.join(FACTS)}"
        if relation.get("value", name) not in kinds:
            return f"relations.{name}: its value must be one of {', '.join(kinds)}"
    return None


def _too_few(world: dict) -> str | None:
    for kind, number in FACTS.items():
        if sum(relation["of"] == kind for relation in world["relations"].values()) < number:
            return f"relations: {number} or more must be of {kind}"
    if len(world["fillers"].strip().splitlines()) < FILLERS:
        return f"fillers: must be {FILLERS} or more"
    return None
