"""A takedown request, from the question (what holds a document, what is it to be without it?) to the proof that nothing is left."""

from argparse import Namespace
from pathlib import Path

from closedbook.lineage.history import History
from closedbook.lineage.takedown import certify, held, notes
from closedbook.util import tables
from closedbook.util.errors import UserError
from closedbook.workflow import dvc, leftovers, named, plan, receipts, upkeep

SHOWN = 8
"""files a remedy, for a person"""


def answer(options: Namespace) -> dict:
    """What `held.question` says; with --redact, {"redacted": paths}; with --certify, what `certify.certify` found.

    Raises UserError for an unknown document, for results that are not here, and for --redact while it is not taken out yet.
    """
    if options.redact and options.certify:
        raise UserError("--redact comes before --certify: give one of them")
    is_gone = (options.redact or options.certify) and not named.matching(options.document, named.documents())
    document = options.document if is_gone or notes.is_noted(options.document) else named.document(options.document)
    if options.redact:
        return _redacted(document)
    if options.certify:
        return certify.certify(notes.read(document))
    return held.question(History.here(), document)


def _redacted(document: str) -> dict:
    record = notes.read(document)
    found = held.origin(document)
    if found and found.is_planned:
        raise UserError(f"{document}: still among the documents: take it out of {found.path} first: closedbook impact {document} says how")
    with upkeep.hold("closedbook impact --redact"):
        planned = plan.make(write=False) if found else None
        _, holding = certify.made_with(record, History.here_if_any())
        wanted = planned and planned.receipts()
        left = [job.receipt for job in holding if wanted is None or Path(job.receipt) in wanted]
        if left:
            raise UserError(f"{left[0]}: a result still holds it: snakemake --cores all rebuilds what is left without it, then redact")
        hashes = receipts.Hashes()
        gone = _removed(record, [path for job in holding for path in (*leftovers.as_made(Path(job.receipt), hashes), Path(job.receipt))])
        if planned:
            leftovers.tell_dvc(planned)
        return {"document": document, "redacted": [*gone, *notes.redact(record)]}


def _removed(record: notes.Record, paths: list[Path]) -> list[str]:
    """Remove for good what was made with it and is not planned any more, and the names that could bring some of it back."""
    leftovers.clear()
    leftovers.remove(paths)
    names = notes.naming(record)
    for name in names:
        dvc.forget(name)
    return [*map(str, paths), *(dvc.KEPT + name for name in names)]


def lines(answer: dict) -> list[str]:
    if "redacted" in answer:
        return [*(f"struck or removed: {path}" for path in answer["redacted"]), f"{len(answer['redacted'])} struck or removed"]
    return _verdict(answer) if "broken" in answer else _told(answer)


def _verdict(answer: dict) -> list[str]:
    broken, document = answer["broken"], answer["document"]
    by_remedy = {}
    for trace in broken:
        by_remedy.setdefault(trace["remedy"], []).append(f"  {trace['file']}: {trace['why']}")
    found = [line for remedy, traces in by_remedy.items() for line in (*_some(traces), f"    {remedy}", "")]
    left = f"something of it is left in {len(broken):,}" if broken else "nothing of it is left in any"
    return [*(["Left, and what removes it:", ""] if broken else []), *found, f"{document}: {left} of {answer['files']:,} files", "",
            "Out of reach of any command here:", *(f"  {line}" for line in answer["unreachable"])]


def _some(traces: list[str]) -> list[str]:
    return traces if len(traces) <= SHOWN else [*traces[:SHOWN], f"  and {len(traces) - SHOWN} more (--json lists all)"]


def _told(answer: dict) -> list[str]:
    calls, cost = answer["calls"], answer["cost"]
    dollars = "" if not calls["calls"] else ", price unknown" if calls["cost_usd"] is None else f", ${calls['cost_usd']:,.2f}"
    seconds = "" if cost["seconds"] is None else f", {cost['seconds']:,.0f} seconds of training the last time"
    rebuilt = ", ".join(f"{count} {step}" for step, count in answer["rebuilt"].items())
    return [
        f"{answer['title']}{' by ' + answer['author'] if answer['author'] else ''}  ({answer['document']})",
        f"source   {_source(answer['source'])}",
        *(f"passages {strategy}: {_counts(kinds)}" for strategy, kinds in answer["passages"].items()),
        *([f"beside another document in {answer['beside']:,} of that one's passages"] if answer["beside"] else []),
        f"calls    {calls['calls']:,}{' to ' + ', '.join(calls['models']) if calls['calls'] else ''}{dollars}",
        "", *tables.aligned([("corpus", "its passages", "its tokens", "of"), *(_in_corpus(*one) for one in answer["corpora"].items())]),
        "", *tables.aligned([("run", "tokens read of it", "of", "model (SHA-256)"), *(_in_run(*one) for one in answer["runs"].items())],
                            left=(0, 3)),
        "", f"scores   {', '.join(answer['scores'])}",
        "", f"To be made again: {rebuilt}",
        *([f"To be removed, not planned any more: {', '.join(answer['unplanned'])}"] if answer["unplanned"] else []),
        *([f"Kept, and to be forgotten: {', '.join(answer['kept'])}"] if answer["kept"] else []),
        f"Cost: {cost['train_tokens']:,} tokens of training{seconds}; {cost['model_calls']} model calls, for the other documents' are kept",
        *(f"Note: {line}" for line in answer["consequences"]),
        "", "Commands, in this order:", *(f"  {line}" for line in answer["commands"]),
        *(f"  # {line}" for line in _meaning(answer["commands"])),
        "", f"Noted in {answer['note']}, as hashes: without this file it can't be looked for once it is gone.",
        *(["", "Not proved:", *(f"  {line}" for line in answer["unproved"])] if answer["unproved"] else []),
    ]


def _source(source: dict | None) -> str:
    if not source:
        return "not here"
    places = [f"{file}{':' + ','.join(map(str, lines)) if lines else ''}" for file, lines in source["places"].items()]
    return f"{source['kind']}: {', '.join(places) or source['path']}, document {source['number']} of {source['documents']}"


def _in_corpus(name: str, one: dict) -> tuple[str, ...]:
    return name, f"{one['passages']:,}", f"{one['tokens']:,}", f"{one['corpus_tokens']:,}"


def _in_run(name: str, run: dict) -> tuple[str, ...]:
    return name, f"{run['tokens_read']:,}", f"{run['train_tokens']:,}", tables.text(run["model_sha256"])


def _counts(kinds: dict[str, int]) -> str:
    return f"{sum(kinds.values()):,} ({', '.join(f'{count:,} {kind}' for kind, count in kinds.items())})"


def _meaning(commands: list[str]) -> list[str]:
    removed = "--redact also removes for good its results that are not planned any more, and the names under which some were kept"
    if "dvc gc --workspace" not in commands:
        return [removed]
    return [removed,
            "dvc gc --workspace drops every older version of every result from the local cache, not only this document's: git's history",
            "and closedbook restore then name results that can't be brought back here, those of other documents among them (closedbook",
            "restore lists the names). What was pushed to a remote before stays there, with this document."]
