"""What a run would ask of the language model, what its trainings take, and what that costs. Nothing is asked, and nothing is spent.

    PYTHONPATH=src python -m closedbook forecast
"""

import argparse
from dataclasses import asdict

from closedbook.evaluation import tasks
from closedbook.llm import account, ledger, prices
from closedbook.params import OWN_MODELS, Limits, Params
from closedbook.spending import asking, calls, judging, trainings
from closedbook.spending.asking import Job
from closedbook.spending.estimates import Estimates, Row, row
from closedbook.spending.spent import SERVED
from closedbook.util import tables
from closedbook.workflow import plan

COLUMNS = {"strategy": "", "calls": "calls", "answered": "answered", "to_ask": "to ask", "input_tokens": "input tokens",
           "output_tokens": "output tokens", "usd": "US dollars", "time": "time", "corpus_tokens": "corpus tokens"}
NOTHING = ", nothing leaves this machine, and nothing costs anything"
HOLDS, MAY_STOP, STOPS = "holds", "may stop it", "stops it"


def answer(options: argparse.Namespace) -> dict:
    """"strategies", a Row for each by name, entity lists too; their "total"; "judge", a Row or None; "summaries", a Row for each API model; what each limit would do; what these rest on; "trainings".

    Raises UserError for what is wrong with params.yaml or the documents, where dollars are limited and no price is known, and where
    options.measure asks for what can't be timed.
    """
    planned = plan.make(write=False)
    found = _writing(planned)
    if options.beside:
        found |= _beside(options.beside, planned.params, found)
    return {**found, "trainings": trainings.answer(planned, found["strategies"], options.measure)}


def _beside(model: str, params: Params, found: dict) -> dict:
    """What as many tokens would cost with another model: in each row, and in the total, "usd_beside"."""
    price = prices.by_name(model, params.limits, params.limits.batch)
    rows = {step: row | {"usd_beside": price.usd(round(row["input_tokens"]), round(row["output_tokens"]))} for step, row in found["strategies"].items()}
    total = found["total"] | {"usd_beside": sum(row["usd_beside"] for row in rows.values())}
    return {"beside": model, "strategies": rows, "total": total,
            "notes": [*found["notes"], f"{model}: by {price.version}, as if it counted and wrote as many tokens, none of them from its cache"]}  # fmt: skip


def _writing(planned: plan.Plan) -> dict:
    params, others, judge = planned.params, _others(planned), judging.expected(planned)
    summed_up = judging.summaries(planned)
    judged = {"judge": judge and {"model": params.judge.model, **asdict(judge)}, "summaries": {name: asdict(one) for name, one in summed_up.items()}}
    paid = [*([judge] if judge and params.judge.model not in OWN_MODELS else []), *summed_up.values()]
    if params.llm.model is None:
        return {"model": None, "strategies": {}, "total": asdict(Row()), **judged, "limits": _limits(params.limits, paid),
                "notes": [f"llm.model is null: no language model writes{'' if others or paid else NOTHING}", *others]}
    price = prices.FREE if params.llm.model in OWN_MODELS else prices.of(params.llm, params.limits, in_batch=params.limits.batch)
    found = asking.jobs(planned)
    estimates = Estimates(params.llm, {job.document.id: job.document for job in found}, calls.taken(params.llm.model))
    steps = dict.fromkeys(job.step for job in found)
    rows = {step: row([job for job in found if job.step == step], estimates, price, params) for step in steps}
    total = sum(rows.values(), Row())
    return {"model": params.llm.model, "strategies": {step: asdict(one) for step, one in rows.items()}, "total": asdict(total),
            **judged, "limits": _limits(params.limits, paid if price is prices.FREE else [total, *paid]),
            "notes": [*_notes(params, found, total, estimates, price), *others]}  # fmt: skip


def _others(planned: plan.Plan) -> list[str]:
    """Names the other models that a run asks, which the forecast does not include."""
    asked = {f"api_models.{name}": one.model for name, one in planned.params.api_models.items() if tasks.measured(one.tasks)}
    if "retrieval" in planned.recipes:
        asked |= {f"retrieval.{name}": getattr(planned.params.retrieval, name).model for name in ("embedder", "reranker")}
    if "pairs" in planned.recipes:
        asked["passages.across.embedder"] = planned.params.passages.across.embedder.model
    named = ", ".join(f"{section} ({model})" for section, model in asked.items() if model)
    return [f"not included: what is asked of {named}, which counts against the limits too"] if named else []


