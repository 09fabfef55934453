"""The client against servers that take other settings, speak otherwise and fail otherwise than OpenAI's."""

import asyncio

import pytest
from openai_server import Server, replies, says
from test_llm import DOCUMENT, ask, limits, lines, no_pauses, settings

from closedbook import llm
from closedbook.llm import answers, errors, library, prices, refusals, requests
from closedbook.llm.ledger import Ledger
from closedbook.stages.entities import Answer, parse
from closedbook.util.errors import UserError

SINGLE = {"prompt": "single", "check": str, "first": "Mira"}
EXTRA = {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted", "input": 7}]}
REFUSED = {
    "llama-cpp-python's 500": ("response_format", 500, {"error": {"message": "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), "
                               "'msg': \"Input should be 'text' or 'json_object'\"}]", "type": "internal_server_error", "code": None}}),
    "words alone, in a 500": ("response_format", 500, {"error": {"message": "Input should be 'text' or 'json_object'"}}),
    "another name of it": ("response_format", 404, {"error": {"message": "this model does not support structured outputs"}}),
    "Google's Gemma": ("response_format", 400, {"error": {"code": 400, "message": "JSON mode is not enabled for models/gemma-3-27b-it",
                       "status": "INVALID_ARGUMENT"}}),
    "the same without its status": ("response_format", 400, {"error": {"message": "JSON mode is not enabled for models/gemma-3-27b-it"}}),
    "SiliconFlow": ("response_format", 400, {"code": 20024, "message": "Json mode is not supported for this model.", "data": None}),
    "guided decoding": ("response_format", 400, {"error": {"message": "Guided decoding is not supported"}}),
    "llama.cpp's grammar": ("response_format", 400, {"error": {"message": "Failed to parse grammar"}}),
    "FastAPI's 422": ("seed", 422, EXTRA),
    "a text as detail": ("seed", 422, {"detail": "Unexpected fields in the request: {'seed'}"}),
    "a 501": ("seed", 501, {"error": {"message": "seed is not implemented"}}),
    "the field beside the words": ("seed", 400, {"error": {"message": "a parameter of this request can't be used", "param": "seed"}}),
    "reasoning models": ("temperature", 400, {"error": {"message": "Unsupported value: 'temperature' does not support 0.5 with this model. Only "
                         "the default (1) value is supported.", "param": "temperature", "code": "unsupported_value"}}),
    "a name for another": ("max_tokens", 400, {"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
                           "'max_completion_tokens' instead.", "param": "max_tokens", "code": "unsupported_parameter"}}),
}  # fmt: skip
"""setting, status and body, as servers in use answer"""


def refusing(server, *names):
    server.refuses = {REFUSED[name][0]: REFUSED[name][1:] for name in names}
    return server


def test_the_other_name_of_max_tokens_is_not_left_out_and_its_bound_is_named(tmp_path):
    for body, words in (({"error": {"message": "Value is too large", "param": requests.RENAMED}}, "llm.max_tokens, 100, is more than"),
                        ({"detail": [{"type": "extra_forbidden", "loc": ["body", requests.RENAMED], "msg": "not permitted"}]}, "refuses the request")):
        with refusing(Server(), "a name for another") as server:
            server.refuses[requests.RENAMED] = (400, body)
            with pytest.raises(UserError, match=words):
                ask(server.url, tmp_path / words[:3])
            assert server.received == 2


def test_a_file_of_refusals_that_was_edited_says_what_it_still_says(tmp_path):
    with refusing(Server(), "reasoning models") as server:
        ask(server.url, tmp_path)
        noted = tmp_path / refusals.NAME
        noted.write_text(f"\n[1]\nbroken\n{{}}\n{noted.read_text()}")
        ask(server.url, tmp_path, **SINGLE)
        assert server.received == 3 and "temperature" not in server.requests[2]


