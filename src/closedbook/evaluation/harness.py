"""lm-evaluation-harness at work: tasks loaded and checked before any of them runs, then each scored on its own."""

import itertools
import logging
import math
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from closedbook import models
from closedbook.evaluation import summaries, tasks
from closedbook.models import chat, frame
from closedbook.params import Scores
from closedbook.util import seeds, terminal
from closedbook.util.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Form:
    """A task under one choice of its settings, ready to run."""

    task: object
    """lm_eval's"""
    settings: dict
    """which chunks are shown, how responses are sampled: what the summary says beside the figures"""


def evaluate(lm, model: Path, params: SimpleNamespace, where: dict, include_path: Path) -> dict[str, tuple[dict, list[dict]]]:
    """{task: (summary, answers)} of the model in a folder, `loaded`, in the order asked for; `where` lie questions, documents and chunks."""
    return measure(lm, params, _metadata(lm, model, where), include_path, what=str(model))


def validation(lm, model: Path, params: SimpleNamespace, where: dict, include_path: Path, field: str) -> dict:
    """{"task", "accuracy", "stderr", "n"} of the first task, on the validation questions alone. Raises UserError, which names `field` of
    params.yaml, where there are none."""
    name, what = params.scores.tasks[0], str(model)
    form, *_ = _forms(name, params, _metadata(lm, model, where), include_path, what)
    _check_requests(form.task, lm, what)
    if not (only := _validation(form.task)):
        raise UserError(f"params.yaml: {field}: which of several is best is chosen on the validation questions, and fewer than five documents have "
                        "questions: give one value")  # fmt: skip
    summary, _ = _scored(lm, form, what, only)
    return {"task": name, **{figure: summary[figure] for figure in ("accuracy", "stderr", "n")}}


def _metadata(lm, model: Path, where: dict) -> dict:
    """What tasks are told of the model, and `where` questions, documents and chunks lie."""
    name, revision = models.source(model)
    found = where | {"pretrained": name, "revision": revision, "max_length": lm.max_length}
    if lm.is_chat:
        prompt = "A prompt"
        alone, around = (len(lm.tok_encode(text, add_special_tokens=False)) for text in (prompt, lm.apply_chat_template([{"role": "user", "content": prompt}])))
        found["template_tokens"] = around - alone
    return found


def loaded(model: Path, settings: Scores):
    """The model in a folder as lm_eval's."""
    import torch

    from closedbook.evaluation.shown import Shown

    _quiet()
    torch.set_num_threads(settings.threads)
    models.check_device(settings.device, "scores.device")
    tokenizer = models.tokenizer(model)
    lead = None
    if models.is_assistant(model):
        tokenizer.chat_template = chat.on_a_day(tokenizer.chat_template)
        lead = chat.lead(tokenizer)
    loaded = models.model(model, settings.dtype).to(settings.device)
    before = frame.around(tokenizer)[0] or [models.pinned(model)["end_of_text_id"]]  # in training it is the end of the text before
    return Shown(before=before, lead=lead, pretrained=loaded, tokenizer=tokenizer, batch_size=settings.batch_size)


def _quiet() -> None:
    logging.getLogger("lm_eval").setLevel(logging.ERROR)  # its warnings here are all about what is meant, as acc_hard's smaller n


def measure(lm, params: SimpleNamespace, metadata: dict, include_path: Path, what: str) -> dict[str, tuple[dict, list[dict]]]:
    """{task: (summary, answers)} of any model of lm_eval's; `metadata` is what `lm_eval --metadata` takes, `what` names it in errors."""
    _quiet()
    forms = {name: _forms(name, params, metadata, include_path, what) for name in params.scores.tasks}
    for several in forms.values():
        _check_choice(several)
        for form in several:
            _check_requests(form.task, lm, what)
    scored = {}
    for name, several in forms.items():  # one at a time: the last digits depend on the batch, so a task's would on the tasks beside it
        terminal.show(f"{what}: {len(several[0].task.eval_docs):,} questions under {name}")
        scored[name] = _best(lm, several, what)
    return scored


