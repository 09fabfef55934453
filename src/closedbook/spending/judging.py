"""What a run would ask of the judge and for summaries of API models, found without asking. The judge's: verdicts on a sample of passages, and on
summaries that are not written yet."""

import json
from collections import Counter
from dataclasses import replace

from closedbook import layout
from closedbook.evaluation import summarising, tasks
from closedbook.llm import prices
from closedbook.params import API, OWN_MODELS, Llm, Params
from closedbook.sources import Article
from closedbook.spending import calls
from closedbook.spending.asking import Job
from closedbook.spending.estimates import ANSWER_TOKENS, Estimates, Row, row
from closedbook.stages import judgements, verdicts
from closedbook.stages.documents import document_of
from closedbook.workflow import recipes, upkeep
from closedbook.workflow.plan import Plan
from closedbook.workflow.snakemake import Graph


def expected(planned: Plan) -> Row | None:
    """The most that is asked, whatever of it the ledger will turn out to hold; None where there is no judge."""
    params = planned.params
    if params.judge.model is None:
        return None
    beside, due = {verdicts.PROMPT: params.scores.summary_tokens, judgements.PROMPT: ANSWER_TOKENS}, _due(planned)
    found = [job for step in (_judgements, _verdicts) for job in step(planned, due)]
    judge = Llm.model_construct(**params.judge.model_dump(exclude={"passages", "attempts"}), sections=None)
    steps = dict.fromkeys(job.step for job in found)
    return sum((_row([job for job in found if job.step == step], judge, beside, params) for step in steps), Row())


def summaries(planned: Plan) -> dict[str, Row]:
    """The same of each API model that sums documents up: it is shown none, and is asked once for a kind and document."""
    params, found = planned.params, {}
    asked = {name: one for name, one in params.api_models.items() if tasks.SUMMARY in one.tasks}
    due = _due(planned) if asked else set()
    for name, one in asked.items():
        if f"summaries/{API}{name}" in due:
            jobs = [_job("summaries", planned, document, prompt, 1) for document in planned.documents for prompt in summarising.CHAT]
            for job in jobs:
                job.document = replace(job.document, text="")
            model = Llm.model_construct(model=one.model, api_base=one.api_base, max_tokens=params.scores.summary_tokens, sections=None)
            found[name] = _row(jobs, model, {}, params)
    return found


def _row(jobs: list[Job], model: Llm, beside: dict[str, int], params: Params) -> Row:
    price = prices.FREE if model.model in OWN_MODELS else prices.of(model, params.limits, in_batch=params.limits.batch)
    estimates = Estimates(model, {job.document.id: job.document for job in jobs}, calls.taken(model.model), beside)
    return row(jobs, estimates, price, params)


def _due(planned: Plan) -> set[str]:
    """The jobs that must run, or may have to once others have."""
    reasons = upkeep.check(planned)
    return Graph(planned.jobs).due(name for name, job in planned.jobs.items() if reasons[job.receipt])


def _judgements(planned: Plan, due: set[str]) -> list[Job]:
    """So many of each strategy, in turn from each document: as judgements.sample does, where there are enough passages."""
    strategies = recipes.judged_strategies(planned.params) if "judgements/judgements" in due else []
    names, number = list(planned.documents), planned.params.judge.passages * len(strategies)
    shares = Counter(names[place % len(names)] for place in range(number))
    return [_job("judgements", planned, document, judgements.PROMPT, share) for document, share in shares.items()]


def _verdicts(planned: Plan, due: set[str]) -> list[Job]:
    """Of each model one summary of a kind and document; of people as many as there are."""
    asked = Counter()
    for name in due:
        place, _, who = name.partition("/")
        for document in planned.recipes[planned.jobs[name].recipe]["documents"] if place == "verdicts" else []:
            asked[document] += len(_article(planned, document).summaries) if who == recipes.HUMAN else len(summarising.KINDS)
    return [_job("verdicts", planned, document, verdicts.PROMPT, number) for document, number in asked.items()]


def _job(step: str, planned: Plan, document: str, prompt: str, number: int) -> Job:
    return Job(step=step, document=document_of(_article(planned, document)), is_made=False, is_bound=True, open=Counter({prompt: number}))


def _article(planned: Plan, document: str) -> Article:
    return Article.from_dict(json.loads(planned.written[layout.source(document)]))