@pytest.mark.parametrize("name", REFUSED)
def test_a_setting_that_the_server_refuses_is_left_out_once_and_said(tmp_path, name, capsys):
    setting = REFUSED[name][0]
    with refusing(Server(), name) as server:
        first = ask(server.url, tmp_path)
        ask(server.url, tmp_path, **SINGLE)
        assert server.received == 3 and setting in server.requests[0], "refused once; after that nobody asks for it"
        assert not any(setting in request for request in server.requests[1:])
        assert ("max_completion_tokens" in server.requests[1]) is (setting == "max_tokens")
    said = capsys.readouterr().err
    assert said.count(f"takes no {setting}") == 1 and server.url in said and refusals.NAME in said
    assert ask(server.url, tmp_path) == first, "with the server away the ledger answers"
    refused, answered, _ = lines(tmp_path)
    assert (refused["outcome"], refused["error.type"]) == ("retried", f"{setting}_refused") and answered["outcome"] == "answered"
    assert requests.sent(refused["request"]) - requests.sent(answered["request"]) == {setting}, "the key says what was sent"


def test_a_server_that_refuses_everything_it_can_is_asked_without_all_of_it(tmp_path):
    with refusing(Server(), "another name of it", "FastAPI's 422", "reasoning models", "a name for another") as server:
        answer, call = ask(server.url, tmp_path)
        assert server.received == 5 and set(server.requests[-1]) == {"model", "messages", "max_completion_tokens"}
    assert call.settings["seed"] is None and call.settings["temperature"] is None and ask(server.url, tmp_path) == (answer, call)


def test_what_was_answered_before_a_setting_was_refused_is_found(tmp_path):
    with Server() as server:
        before = ask(server.url, tmp_path, **SINGLE)
        refusing(server, "FastAPI's 422")
        ask(server.url, tmp_path)
        assert "seed" in refusals.Refusals(tmp_path, settings(server.url)).known()
        assert ask(server.url, tmp_path, **SINGLE) == before and server.received == 3


def test_what_one_server_refuses_another_is_asked_for(tmp_path):
    with refusing(Server(), "FastAPI's 422") as server, Server() as other:
        ask(server.url, tmp_path)
        ask(other.url, tmp_path)
        assert "seed" in other.requests[0] and other.received == 1


def test_without_a_refusal_an_answer_got_without_a_setting_is_not_taken_for_one_with_it(tmp_path):
    with Server() as server:
        ask(server.url, tmp_path, llm_changes={"temperature": None}, **SINGLE)
        assert "temperature" not in server.requests[0]
        ask(server.url, tmp_path, llm_changes={"temperature": 0.5}, **SINGLE)
        assert server.received == 2 and server.requests[1]["temperature"] == 0.5


@pytest.mark.parametrize("status, message, words", [
    (400, "the seed bank article is not supported by our policy on farming", "refuses the request"),
    (400, "temperature must be between 0 and 0.4", "refuses the request"),
    (500, "invalid seed state, out of memory", "no answer")])  # fmt: skip
def test_a_refusal_for_another_reason_is_not_taken_for_one_of_a_setting(tmp_path, monkeypatch, status, message, words):
    no_pauses(monkeypatch)
    with Server() as server:
        server.refuses = {"messages": (status, {"error": {"message": message}})}
        with pytest.raises(UserError, match=words):
            ask(server.url, tmp_path, limit_changes={"retries": 1})
        assert server.received <= 4, "bounded"
    assert not (tmp_path / refusals.NAME).exists(), "what made no difference is not remembered"


def test_a_memory_that_a_crash_cut_off_is_read_as_far_as_it_is_whole(tmp_path):
    memory = refusals.Refusals(tmp_path, settings(None))
    memory.learn(frozenset({"seed"}))
    path = tmp_path / refusals.NAME
    path.write_bytes(path.read_bytes() + b'{"model": "openai/t')
    assert memory.known() == {"seed"} and len(memory.learn(frozenset({"seed", "temperature"}))) == 1
    assert memory.known() == {"seed", "temperature"}


def test_what_litellm_does_not_send_to_a_provider_is_no_part_of_the_key_and_older_answers_are_found(tmp_path, monkeypatch):
    with Server() as server:
        before = ask(server.url, tmp_path, **SINGLE)
        monkeypatch.setattr(library, "lacks", lambda model: frozenset({"seed"}))
        ask(server.url, tmp_path)
        assert "seed" not in server.requests[1] and lines(tmp_path)[1]["request"]["gen_ai.request.seed"] is None
        assert ask(server.url, tmp_path, **SINGLE) == before and server.received == 2


