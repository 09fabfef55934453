"""The ledger: its chains, the texts of documents, and the calls that entity lists and passages carry."""

from collections.abc import Iterator
from pathlib import Path

from closedbook import layout
from closedbook.lineage.checks.state import Break, Digests, State
from closedbook.llm import ledger
from closedbook.params import API
from closedbook.records import carrying

JUDGEMENTS = f"{layout.JUDGEMENTS}/judgements.json"
CARRYING = (f"{layout.ENTITIES}/*.json", f"{layout.PASSAGES}/*/*.json", JUDGEMENTS)
"""results that carry calls"""


def of_ledger(state: State, digests: Digests) -> Iterator[Break | str]:
    folder = ledger.root()
    if not folder.is_dir():
        yield f"no {folder}/ here: whether passages carry the answers that were given was not asked"
        return
    answers: dict[Path, dict[str, set[str]]] = {}
    for segment in sorted(folder.glob("*/*.jsonl")):
        yield from _segment(state, segment, answers.setdefault(segment, {}))
        yield from _texts(state, segment, digests)
    yield from _carried(state, digests, answers)


def _result(segment: Path) -> str:
    """What a segment's calls were made for."""
    step = segment.parent.name
    if step.startswith(ledger.API_MODELS):
        return f"{layout.SCORES}/{API}{step.removeprefix(ledger.API_MODELS)}.json"
    of_all = {"judgements": JUDGEMENTS, "retrieval": f"{layout.RETRIEVAL}/retrieval.json"}
    return of_all.get(step) or f"{layout.RESULTS}/{step if step == 'entities' else f'passages/{step}'}/{segment.stem}.json"


def _segment(state: State, segment: Path, answers: dict[str, set[str]]) -> Iterator[Break]:
    """Fills `answers`: {key: SHA-256 of what was answered}."""
    for number, record, problem in ledger.verified(segment):
        if problem:
            yield Break(file=f"{segment}:{number}", expected="a call as it was written, chained to the line before", found=problem,
                        untrusted=state.with_after([_result(segment)]))
        if "key" in record:
            answers.setdefault(record["key"], set()).add(ledger.answered(record))


def _texts(state: State, segment: Path, digests: Digests) -> Iterator[Break]:
    for sha256 in sorted(ledger.stored_texts(segment)):
        place = ledger.root() / "texts" / f"{sha256}.txt"
        if (found := digests.sha256(place)) != sha256:
            yield Break(file=str(place), expected=f"SHA-256 {sha256}, its name", found=f"SHA-256 {found}" if found else "no file",
                        untrusted=state.with_after([_result(segment)]))


def _carried(state: State, digests: Digests, answers: dict[Path, dict[str, set[str]]]) -> Iterator[Break | str]:
    elsewhere = set()
    for path in [path for kind in CARRYING for path in state.results(kind)]:
        record = state.read(path, digests) or {}
        for one in [one for one in carrying(record) if one.get("call")]:
            call = one["call"]
            step = "entities" if call["prompt"] == "entities" else Path(path).parent.name  # a summary carries the call of its entity list
            segment = ledger.root() / step / f"{one['document']}.jsonl"
            found = answers.get(segment, {}).get(call["key"], set())
            if segment not in answers:
                elsewhere.add(path)
            elif call["response_sha256"] not in found:
                yield Break(file=path, expected=f"call {call['key']} in {segment}, answered with SHA-256 {call['response_sha256']}",
                            found=f"an answer with SHA-256 {min(found)}" if found else "no such call: a line of the ledger is gone",
                            untrusted=state.with_after([path]))
    if elsewhere:
        yield f"no segment of the ledger here for the calls in {len(elsewhere)} entity lists, passage files and judgements: they were made elsewhere"