def _forms(name: str, params: SimpleNamespace, metadata: dict, include_path: Path, what: str) -> list[Form]:
    """The task under each choice of how many chunks are shown, in which order, and at which temperature; mostly there is but one."""
    sampling, metadata, tried = {}, metadata | {}, {}
    if tasks.answers_in_words(name):
        sampling = params.scores.cot.model_dump() | {"torch_seed": seeds.derive(params.seed, "scores", name)}
        metadata["answer_tokens"] = params.scores.cot.max_tokens
    if tasks.shows_chunks(name):
        tried = {"chunks": params.retrieval.chunks, "order": params.retrieval.order}
        tried |= {"temperature": params.retrieval.temperature} if sampling else {}
    choices = [dict(zip(tried, values)) for values in itertools.product(*tried.values())]
    return [Form(task=_task(name, metadata | choice, sampling and sampling | choice, include_path, what), settings=sampling | choice)
            for choice in choices]


def _task(name: str, metadata: dict, sampling: dict, include_path: Path, what: str):
    from lm_eval.tasks import TaskManager

    try:
        task = TaskManager(include_path=str(include_path), include_defaults=False, metadata=metadata).load([name])["tasks"][name]
    except ValueError as error:  # of evals/quality/utils.py: it knows nothing of UserError
        raise UserError(f"{what}: {name}: {error}") from error
    if sampling:
        task.set_config("repeats", sampling["samples"])
        given = {"temperature": sampling["temperature"], "max_gen_toks": sampling["max_tokens"], "do_sample": sampling["temperature"] > 0}
        task.set_config("generation_kwargs", given, update=True)
    return task


def _check_requests(task, lm, what: str) -> None:
    """Prompt and choice must fit the context, or lm_eval cuts them from the left; a letter must be one token, as the task means it."""
    if task.OUTPUT_TYPE == "generate_until":
        return  # evals/quality/utils.py has counted these
    task.build_all_requests(apply_chat_template=lm.is_chat, chat_template=lm.apply_chat_template if lm.is_chat else None)
    for request in task.instances:
        prompt, choice = request.args
        num_tokens = len(lm.tok_encode(prompt + lm.lead + choice))
        if num_tokens - 1 > lm.max_length:  # the last token is predicted, never read
            raise UserError(
                f"{what}: question {request.doc['id']} needs {num_tokens - 1} tokens under {task.task_name}, and the model's context"
                f" holds {lm.max_length}: take a base.model with a longer context, or leave {task.task_name} out of scores.tasks"
            )
        num_choice = num_tokens - len(lm.tok_encode(prompt))
        if tasks.compares_letters(task.task_name) and num_choice != 1:
            raise UserError(
                f"{what}: its tokenizer makes {num_choice} tokens of the letter {choice!r}, and {task.task_name} compares letters of"
                f" one token: leave {task.task_name} out of scores.tasks, or take another base.model"
            )


def _check_choice(forms: list[Form]) -> None:
    if len(forms) > 1 and not _validation(forms[0].task):
        raise UserError(f"{forms[0].task.task_name}: what retrieval gives several values of (chunks, order, temperature) is chosen on the"
                        " validation questions, and fewer than five documents have none: give one value of each")


def _validation(task) -> list[int]:
    return [number for number, doc in enumerate(task.eval_docs) if doc["split"] == "validation"]


def _best(lm, forms: list[Form], what: str) -> tuple[dict, list[dict]]:
    """A task's summary and answers, under the settings that did best on the validation questions where there are several."""
    if len(forms) == 1:
        return _scored(lm, forms[0], what)
    tried = [_scored(lm, form, what, _validation(form.task))[0] for form in forms]
    best = max(range(len(forms)), key=lambda number: tried[number]["accuracy"])  # of equals the first
    summary, answers = _scored(lm, forms[best], what)
    grid = [form.settings | {name: one[name] for name in ("accuracy", "stderr", "n")} for form, one in zip(forms, tried, strict=True)]
    return summary | {"grid": grid}, answers


def _scored(lm, form: Form, what: str, only: list[int] | None = None) -> tuple[dict, list[dict]]:
    import torch
    from lm_eval import evaluate

    if "torch_seed" in form.settings:
        torch.manual_seed(form.settings["torch_seed"])  # transformers samples from the one global generator
    name = form.task.task_name
    results = evaluate(lm, {"tasks": {name: form.task}}, samples={name: only} if only else None, apply_chat_template=lm.is_chat)
    summary, answers = summaries.of(form.task, results)
    for answer in answers:
        _check_finite(answer, what)
    return summary | form.settings, answers


def _check_finite(answer: dict, what: str) -> None:
    if not all(map(math.isfinite, answer["log_likelihoods"] or [])):
        raise UserError(
            f"{what}: question {answer['id']}: log-likelihoods {answer['log_likelihoods']} are not all numbers: the training has"
            " diverged; lower training.learning_rate and train again"
        )