def test_answers_that_older_ledgers_hold_behind_a_refused_schema_are_found(tmp_path):
    with Server() as server:
        model = settings(server.url)
        whole = requests.asked(model, 1, "entities", llm.client.prompts.messages("entities", DOCUMENT, max=5), sample=0, attempt=0, schema=Answer)
        told = {"gen_ai.response.finish_reasons": ["stop"], "gen_ai.response.model": "toy", "gen_ai.usage.input_tokens": None, "refusal": None,
                "gen_ai.usage.output_tokens": None, "cost_usd": None, "response_sha256": llm.client.prompts.files.sha256_text(LISTED)}  # fmt: skip
        with Ledger("test", DOCUMENT.id, tmp_path) as ledger:
            ledger.append({**whole, "outcome": "given up", "reason": "the provider refuses: schema_refused", "error.type": "schema_refused"})
            ledger.append({**requests.without(whole, frozenset({"response_format"})), "outcome": "answered", "error.type": None, "text": LISTED, **told})
        assert ask(server.url, tmp_path)[0].entities == ["Mira", "Varn"] and server.received == 0


LISTED = '{"summary": "All of it.", "entities": ["Mira", "Varn"]}'
PASSAGE = "The mill stands by the river."
REASONED = {
    "<think>The user wants a list.</think>\n\n{}", "Okay, a list of two. </think> {}", "<|channel|>analysis<|message|>Two.<|end|><|start|>assistant"
    "<|channel|>final<|message|>{}<|return|>", "analysisThe user wants two.assistantfinal{}", "<|im_start|>assistant\n{}<|im_end|>", "{}</s>",
    "<thinking>\nTwo.\n</thinking>{}", "[THINK]Two.[/THINK]{}", "\u25c1think\u25b7Two.\u25c1/think\u25b7{}",
    "<|start_header_id|>assistant<|end_header_id|>\n\n{}<|eot_id|>", "<start_of_turn>model\n{}<end_of_turn>\n", "<\uff5cAssistant\uff5c>{}",
    "<|channel>thought\nTwo.\n<channel|>{}", "<|channel>thought\n<channel|>{}", "{}<turn|>", "<|turn>model\n{}<turn|>",
    "<unused94>thought\nTwo.<unused95>{}", "<mm:think>Two.</mm:think>{}",
    "<analysis>Two.</analysis>\n{}", "<scratchpad>Two.</scratchpad>{}", "<reason>Two.</reason>{}",
    '<details type="reasoning" done="true">\n<summary>Thought</summary>\nTwo.\n</details>\n{}',
    "<think>Two.</think>\n<answer>\n{}\n</answer>", "<thought>\n</thought>\n\n<response>{}</response><|im_end|>",
    "<|channel|>final <|constrain|>json<|message|>{}<|return|>"}  # fmt: skip


@pytest.mark.parametrize("form", sorted(REASONED))
def test_what_a_model_thought_and_the_marks_around_its_answer_are_no_part_of_it(tmp_path, form):
    with Server({0: says(form.replace("{}", PASSAGE)), 1: says(form.replace("{}", LISTED))}) as server:
        assert ask(server.url, tmp_path, **SINGLE)[0] == PASSAGE and ask(server.url, tmp_path)[0].entities == ["Mira", "Varn"]
        assert ask(server.url, tmp_path, **SINGLE)[0] == PASSAGE and server.received == 2


UNTELLABLE = {
    "<think>The mill stands": "does not end", f"{PASSAGE} <think>Shall I go on?": "does not end",
    "<|channel|>analysis<|message|>The mill": "reasoning only", "analysisThe user wants a mill.": "reasoning only",
    "<|think_on|>a <|im_end|> b": r"holds <\|im_end\|>", f"{PASSAGE}<|im_end|>\n<|im_start|>user\nAnd now?": r"holds <\|im_end\|>",
    f"a</think>b</think>{PASSAGE}": "holds </think>", "<think>All of it.</think>": "empty: all that came is the model's reasoning",
    "<|channel>thought\nThe mill": "does not end", "<unused94>thought\nThe mill": "does not end",
    '<details type="reasoning">The mill': "does not end", "<|channel>thought\n<channel|><turn|>": "all that came is the model's reasoning",
}  # fmt: skip


@pytest.mark.parametrize("text", UNTELLABLE)
def test_where_nobody_can_tell_what_the_answer_is_it_is_asked_for_again(tmp_path, text):
    with Server({0: says(text), 1: says(PASSAGE)}) as server:
        assert ask(server.url, tmp_path, **SINGLE)[0] == PASSAGE and server.received == 2
    with pytest.raises(llm.Invalid, match=UNTELLABLE[text]):
        answers._usable(lines(tmp_path)[0], ())


