"""Forgetting: replay text that no corpus holds, its perplexity, and lm_eval's own tasks for base and runs alike."""

import json
import math

import pytest
import toys

from closedbook import models, params
from closedbook.analysis.compare import forgotten
from closedbook.evaluation import forgetting, harness
from closedbook.sources.replay import Replay
from closedbook.util import files
from closedbook.util.errors import UserError

TEXTS = [f"{toys.SENTENCES[number % 4]} That was in the year {1900 + number}." for number in range(12)]
SETTINGS = params.Scores(tasks=["quality_closed"], cot=params.Cot(samples=1, temperature=0, max_tokens=9), forgetting=[],
                         summary_tokens=300, batch_size=4,
                         device="cpu", dtype="float32", threads=1)  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A base with twelve texts to replay."""
    folder = tmp_path_factory.mktemp("world")
    toys.base(folder / "base", replay=TEXTS)
    return folder


def replayed(world, folder, held_out, replay=None, seed=1):
    """The texts of replay that a run may read."""
    path = replay or world / "base/replay.jsonl"
    toys.replay(folder, world / "base", path=path, held_out=held_out, seed=seed)
    ids = {row["id"] for row in files.read_json_lines(folder / "replay.jsonl")}
    return {row["text"] for row in files.read_json_lines(path) if row["id"] in ids}


def held_texts(path, number, seed=1):
    return {text for _, text in Replay(path, seed, number).held_out}


def assert_held_out(texts, kept_out):
    assert not texts & kept_out, "a held-out text is in a corpus"


def test_what_is_held_out_is_in_no_corpus_and_the_check_would_see_it(world, tmp_path):
    kept_out = held_texts(world / "base/replay.jsonl", 3)
    read = replayed(world, tmp_path / "some", held_out=3)
    assert len(kept_out) == 3 and len(read) == 9
    assert_held_out(read, kept_out)
    with pytest.raises(AssertionError, match="is in a corpus"):
        assert_held_out(replayed(world, tmp_path / "all", held_out=0), kept_out)


def test_another_line_of_the_same_text_is_kept_out_too(world, tmp_path):
    path = tmp_path / "replay.jsonl"
    files.write_json_lines(path, [{"id": str(number), "text": text} for number, text in enumerate(TEXTS + TEXTS)])
    kept_out = held_texts(path, 3)
    read = replayed(world, tmp_path / "corpus", held_out=3, replay=path)
    assert_held_out(read, kept_out)
    assert read == set(TEXTS) - kept_out


def test_the_order_of_what_is_read_stays_when_some_is_held_out(world):
    whole = [row["id"] for row, _ in Replay(world / "base/replay.jsonl", 1, 0).rows()]
    part = Replay(world / "base/replay.jsonl", 1, 4)
    assert [row["id"] for row, _ in part.rows()] == whole[:8] and [row["id"] for row, _ in part.held_out] == whole[8:]
    assert held_texts(world / "base/replay.jsonl", 4, seed=2) != held_texts(world / "base/replay.jsonl", 4)


def test_more_than_there_is_can_not_be_held_out(world, tmp_path):
    with pytest.raises(UserError, match=r"corpora\.replay\.held_out: 12 texts .* holds 12: .*held_out: 0"):
        replayed(world, tmp_path, held_out=12)


def run_of(world, folder, sha256):
    """A run's folder with the base's weights."""
    models.model(world / "base", "float32").save_pretrained(folder)
    models.tokenizer(world / "base").save_pretrained(folder)
    files.write_json(folder / "run.json", {"held_out_sha256": sha256, "base": {"end_of_text_id": 0}})
    return folder


def test_perplexity_is_that_of_the_model_itself(world):
    import torch

    replay = Replay(world / "base/replay.jsonl", 1, 3)
    measured = forgetting.measure(harness.loaded(world / "base", SETTINGS), world / "base", replay, [])
    model, tokenizer = models.model(world / "base", "float32"), models.tokenizer(world / "base")
    nats = num_tokens = 0
    for _, text in replay.held_out:
        ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text)["input_ids"]]])
        assert ids.shape[1] <= toys.CONTEXT
        with torch.no_grad():
            nats += float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
        num_tokens += ids.shape[1] - 1
    found = measured["replay"]
    assert (found["num_texts"], found["num_tokens"]) == (3, num_tokens)
    assert found["perplexity"] == pytest.approx(math.exp(nats / num_tokens), rel=1e-5)
    assert found["bits_per_byte"] == pytest.approx(nats / math.log(2) / sum(len(text) for _, text in replay.held_out), rel=1e-5)
    assert measured["tasks"] == {}


def test_a_run_whose_corpus_held_out_other_texts_is_refused(world, tmp_path):
    replay = Replay(world / "base/replay.jsonl", 1, 3)
    fits = run_of(world, tmp_path / "fits", replay.held_out_sha256)
    lm = harness.loaded(fits, SETTINGS)
    assert forgetting.measure(lm, fits, replay, [])["replay"]["num_texts"] == 3
    files.write_json(fits / "run.json", {"held_out_sha256": Replay(world / "base/replay.jsonl", 1, 2).held_out_sha256})
    with pytest.raises(UserError, match="fits: its corpus held out other texts than the last 3 of"):
        forgetting.measure(lm, fits, replay, [])


def test_a_diverged_model_is_an_error(world):
    lm = harness.loaded(world / "base", SETTINGS)
    lm.model.get_output_embeddings().weight.data.fill_(math.nan)
    with pytest.raises(UserError, match="diverged"):
        forgetting.measure(lm, world / "base", Replay(world / "base/replay.jsonl", 1, 3), [])


def test_nothing_asked_is_nothing_measured():
    assert forgetting.measure(None, None, None, []) is None


@pytest.fixture
def own_tasks(tmp_path):
    """A folder of tasks as lm_eval's own is: a file of data, and a task and a group over it."""
    rows = [{"text": f"ship {number}", "right": number % 2} for number in range(6)]
    (tmp_path / "data.json").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "ships.yaml").write_text(
        f"task: ships\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path}/data.json}}}}\ntest_split: test\n"
        "output_type: multiple_choice\ndoc_to_text: text\ndoc_to_target: right\ndoc_to_choice: [sails, sinks]\n"
    )
    (tmp_path / "fleet.yaml").write_text("group: fleet\ntask: [ships]\naggregate_metric_list: [{metric: acc}]\n")
    return tmp_path


