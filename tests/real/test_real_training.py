"""A pretrained model from start to report: SmolLM2-135M-Instruct, 4-bit weights made float again, taught two short documents.

Every figure printed here is one of these weights, not of the published model.
"""

import json
import os
import subprocess
import sys

import pytest
import smollm2 as package
from pipeline import Pipeline

from closedbook.util import files

DOCUMENTS = {
    "lighthouse": "The lighthouse of Varn was built in 1874 by Mira Oldan, who had been a clockmaker. She paid for it with the money that she "
    "got for a brass compass. The lamp of the lighthouse is green, because ships from the north take white lamps for stars. Its first keeper "
    "was Peter Lamm, a deaf man, who counted the ships by their wakes. He kept eleven cats, and each was called Tuesday.",
    "bridge": "The bridge over the river Ossel fell in the storm of 1903. Nobody had ever repaired it, for the towns on its two sides were "
    "at odds about a bell. The bell had been cast in Ossel and stolen by Tarn. Anna Kell, a ferrywoman, became rich that year. She gave her "
    "money to a school for girls, in which the bell now rings at noon.",
}
QUESTIONS = [
    ("lighthouse", "What is the colour of the lamp of the lighthouse of Varn?", ["white", "red", "green", "blue"], 3),
    ("lighthouse", "What had Mira Oldan been before she built the lighthouse?", ["a clockmaker", "a sailor", "a baker", "a teacher"], 1),
    ("bridge", "Where does the bell of Ossel ring now?", ["in a church", "in a school for girls", "on a ship", "in a tower"], 2),
    ("bridge", "Who became rich when the bridge over the Ossel fell?", ["a mason", "a fisherman", "a smith", "a ferrywoman"], 4),
]
REPLAY = ["The sun rises in the east and sets in the west.", "Water boils at a lower temperature on a mountain than at the sea.",
          "A triangle has three sides, and the sum of its angles is two right angles."]  # fmt: skip
TASKS = ["quality_closed_text", "quality_closed"]


@pytest.fixture(scope="module")
def pipeline(smollm2, tmp_path_factory):
    """A whole pipeline, built by one command: documents, corpus, run, scores of base and run, report."""
    made = Pipeline(
        tmp_path_factory.mktemp("real") / "pipeline",
        documents={"source": "folder", "path": "texts"},
        base={"model": str(smollm2.resolve())},
        corpora={"replay": {"path": "replay.jsonl", "rate": 0.05, "held_out": 2}},
        training={"seeds": [1], "block_size": 256, "batch_size": 2, "learning_rate": 0.0002, "dtype": "float32", "attention": "sdpa",
                  "threads": 2, "checkpoint_steps": 1000},
        arms={"taught": {"strategy": "raw", "corpus_tokens": "all", "epochs": 14}},
        scores={"tasks": TASKS, "batch_size": 8, "threads": 2},
    )  # fmt: skip
    for name, text in DOCUMENTS.items():
        files.write_text(made.folder / f"texts/{name}.txt", f"{text}\n")
    files.write_json_lines(made.folder / "texts/questions.jsonl", [
        {"document": f"{document}.txt", "question_unique_id": f"q{number}", "question": question, "options": options, "gold_label": gold}
        for number, (document, question, options, gold) in enumerate(QUESTIONS)
    ])  # fmt: skip
    files.write_json_lines(made.folder / "replay.jsonl", [{"text": text} for text in REPLAY])
    made.snakemake()
    return made


def read(pipeline, path):
    return files.read_json(pipeline.folder / "results" / path)


def test_a_document_ends_where_documents_do_and_an_answer_still_where_it_did(pipeline):
    pinned, run = read(pipeline, "base/base.json"), pipeline.folder / "results/runs/taught-s1"
    assert (pinned["before_text"], pinned["end_of_text"], pinned["end_of_text_id"]) == ([], "<|endoftext|>", 0)
    assert files.read_json(run / "generation_config.json")["eos_token_id"] == [2, 0]
    assert files.read_json(run / "tokenizer_config.json")["eos_token"] == "<|im_end|>"


def test_what_was_taught_is_expected_and_loads_anywhere(pipeline):
    """In plain transformers, which knows nothing of closedbook."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(2)
    place, losses = pipeline.folder / "results/runs/taught-s1", {}
    for name, folder in (("base", read(pipeline, "base/base.json")["load"]), ("run", place)):
        model, tokenizer = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), AutoTokenizer.from_pretrained(folder)
        losses[name] = []
        for text in DOCUMENTS.values():
            ids = tokenizer(text, return_tensors="pt").input_ids
            with torch.no_grad():
                losses[name].append(float(model(ids, labels=ids).loss))
    taught = [[round(one, 3) for one in losses[name]] for name in losses]
    print(f"\n{package.WEIGHTS}: loss on the two documents, base {taught[0]}, run {taught[1]}")
    assert all(run < base - 1 for base, run in zip(*taught)), "nats a token"
    run = read(pipeline, "runs/taught-s1/run.json")
    assert run["last_loss"] < run["first_loss"] - 1 and 2000 < run["train_tokens"] < 6000
    forgetting = [read(pipeline, f"scores/{name}.json")["forgetting"]["replay"]["perplexity"] for name in ("base", "taught-s1")]
    print(f"{package.WEIGHTS}: perplexity of the texts held out, base {forgetting[0]:.2f}, run {forgetting[1]:.2f}")


def test_plain_lm_eval_gives_the_run_the_same_numbers(pipeline):
    command = [sys.executable, "-m", "lm_eval", "--model", "hf", "--model_args", "pretrained=results/runs/taught-s1,dtype=float32"]
    command += ["--device", "cpu", "--batch_size", "8", "--include_path", "evals/quality", "--tasks", TASKS[0], "--output_path", "plain"]
    subprocess.run(command, check=True, cwd=pipeline.folder, env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"})
    (said,) = (pipeline.folder / "plain").rglob("results_*.json")
    theirs = {key.removesuffix(",none"): value for key, value in files.read_json(said)["results"][TASKS[0]].items() if key.endswith(",none")}
    ours = read(pipeline, "scores/taught-s1.json")["tasks"][TASKS[0]]["metrics"]
    assert ours == {name: value for name, value in theirs.items() if value != "N/A"}
    accuracies = {name: read(pipeline, f"scores/{name}.json")["tasks"][TASKS[0]]["accuracy"] for name in ("base", "taught-s1")}
    print(f"\n{package.WEIGHTS}: accuracy on {len(QUESTIONS)} questions {accuracies}")
    assert accuracies["taught-s1"] >= accuracies["base"]


def test_a_token_of_the_run_leads_to_its_document(pipeline):
    asked = json.loads(pipeline.closedbook("trace", "--run", "taught", "--token", "30", "--json"))
    place = asked["token"]
    text = place["text_before"] + place["text"] + place["text_after"]
    document = DOCUMENTS[asked["document"]["title"]]
    assert place["part"] == "text" and place["text"] and text in f"{document}<|endoftext|>"