@pytest.mark.parametrize("text", [
    "Messages begin with <|im_start|> and thoughts end with </think> there.", "Turns end with <turn|>, thoughts with <channel|> there.",
    "An <analysis> ends with </analysis>, an <answer> with </answer>.",
    "A thought stands between <unused94> and <unused95>, as <unused7> may."])  # fmt: skip
def test_marks_that_a_document_is_about_may_be_repeated(text):
    line = {"gen_ai.response.finish_reasons": ["stop"], "refusal": None, "text": text}
    assert answers._usable(line, (f"A text on marks. {text} And so on.",)) == text


@pytest.mark.parametrize("text", ["<details><summary>The mill</summary>It stands.</details> So it is.", "<answer>The mill.</answer>",
                                  "Where a < b the mill stands |> and b<c."])  # fmt: skip
def test_what_is_no_mark_of_reasoning_stays_in_an_answer(text):
    line = {"gen_ai.response.finish_reasons": ["stop"], "refusal": None, "text": text}
    assert answers._usable(line, ()) == text


@pytest.mark.parametrize("text", [
    "I\u2019m sorry, but I can\u2019t help with that.", "I\u2019m really sorry, but no.", "I won't write about this document.", "I will not do that.",
    "I'm not able to write this.", "I am not comfortable writing this.", "Unfortunately, I cannot assist.", "I must decline.", "As a language model, I",
    "As an AI language model, I do not", "Apologies, but this can't be done.", "This request violates our policy.", "**I'm sorry**, no.",
    "My apologies, but no.", "It would be inappropriate to write this.", "Sorry. I can not.", "I'm afraid I can't help with that.",
    "I am afraid that is not possible.", "Sorry I can\u2019t help with that request.", "Sorry \u2014 I can\u2019t do that.",
    "I don\u2019t think I can help with that.", "I do not feel comfortable writing that.", "I\u2019m just an AI and can\u2019t do that.",
    "We are sorry, but we can't.", "Regrettably, I can't help.", "I regret to inform you that I can't.", "No, I can't do that.",
    "Thank you for your request, but I can't help.", "I'm afraid that I'm not able to do it.",
    "I\u2019m afraid this isn\u2019t possible."])  # fmt: skip
def test_refusals_in_usual_words_are_reported(tmp_path, text):
    with Server({0: says(text)}) as server:
        ask(server.url, tmp_path, **SINGLE)
        assert server.received == 2 and lines(tmp_path)[0]["reason"] == "the model refused"


@pytest.mark.parametrize("text", ["Sorry tales are told of Varn.", "It is not the council that decides.", "I am the keeper of Varn.", PASSAGE,
                                  "The request was made by Mira.", "As an assistants' guild, Varn thrives.",
                                  "Sorry-looking houses line the street.",
                                  "I am afraid of storms, says the miller, and shuts the door.",
                                  "Sorry days were those, when the mill stood still.",
                                  "No, I can see it, said Anna, and she pointed at the mill.",
                                  "I am afraid that the mill will fall, Mira said.",
                                  "No apologies were made in Varn.", "I don't think the mill stands there.", "We cannot know who built it.",
                                  "I regret the day, the miller wrote.", "Thank you for your help, said Mira to the miller."])  # fmt: skip
def test_what_only_sounds_like_a_refusal_is_an_answer(tmp_path, text):
    with Server({0: says(text)}) as server:
        assert ask(server.url, tmp_path, **SINGLE)[0] == text and server.received == 1


@pytest.mark.parametrize("finish, fields, content, reason", [
    (5, {}, PASSAGE, "finish reason is '5'"), ("error", {}, PASSAGE, "finish reason is 'error'"), ("abort", {}, PASSAGE, "finish reason is 'abort'"),
    ("insufficient_system_resource", {}, PASSAGE, "finish reason is 'insufficient"), ("tool_calls", {}, PASSAGE, "finish reason is 'tool_calls'"),
    ("length", {"reasoning_content": "Hm. " * 20}, None, "before it began: the model's reasoning used them up"),
    ("length", {"reasoning": "Hm. " * 20}, "", "before it began: the model's reasoning used them up"),
    ("length", {}, "<think>Hm. Hm.", "before it began: the model's reasoning used them up"), ("length", {}, PASSAGE, "cut off at max_tokens$"),
    ("stop", {"reasoning_content": "The mill."}, "", "all that came is the model's reasoning")])  # fmt: skip
