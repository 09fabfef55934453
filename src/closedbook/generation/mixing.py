"""How the strategies of an arm share its corpus: token by token, in every prefix, and what each gave.

`shares` says how many parts of the tokens come from each group of passages, which is a strategy ("qa") or one of its kinds ("spa/lesson").
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from closedbook import layout, params
from closedbook.util.errors import UserError


def grouped(name: str, pairs: Iterable[tuple[dict, str]], shares: dict[str, int]) -> dict[str, list[tuple[dict, str]]]:
    """The passages of each group, (row, text), in their order. Raises UserError for a group of the arm `name` that has none."""
    groups = {group: [] for group in shares}
    for row, text in pairs:
        kind = f"{row['strategy']}/{row['kind']}"
        groups[kind if kind in groups else row["strategy"]].append((row, text))
    for group, found in groups.items():
        if not found:
            raise UserError(f"params.yaml: arms.{name}.strategy: there is no passage of {group}: {layout.PASSAGES}/{group.split('/')[0]} says what "
                            f"was asked for and why it was dropped, and {layout.CORPORA}/{name}/rejected.jsonl what corpora.filters kept out")
    return groups


def mixed(groups: dict[str, Iterator[tuple[dict, list[int]]]], shares: dict[str, int]) -> Iterator[tuple[dict, list[int]]]:
    """The next (row, tokens) is always of the group that has given least for its share; the end is where that one has no more."""
    given = dict.fromkeys(groups, 0)
    while True:
        group = min(groups, key=lambda group: (given[group] / shares[group], group))
        found = next(groups[group], None)
        if found is None:
            return
        given[group] += len(found[1])
        yield found


def counts(kept: list[tuple[dict, int]], left_out: list[tuple[dict, int]], shares: dict[str, int]) -> dict[str, dict]:
    """{strategy: {"share", "passages", "tokens", "existing_tokens"}}: what each gave to a corpus, and has. `kept` and `left_out` hold the
    row of each passage and its tokens."""
    parts, tokens, existing = Counter(), Counter(), Counter()
    for group, share in sorted(shares.items()):
        parts[group.split("/")[0]] += share
    for row, length in kept:
        tokens[row["strategy"]] += length
    for row, length in [*kept, *left_out]:
        existing[row["strategy"]] += length
    passages = Counter(row["strategy"] for row, _ in kept)
    return {name: {"share": share / parts.total(), "passages": passages[name], "tokens": tokens[name], "existing_tokens": existing[name]}
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
