"""How the strategies of an arm share its corpus: token by token, in every prefix, and what each gave.

`shares` says how many parts of the tokens come from each group of passages, which is a strategy ("qa") or one of its kinds ("spa/lesson").
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from closedbook import params
from closedbook.util.errors import UserError


def group_of(strategy: str, kind: str, shares: dict[str, int]) -> str:
    """The group of a passage."""
    return f"{strategy}/{kind}" if f"{strategy}/{kind}" in shares else strategy


def mixed(groups: dict[str, Iterator[tuple[int, int]]], shares: dict[str, int]) -> Iterator[tuple[int, int]]:
    """Passages as (number, tokens): the next one is always of the group that has given least for its share; the end is where that one has
    no more."""
    given = dict.fromkeys(groups, 0)
    while True:
        group = min(groups, key=lambda group: (given[group] / shares[group], group))
        found = next(groups[group], None)
        if found is None:
            return
        given[group] += found[1]
        yield found


def counts(kept: Iterable[tuple[str, int]], existing: Iterable[tuple[str, int]], shares: dict[str, int]) -> dict[str, dict]:
    """{strategy: {"share", "passages", "tokens", "existing_tokens"}}: what each gave to a corpus, and has. `kept` and `existing` hold the
    strategy of each passage and its tokens."""
    parts, tokens, passages, exist = Counter(), Counter(), Counter(), Counter()
    for group, share in sorted(shares.items()):
        parts[group.split("/")[0]] += share
    for strategy, length in kept:
        tokens[strategy] += length
        passages[strategy] += 1
    for strategy, length in existing:
        exist[strategy] += length
    return {name: {"share": share / parts.total(), "passages": passages[name], "tokens": tokens[name], "existing_tokens": exist[name]}
            for name, share in parts.items()}


def beyond(name: str, arm: params.Arm, most: int, strategies: dict[str, dict]) -> UserError:
    """The error of a budget for which a group has too little; `most`: the tokens up to which all give their shares."""
    exist = f"{most} tokens exist"
    if len(strategies) > 1:
        held = ", ".join(f"{one} has {count['existing_tokens']}" for one, count in strategies.items())
        exist += f" in these shares ({held})"
    sections = {one: params.PassageSettings.model_fields.get(one) for one in strategies}
    more = ", ".join(f"passages.{one}.{key}" for one, field in sections.items() if field for key in field.annotation.model_fields)
    return UserError(
        f"params.yaml: arms.{name}.corpus_tokens: {arm.corpus_tokens} of {arm.strategy}, but {exist}: give {most} or less, or all; "
        f"more documents (documents.limit){f' or a larger setting ({more})' if more else ''} make more tokens"
    )
