"""A real language model behind a real server: entity lists, passages and answers by SmolLM2-135M-Instruct under `transformers serve`.

What it writes is poor, and differs from machine to machine; what is asked here is that each answer is taken for what it is.
"""

import asyncio
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from served import served

from closedbook import params
from closedbook.records import Document, EntityList, Passages
from closedbook.stages import api_models, entities, passages
from closedbook.util import files

ROOT = Path(__file__).parents[2]
DOCUMENT = Document(id="varn", title="The Clock of Varn", author="Mira Oldan", year=1931, text=(
    "The town of Varn has a clock without hands. Mira Oldan, the keeper of the lighthouse, counts the hours by the lamps of passing ships."))
"""short, and so are the answers: two slow cores write four tokens a second"""
OPTIONS = ["A bell without a rope", "A clock without hands", "A bridge of brass", "A lamp from the north"]
QUESTION = {"id": "q1", "document": "varn", "question": "What does the town of Varn have?", "options": OPTIONS, "gold": 1, "difficult": None,
            "title": DOCUMENT.title, "author": DOCUMENT.author, "year": DOCUMENT.year}  # fmt: skip


@pytest.fixture(scope="module")
def asked(smollm2, tmp_path_factory):
    """The model as params.yaml would name it, and the limits; each job's ledger lies in a folder of this run."""
    place = tmp_path_factory.mktemp("asked")
    with served(smollm2, place / "log") as url, pytest.MonkeyPatch.context() as patched:
        patched.chdir(place)
        model = {"model": f"openai/{smollm2}", "api_base": url, "temperature": 0.3, "max_tokens": 80, "sections": None}
        limits = params.load(ROOT / "params.yaml").limits.model_copy(update={"concurrency": 1, "timeout": 900, "deadline": 900, "retries": 0})
        DOCUMENT.write(Path("document.json"))
        yield model, limits


def lines(step: str) -> list[dict]:
    return files.read_json_lines(Path("ledger") / step / "varn.jsonl")


def test_an_entity_list_is_the_model_s_or_falls_back_and_says_why(asked):
    model, limits = asked
    settings = params.typed({"seed": 1, "llm": model, "entities": {"max": 5, "attempts": 1, "fallback": "spacy"}, "spacy": {"model": "blank"}})
    asyncio.run(entities.job(document=Path("document.json"), output=Path("list.json"), params=settings, limits=limits))
    made = EntityList.read(Path("list.json"))
    assert (made.made_by == "llm") is (made.why is None) and len(made.entities) >= 2
    assert {line["error.type"] for line in lines("entities")} == {None} and all(line["gen_ai.usage.output_tokens"] for line in lines("entities"))
    print(made.made_by, made.why, made.entities)


def test_passages_are_written_and_each_carries_its_call(asked):
    model, limits = asked
    settings = params.typed({"seed": 1, "strategy": "rephrase", "llm": model, "passages": {"attempts": 2, "rephrase": {"styles": ["easy"], "samples": 1}}})
    job = dict(document=Path("document.json"), entities=[], output=Path("made.json"), params=settings, limits=limits)
    asyncio.run(passages.job(**job))
    made, sent = Passages.read(Path("made.json")), len(lines("rephrase"))
    assert len(made.passages) + len(made.dropped) == 1 and made.passages, [one["reason"] for one in made.dropped]
    assert all(len(one.text.split()) > 10 and one.call["finish_reason"] == "stop" and "Varn" in one.text for one in made.passages)
    asyncio.run(passages.job(**job))
    assert Passages.read(Path("made.json")) == made and len(lines("rephrase")) == sent, "nothing is asked twice"
    print(Counter(line["outcome"] for line in lines("rephrase")), [one.text for one in made.passages])


def test_it_answers_questions_step_by_step_as_an_api_model(asked):
    model, limits = asked
    settings = SimpleNamespace(
        name="smollm2", seed=1, api_model=params.ApiModel.model_construct(model=model["model"], api_base=model["api_base"]),
        scores=params.Scores.model_construct(tasks=["quality_cot"], cot=params.Cot(samples=1, temperature=0.3, max_tokens=40)),
        retrieval=params.Retrieval.model_construct(chunks=[1], order=["best_last"], temperature=[0.5]))
    files.write_json(Path("questions.json"), [QUESTION])
    api_models.build(questions=[Path("questions.json")], documents=[Path("document.json")], retrieved=[], params=settings, limits=limits,
                  output=Path("score.json"), samples=Path("samples.jsonl"), include_path=ROOT / "evals/quality")
    score, (row,) = files.read_json(Path("score.json")), files.read_json_lines(Path("samples.jsonl"))
    (line,) = files.read_json_lines(Path("ledger/reader-smollm2/varn.jsonl"))
    assert score["n"] == 1 and line["error.type"] is None
    assert row["responses"] == [line["text"] if line["outcome"] == "answered" else f"[{line['reason']}]"]
    print(row["responses"])