def test_an_answer_that_did_not_come_to_its_end_is_reported_as_what_it_is(tmp_path, finish, fields, content, reason):
    with Server({0: says(content, finish, **fields)}) as server:
        ask(server.url, tmp_path, **SINGLE)
        assert server.received == 2
    with pytest.raises(llm.Invalid, match=reason):
        answers._usable(lines(tmp_path)[0], ())


@pytest.mark.parametrize("finish", ["stop", "eos_token", "end_turn", "stop_sequence", "COMPLETE", None])
def test_other_words_for_a_normal_end_are_one(tmp_path, finish):
    with Server({0: says(PASSAGE, finish)}) as server:
        ask(server.url, tmp_path, **SINGLE)
        assert server.received == 1


def choices(**choice):
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "toy", "choices": [{"index": 0, "finish_reason": "stop", **choice}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}}  # fmt: skip


PARTS = [{"type": "text", "text": "The mill "}, {"type": "text", "text": "stands."}]
BROKEN = {
    "content in parts": choices(message={"role": "assistant", "content": PARTS}),
    "a number": choices(message={"role": "assistant", "content": 5}),
    "no message": choices(message=None),
    "another field": choices(message={"role": "assistant", "text": PASSAGE}),
    "a completion's field": choices(text=PASSAGE),
    "no choices": {"response": PASSAGE},
    "an error": {"error": {"message": "it broke"}},
    "fractions": {**choices(message={"role": "assistant", "content": PASSAGE}), "usage": {"prompt_tokens": 10.5, "completion_tokens": 2}},
    "events": 'data: {"id": "x", "choices": [{"delta": {"content": "The"}}]}\n\ndata: [DONE]\n\n',
    "a page": "<html><body>It works!</body></html>",
    "nothing": "",
    "half": '{"id": "x", "choi',
    "a list": "[1, 2]",
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_reported_as_one(tmp_path, monkeypatch, name):
    no_pauses(monkeypatch)
    with Server(dict.fromkeys(range(9), replies(200, BROKEN[name]))) as server:
        with pytest.raises(UserError, match="answers, but what comes is broken.*llm.api_base") as caught:
            ask(server.url, tmp_path, limit_changes={"retries": 1}, **SINGLE)
        assert server.received == 2 and {line["error.type"] for line in lines(tmp_path)} == {"broken_answer"}
    assert "network" not in str(caught.value) and "Traceback" not in str(caught.value)
    assert name != "an error" or "it broke" in str(caught.value)


def test_an_error_that_names_its_status_within_a_success_is_that_one(tmp_path):
    with Server({0: replies(200, {"error": {"message": "Insufficient credits", "code": 402}})}) as server:
        with pytest.raises(UserError, match="quota"):
            ask(server.url, tmp_path, **SINGLE)


@pytest.mark.parametrize("trouble", [
    replies(409, {"error": {"message": "conflict"}}), replies(425, {"error": {"message": "too early"}}),
    replies(200, {"error": "model is loading"}), replies(404, {"error": "model is loading"}), replies(503, {"error": {"message": "Loading model"}}),
    replies(400, {"error": {"message": "the model is not ready yet"}})])  # fmt: skip
def test_a_server_that_is_not_there_yet_is_waited_for(tmp_path, monkeypatch, trouble):
    waited = no_pauses(monkeypatch)
    with Server({0: trouble}) as server:
        ask(server.url, tmp_path, **SINGLE)
        assert server.received == 2 and len(waited) == 1


def test_a_model_is_loaded_for_as_long_as_the_deadline_allows_however_few_the_retries(tmp_path, monkeypatch):
    waited = no_pauses(monkeypatch)
    with Server(dict.fromkeys(range(4), replies(503, {"error": {"message": "Loading model"}}))) as server:
        ask(server.url, tmp_path, limit_changes={"retries": 0, "deadline": 600}, **SINGLE)
        assert server.received == 5 and waited == sorted(waited) and waited[0] >= 2.5
    with Server(dict.fromkeys(range(9), replies(503, {"error": {"message": "Loading model"}}))) as server:
        with pytest.raises(UserError, match="still loading.*limits.deadline"):
            ask(server.url, tmp_path, limit_changes={"deadline": 2}, **SINGLE)
        assert server.received == 1


VLLM = ("'max_tokens' or 'max_completion_tokens' is too large: {}. This model's maximum context length is 4096 tokens and your request has 141 input "
        "tokens")  # fmt: skip
SHORT = {
    "vLLM": (VLLM.format(4096), 4096),
    "vLLM, before": ("This model's maximum context length is 4096 tokens. However, you requested 4237 tokens (141 in the messages, 4096 in the "
                     "completion). Please reduce the length of the messages or completion.", 4096),
    "nearly": (VLLM.format(4000), 4000),
    "SGLang": ("Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a total of 4237 tokens: "
               "141 tokens from the input messages and 4096 tokens for the completion. Please reduce the number of tokens in the input "
               "messages or the completion to fit within the limit.", 4096),
    "OpenRouter": ("This endpoint's maximum context length is 4096 tokens. However, you requested about 4237 tokens (141 of text "
                   "input, 4096 in the output). Please reduce the length of either one.", 4096),
    "words of no known server": ("the request does not fit: it exceeds the context size of 4096 tokens", 4096),
    "TGI": ("`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 141 `inputs` tokens and 4096 `max_new_tokens`", 4096),
    "OpenAI": ("max_tokens is too large: 4096. This model supports at most 2048 completion tokens, whereas you provided 4096.", 4096),
    "Anthropic": ("max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-sonnet-4-5", 100_000),
    "Google": ("Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to "
               "65537 (exclusive). Update the value and try again.", 100_000),
    "Azure": ("The maximum tokens you requested exceeds the model limit of 4096", 5000),
}  # fmt: skip


@pytest.mark.parametrize("server_s", SHORT)
def test_max_tokens_beyond_the_context_stops_the_run_and_is_named(tmp_path, server_s):
    message, asked = SHORT[server_s]
    with Server({0: replies(400, {"error": {"message": message}})}) as server:
        with pytest.raises(UserError, match=rf"llm.max_tokens, {asked:,}, is more.*lower it"):
            ask(server.url, tmp_path, llm_changes={"max_tokens": asked}, **SINGLE)
        assert server.received == 1 and lines(tmp_path)[0]["outcome"] == "stopped"


def test_a_long_document_is_still_the_document_s_trouble_and_both_are_named(tmp_path):
    message = "maximum context length is 30 tokens, you requested 118 (18 in the messages, 100 in the completion)"
    with Server({0: replies(400, {"error": {"message": message}})}) as server:
        with pytest.raises(llm.NotAnswered, match=r"has 18 tokens, and llm.max_tokens asks for 100 more, too many for .* \(30\)"):
            ask(server.url, tmp_path, **SINGLE)


@pytest.mark.parametrize("message", [
    "Requested token count exceeds the model's maximum context length of 30 tokens. You requested a total of 118 tokens: 18 tokens from "
    "the input messages and 100 tokens for the completion.",
    "This endpoint's maximum context length is 300 tokens. However, you requested about 330 tokens (230 of text input, 100 in the "
    "output)."])  # fmt: skip
def test_a_long_document_is_not_taken_for_a_bound_that_is_too_high(tmp_path, message):
    with Server({0: replies(400, {"error": {"message": message}})}) as server:
        with pytest.raises(llm.NotAnswered, match="and llm.max_tokens asks for 100 more, too many"):
            ask(server.url, tmp_path, **SINGLE)


def test_the_bound_of_an_api_model_is_named_by_its_own_parameter():
    assert errors.bound("api_models.gpt") == "scores.cot.max_tokens" and errors.bound("judge") == "judge.max_tokens"


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_of_a_proxy_does_not_blame_the_key(tmp_path, status):
    with Server({0: replies(status, "<!DOCTYPE html><html><head><title>Blocked</title></head></html>")}) as server:
        with pytest.raises(UserError, match="proxy") as caught:
            ask(server.url, tmp_path, **SINGLE)
        assert "key was refused" not in str(caught.value) and server.received == 1


@pytest.mark.parametrize("status, words", [(400, "refuses the request"), (503, "no answer from")])
def test_an_error_nested_without_end_is_one_like_others(tmp_path, monkeypatch, status, words):
    no_pauses(monkeypatch)
    with Server({number: replies(status, '{"error": ' + "[" * 100_000) for number in range(9)}) as server:
        with pytest.raises(UserError, match=words):
            ask(server.url, tmp_path, **SINGLE)


def test_the_word_billing_in_a_fault_of_the_server_is_no_used_up_quota(tmp_path, monkeypatch):
    no_pauses(monkeypatch)
    with Server({0: replies(500, {"error": {"message": "the billing service is down"}})}) as server:
        ask(server.url, tmp_path, **SINGLE)
        assert server.received == 2


@pytest.mark.parametrize("key, named", [("sk-abcdef\r", "carriage return"), ("sk-abc\ndef", "line break"), ("\u201csk-abcdef\u201d", "left double quotation mark"),
                                        ("sk-abcdef ", "a space"), ("sk-\u200babcdef", "zero width space")])  # fmt: skip
@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1/v1"])
def test_a_key_that_can_not_be_sent_is_named_at_once_and_not_told(monkeypatch, key, named, url):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError, match=f"OPENAI_API_KEY.*{named}") as caught:
        llm.check_key(settings(url))
    assert "abc" not in str(caught.value)
    llm.check_key(settings("http://127.0.0.1:1/v1", model="lm_studio/toy"))