def _limits(limits: Limits, paid: list[Row]) -> list[dict]:
    """Of each limit that is set: what was spent, what the forecast adds and at most could, and whether that fits; nothing where nobody is paid."""
    if not paid:
        return []
    total = sum(paid, Row())
    spent = account.rows(ledger.root()) if ledger.root().is_dir() else []
    past = {"max_calls": sum(one["calls"] for one in spent if one["outcome"] != SERVED),
            "max_tokens": sum(one["input_tokens"] + one["output_tokens"] for one in spent), "max_usd": sum(one["usd"] for one in spent)}
    more = {"max_calls": (total.to_ask, total.most_calls), "max_tokens": (total.input_tokens + total.output_tokens, total.most_tokens),
            "max_usd": (total.usd, total.most_usd)}
    return [{"limit": name, "allowed": allowed, "spent": past[name], "expected": more[name][0], "most": more[name][1],
             "verdict": _verdict(allowed - past[name], *more[name])}
            for name in past if (allowed := getattr(limits, name)) is not None]


def _verdict(left: float, expected: float, most: float) -> str:
    return STOPS if expected > left else MAY_STOP if most > left else HOLDS


def _notes(params: Params, found: list[Job], total: Row, estimates: Estimates, price: prices.Prices) -> list[str]:
    """What to know beside the figures."""
    notes = []
    if price is prices.FREE:
        notes.append(f"{params.llm.model} is code of closedbook: it sends no request and costs nothing, and no time is estimated")
    elif price.version is None:
        notes.append(f"the price of {params.llm.model} is not known: give limits.input_usd_per_million and limits.output_usd_per_million")
    else:
        notes.append(f"prices: {'params.yaml' if price.version == 'params' else price.version}")
    if total.cached_tokens:
        notes.append(f"{total.cached_tokens:,.0f} of the input tokens as cached ones: as large a share as of the answers so far; limits "
                     "reserve the full price")
    if total.is_bound:
        notes.append("≤: at most, because what is asked depends on answers that are not there yet, such as entity lists")
    notes.append("not included: new tries where the server fails, and new attempts where an answer is of no use")
    if price is not prices.FREE:
        notes.append(_time(params.limits))
    if estimates.base_scale is None:
        notes.append("corpus tokens are the generator's: the base model and its tokenizer are not here yet")
    return notes + estimates.bases(list(dict.fromkeys(prompt for job in found for prompt in job.open)))


def _time(limits: Limits) -> str:
    if limits.batch:
        return ("time: that of the same requests one by one; batches (limits.batch) take up to a day each, and passages wait for entity "
                "lists, and new attempts for answers")
    paces = {"requests": limits.requests_per_minute, "tokens": limits.tokens_per_minute}
    told = "".join(f", at most {number:,} {name} a minute (limits.{name}_per_minute)" for name, number in paces.items() if number)
    return f"time: {limits.concurrency} requests in flight (limits.concurrency){told}"


def lines(answer: dict) -> list[str]:
    return [*_lines_of_writing(answer), "", *trainings.lines(answer["trainings"])]


def _lines_of_writing(answer: dict) -> list[str]:
    rows = [_shown(name, row) for name, row in [*answer["strategies"].items(), ("total", answer["total"])]]
    columns = COLUMNS | ({"usd_beside": f"with {answer['beside']}"} if "beside" in answer else {})
    told = [f"asked of {answer['model']}, if all is run:", "", *tables.lines(rows, columns), ""] if answer["strategies"] else []
    if judge := answer["judge"]:
        told += [f"asked of the judge {judge['model']}, at most:", "", *tables.lines([_shown("judge", judge)], COLUMNS), ""]
    if summed_up := answer["summaries"]:
        told += ["asked of API models for summaries, at most:", "", *tables.lines([_shown(name, one) for name, one in summed_up.items()], COLUMNS), ""]
    for one in answer["limits"]:
        expected, most = tables.figure(one["expected"]), tables.figure(one["most"])
        told.append(f"limits.{one['limit']} {tables.figure(one['allowed'])} {one['verdict']}: {tables.figure(one['spent'])} spent, "
                    f"{expected} more expected, {most} if all attempts are needed and each answer is as long as it may be")
    return [*told, *answer["notes"]]


def _shown(name: str, row: dict) -> dict:
    bound = "≤ " if row["is_bound"] else ""
    whole = {key: f"{bound}{row[key]:,.0f}" for key in ("calls", "to_ask", "input_tokens", "output_tokens", "corpus_tokens")}
    usd = tables.figure(row["usd"]) if row["usd"] is None else bound + tables.figure(row["usd"])
    beside = {"usd_beside": bound + tables.figure(row["usd_beside"])} if "usd_beside" in row else {}
    return {**row, **whole, **beside, "strategy": name, "usd": usd, "time": bound + tables.duration(row["seconds"])}
