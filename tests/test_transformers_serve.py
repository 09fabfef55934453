"""The client against a real server. Its protocol is real; its model knows one text by heart."""

import pytest
import toys
from served import served
from test_llm import ask, lines

from closedbook.llm import refusals
from closedbook.util.errors import UserError

pytestmark = pytest.mark.slow

KNOWN = '{"summary": "Mira Oldan lives in Varn.", "entities": ["Mira Oldan", "Varn"]}'
TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant:"


def one_who_knows(folder, text=KNOWN):
    """A model that answers everything with `text`, which is one token: each token leads to the next by the embedding of the last alone."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    spelling = toys.tokenizer()
    spelling.add_tokens([text])
    spelling.chat_template = TEMPLATE
    said, asked, end = spelling.convert_tokens_to_ids(text), spelling("assistant:")["input_ids"][-1], spelling.eos_token_id
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=len(spelling), hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=4096,
        tie_word_embeddings=False, bos_token_id=end, eos_token_id=end, pad_token_id=end))  # fmt: skip
    embedding = model.model.embed_tokens.weight.data
    torch.nn.init.normal_(embedding)
    for layer in (model.model.layers[0].self_attn.o_proj, model.model.layers[0].mlp.down_proj, model.lm_head):
        torch.nn.init.zeros_(layer.weight)
    for before, after in ((asked, said), (said, end)):
        model.lm_head.weight.data[after] = embedding[before]
    spelling.save_pretrained(folder)
    model.save_pretrained(folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("knows")
    one_who_knows(folder / "model")
    with served(folder / "model", folder / "log") as url:
        yield f"openai/{folder / 'model'}", url


def test_a_real_server_is_asked_for_lists_and_passages_as_it_comes(server, tmp_path):
    model, url = server
    asked = {"llm_changes": {"model": model}, "limit_changes": {"timeout": 60}}
    answer, call = ask(url, tmp_path, **asked)
    assert answer.entities == ["Mira Oldan", "Varn"] and call.finish_reason == "stop" and call.usage["completion_tokens"] == 2
    assert ask(url, tmp_path, prompt="single", check=str, first="Mira", **asked)[0] == KNOWN
    (listed, _) = lines(tmp_path)
    assert listed["request"]["schema"] and listed["error.type"] is None and not (tmp_path / refusals.NAME).exists(), "it takes all that is sent"


def test_a_model_that_a_real_server_does_not_serve_stops_the_run_in_its_words(server, tmp_path):
    with pytest.raises(UserError, match="pinned"):
        ask(server[1], tmp_path, llm_changes={"model": "openai/another"})
