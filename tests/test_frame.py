"""The tokens around a text: the same in training and in scoring, whatever the base's tokenizer sets there; and where a document ends."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import toys
from tokenizers import processors

from closedbook import models, params
from closedbook.evaluation import forgetting, harness
from closedbook.evaluation.shown import Shown
from closedbook.models import frame
from closedbook.sources.replay import Replay
from closedbook.stages import base
from closedbook.util import files
from closedbook.util.errors import UserError

EOS, BOS, MASK = 0, 350, 351
TOKENS = [("<eos>", EOS), ("<bos>", BOS), ("[gMASK]", MASK)]
TEXT = "Mira Oldan sold the brass compass to a captain"
SCORES = params.Scores(tasks=["quality_closed"], cot=params.Cot(samples=1, temperature=0, max_tokens=9), forgetting=[],
                       summary_tokens=300, batch_size=2,
                       device="cpu", dtype="float32", threads=1)  # fmt: skip


def template(single: str):
    return processors.TemplateProcessing(single=single, pair=f"{single} $B:1", special_tokens=TOKENS)


KINDS = {
    "nothing": (None, []),
    "BOS": (processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<bos> $A")]), [BOS]),
    "EOS": (template("$A <eos>"), []),
    "both": (processors.BertProcessing(("<eos>", EOS), ("<bos>", BOS)), [BOS]),
    "two by a template": (template("[gMASK] <bos> $A"), [MASK, BOS]),
    "all by a template": (template("[gMASK] <bos> $A <eos> <eos>"), [MASK, BOS]),
}
"""post-processors, and the ids that each sets before a text"""


def tokenizer(processor=None, special=("<bos>", "[gMASK]"), eos="<eos>", chat=None):
    made = toys.tokenizer()
    made.add_special_tokens({"bos_token": "<bos>", "eos_token": eos, "extra_special_tokens": [*special]})
    if processor is not None:
        made.backend_tokenizer.post_processor = processor
    made.chat_template = chat
    return made


def run_of(tmp_path, made):
    """A base with this tokenizer, pinned; a corpus of TEXT; and the folder of a run as plain lm_eval finds it: what they say of TEXT."""
    made.save_pretrained(tmp_path / "model")
    toys.model(len(made)).save_pretrained(tmp_path / "model")
    settings = SimpleNamespace(base=params.Base(model=str(tmp_path / "model"), revision=None, end_of_text=None), training=toys.TRAINING, letters=False, linear=[])
    base.build(params=settings, sources=[], folder=tmp_path / "base", place=tmp_path / "base", checkpoints=tmp_path / "checkpoints")
    texts = [f"{TEXT} in {number}." for number in range(9)]
    files.write_json_lines(tmp_path / "base/replay.jsonl", [{"text": text} for text in texts])
    toys.tokens(tmp_path, tmp_path / "base", [toys.passages(tmp_path, "lamp", [TEXT])])
    toys.replay(tmp_path / "replay", tmp_path / "base", held_out=2)
    run = tmp_path / "run"
    models.model(tmp_path / "base", "float32").save_pretrained(run)
    models.tokenizer(tmp_path / "base").save_pretrained(run)
    held_out = Replay(tmp_path / "base/replay.jsonl", 1, 2)
    files.write_json(run / "run.json", {"base": files.read_json(tmp_path / "base/base.json"), "held_out_sha256": held_out.held_out_sha256})
    return run, held_out


def sent(lm, ask) -> list[list[int]]:
    """The rows of ids that the model is given while it is asked."""
    rows, call = [], lm._model_call
    lm._model_call = lambda inputs, **rest: rows.extend(inputs.tolist()) or call(inputs, **rest)
    ask(lm)
    return rows


def asked(kind, *arguments):
    from lm_eval.api.instance import Instance

    return [Instance(request_type=kind, doc={}, arguments=arguments, idx=0)]


@pytest.mark.parametrize("kind", KINDS)
def test_what_precedes_a_text_in_training_precedes_it_in_scoring(tmp_path, kind):
    from lm_eval.models.huggingface import HFLM

    processor, before = KINDS[kind]
    run, held_out = run_of(tmp_path, tokenizer(processor))
    learnt = np.load(tmp_path / "tokens/entigraph/lamp.npy").tolist()
    spelled = models.tokenizer(run).encode(TEXT, add_special_tokens=False)
    assert learnt == [*before, *spelled, EOS], "the end stands there once"
    offsets, replayed = np.load(tmp_path / "replay/offsets.npy"), np.load(tmp_path / "replay/tokens.npy").tolist()
    assert replayed[: len(before)] == before and replayed[offsets[1] - 1] == EOS

    prompt, option = TEXT[:-8], TEXT[-8:]
    for lm in (harness.loaded(run, SCORES), HFLM(pretrained=str(run), dtype="float32", device="cpu", batch_size=2)):
        likelihood = sent(lm, lambda lm: lm.loglikelihood(asked("loglikelihood", prompt, option), disable_tqdm=True))
        assert [*likelihood[0], spelled[-1]] == learnt[:-1]
        assert lm.tok_batch_encode([TEXT])[0].tolist() == [learnt[:-1]], "what a model writes after"

    lm = harness.loaded(run, SCORES)
    rolled = sent(lm, lambda lm: lm.loglikelihood_rolling(asked("loglikelihood_rolling", TEXT)))
    assert [*rolled[0], spelled[-1]] == [*(before or [EOS]), *spelled], "without any, the end of the text before"
    counted = forgetting.measure(lm, run, held_out, [])["replay"]
    assert counted["num_tokens"] == sum(len(models.tokenizer(run).encode(text, add_special_tokens=False)) for _, text in held_out.held_out)


@pytest.mark.parametrize("kind", ["BOS", "two by a template"])
def test_what_stands_before_a_text_is_not_counted_as_text(tmp_path, kind):
    import torch

    processor, before = KINDS[kind]
    run, held_out = run_of(tmp_path, tokenizer(processor))
    measured = forgetting.measure(harness.loaded(run, SCORES), run, held_out, [])["replay"]
    model, spelling = models.model(run, "float32"), models.tokenizer(run)
    for row, (_, text) in zip(measured["texts"], held_out.held_out, strict=True):
        ids = torch.tensor([[*before, *spelling.encode(text, add_special_tokens=False)]])
        with torch.no_grad():
            likely = model(ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[len(before) - 1 :]
        assert row["log_likelihood"] == pytest.approx(float(likely.sum()), rel=1e-5)


def test_without_such_tokens_the_values_are_lm_evals_own_to_the_last_digit(tmp_path):
    from lm_eval.models.huggingface import HFLM

    run, _ = run_of(tmp_path, toys.tokenizer())
    model, spelling = models.model(run, "float32"), models.tokenizer(run)
    requests = [one for number in (0, 1, 3, 40) for one in asked("loglikelihood_rolling", f"{TEXT} {number} " * number)]
    theirs = HFLM(pretrained=model, tokenizer=spelling, batch_size=2).loglikelihood_rolling(requests, disable_tqdm=True)
    assert Shown(before=[EOS], pretrained=model, tokenizer=spelling, batch_size=2).loglikelihood_rolling(requests) == theirs
    assert theirs[0] == 0 and theirs[3] < theirs[2] < theirs[1], "nothing, and texts of several windows"


def test_a_tokenizer_that_does_more_than_that_is_refused():
    twice = tokenizer(template("$A <bos> $A"))
    with pytest.raises(UserError, match="base.model: the tokenizer of .* does more to a text than set tokens before and after it"):
        frame.around(twice)


CHAT = "{% for message in messages %}<|turn|>{{ message.content }}{}{% endfor %}"
ENDS = {
    "Llama 3": ("<|end_of_text|>", ["<|eot_id|>"], None, "<|end_of_text|>"),
    "Llama 3 Instruct": ("<|eot_id|>", ["<|end_of_text|>", "<|eom_id|>"], "<|eot_id|>", "<|end_of_text|>"),
    "Qwen": ("<|endoftext|>", ["<|im_start|>", "<|im_end|>"], "<|im_end|>", "<|endoftext|>"),
    "Qwen Instruct": ("<|im_end|>", ["<|endoftext|>", "<|im_start|>"], "<|im_end|>", "<|endoftext|>"),
    "Gemma": ("<eos>", ["<end_of_turn>"], None, "<eos>"),
    "Gemma IT": ("<eos>", ["<end_of_turn>"], "<end_of_turn>", "<eos>"),
    "SmolLM2 Instruct": ("<|im_end|>", ["<|endoftext|>", "<|im_start|>"], "<|im_end|>", "<|endoftext|>"),
    "SmolLM2 Instruct, template lost": ("<|im_end|>", ["<|endoftext|>", "<|im_start|>"], None, "<|endoftext|>"),
    "Mistral Instruct": ("</s>", ["[INST]"], "</s>", "</s>"),
    "ChatML over Mistral": ("<|im_end|>", ["</s>"], "<|im_end|>", "</s>"),
    "a turn's end of one's own": ("<|fin|>", ["</s>"], "<|fin|>", "</s>"),
    "a document's end of one's own": ("<|fin|>", ["</s>"], None, "<|fin|>"),
    "no other": ("<|im_end|>", ["<|im_start|>"], "<|im_end|>", "<|im_end|>"),
}
"""eos_token, other special tokens, what a chat template writes after a turn (None: there is no template), and the end of a document"""


@pytest.mark.parametrize("model", ENDS)
def test_the_end_of_text_is_a_documents_and_not_a_turns(model):
    eos, special, after_turn, end = ENDS[model]
    made = tokenizer(special=special, eos=eos, chat=after_turn and CHAT.replace("{}", after_turn))
    made.backend_tokenizer.post_processor = None
    if "<eos>" not in (eos, *special):  # toys' own, which real vocabularies of this kind lack
        made = without(made, "<eos>")
    assert frame.end_of_text(made, None) == (end, made.convert_tokens_to_ids(end))
    assert frame.end_of_text(made, special[0]) == (special[0], made.convert_tokens_to_ids(special[0])), "whatever else is asked for"


def without(made, token):
    """The tokenizer with this special token under another name."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    text = made.backend_tokenizer.to_str().replace(f'"{token}"', '"<unused>"')
    other = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(text), eos_token=made.eos_token)
    other.chat_template = made.chat_template
    return other


@pytest.mark.parametrize("wanted", ["<|eos|>", "lamp", "ee", ""])
def test_an_end_of_text_that_is_no_special_token_is_refused(wanted):
    with pytest.raises(UserError, match=rf"base\.end_of_text: {re.escape(repr(wanted))} is not one special token of .*: give one .*<bos>"):
        frame.end_of_text(tokenizer(), wanted)