def test_a_secret_with_a_line_s_end_is_scrubbed_in_whichever_form_it_is_repeated(monkeypatch):
    monkeypatch.setenv("TOY_API_KEY", "canary\u2019-0123\r")
    for form in ("canary\u2019-0123", repr("canary\u2019-0123\r"), ascii("canary\u2019-0123\r"), str("canary\u2019-0123\r".encode())):
        assert "canary" not in errors.scrubbed(ValueError(f"Illegal header value {form}"))


UNKNOWN = ["ollama/qwen2.5:0.5b", "ollama_chat/llama3.2:1b", "huggingface/HuggingFaceTB/SmolLM2-135M-Instruct", "lemonade/Qwen3-0.6B-GGUF",
           "lm_studio/toy", "hosted_vllm/toy", "openrouter/a/b:free", "openai/toy"]  # fmt: skip


@pytest.mark.parametrize("model", UNKNOWN)
def test_a_model_that_litellm_has_no_entry_for_is_one_without_a_price(model, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", "x")
    monkeypatch.setenv("HUGGINGFACE_API_KEY", "x")
    asked = settings("http://127.0.0.1:1/v1" if "openai" in model else None, model=model)
    if "openai" not in model and model.split("/")[0] not in ("lm_studio", "hosted_vllm"):
        llm.check_key(asked)
    assert library.known(model) is None and "max_tokens" not in library.lacks(model) and library.key_name(asked)
    assert prices.of(asked, limits()).version is None and prices.tokens(model, "Mira lives in Varn.") > 3
    with pytest.raises(UserError, match="price of .* is not known"):
        prices.of(asked, limits(max_usd=1.0))


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:1/v1"])
def test_a_provider_that_litellm_does_not_know_is_named(url):
    with pytest.raises(UserError, match="llm.model meta-llama/Llama-3: LiteLLM knows no provider 'meta-llama'.*openai/NAME"):
        llm.check_key(settings(url, model="meta-llama/Llama-3"))


def test_what_litellm_lists_of_a_provider_decides_what_is_sent():
    assert library.lacks("anthropic/claude-x") == {"seed"} and library.lacks("openai/toy") == frozenset() == library.lacks("miniature/author")


def test_many_at_once_are_refused_once_each_at_most_and_the_memory_is_one(tmp_path):
    async def many(client):
        return await llm.gather([client.ask("single", attempts=1, check=str, first=f"thing {number}") for number in range(20)], "toy")

    with refusing(Server(), "FastAPI's 422") as server, Ledger("test", DOCUMENT.id, tmp_path) as ledger:
        client = llm.Client(llm=settings(server.url), limits=limits(concurrency=4), ledger=ledger, document=DOCUMENT, seed=1)
        assert len(asyncio.run(many(client))) == 20
        assert server.received <= 40 and server.repeated() == 0
    assert len((tmp_path / refusals.NAME).read_text().splitlines()) == 1


def test_parse_is_given_the_answer_alone():
    line = {"gen_ai.response.finish_reasons": ["stop"], "refusal": None, "outcome": "answered", "text": f'<think>{{"a": 1}}</think>{LISTED}'}
    assert answers.judged(line, parse, ())[0].entities == ["Mira", "Varn"]