def test_own_tasks_are_scored_as_lm_eval_does(world, own_tasks):
    lm = harness.loaded(world / "base", SETTINGS)
    measured = forgetting.measure(lm, world / "base", None, ["ships", "fleet"], include_path=own_tasks)
    assert measured["replay"] is None and measured["tasks"].keys() == {"ships", "fleet"}
    assert measured["tasks"]["ships"]["acc"] in {number / 6 for number in range(7)} and "acc_stderr" in measured["tasks"]["ships"]
    assert measured["tasks"]["fleet"]["acc"] == measured["tasks"]["ships"]["acc"]


def test_unknown_own_task_names_the_nearest(own_tasks):
    forgetting.check_tasks(["ships", "fleet"], own_tasks)
    forgetting.check_tasks(["hellaswag", "mmlu", "mmlu_nutrition", "AraDiCE_ArabicMMLU_high_humanities_history_egy"])
    with pytest.raises(UserError, match="scores.forgetting: 'shipz' is not a task of lm_eval; did you mean ships?"):
        forgetting.check_tasks(["shipz"], own_tasks)


def score(run, nats, sha256="x"):
    """A score whose model gave these nats to texts of ten tokens each."""
    texts = [{"id": str(number), "tokens": 10, "bytes": 40, "log_likelihood": -one} for number, one in enumerate(nats)]
    replay = {"sha256": sha256, "perplexity": math.exp(sum(nats) / 10 / len(nats)), "bits_per_byte": 1.0, "texts": texts}
    return {"run": run, "arm": run, "strategy": run, "seed": 1, "forgetting": {"replay": replay, "tasks": {"hellaswag": {"acc": 0.3}}}}


def test_base_and_runs_side_by_side_by_hand():
    scores = [score("base", [10, 20]), {"run": "api-gpt"}, score("same", [10, 20]), score("worse", [15, 25])]
    base, same, worse = forgotten.rows(scores, seed=1)
    assert (base["ratio"], base["interval"], same["ratio"]) == (1.0, None, 1.0)
    assert worse["ratio"] == pytest.approx(math.exp(0.5)) and worse["interval"] == pytest.approx([math.exp(0.5)] * 2)
    assert worse["tasks"] == {"hellaswag": {"acc": 0.3}}
    assert forgotten.rows([score("base", [10]), score("worse", [15])], seed=1)[1]["interval"] is None


def test_perplexities_of_different_texts_are_not_compared():
    with pytest.raises(UserError, match="base and worse: forgetting was measured on different texts"):
        forgotten.rows([score("base", [10, 20]), score("worse", [15, 25], sha256="y")], seed=1)
