import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from closedbook import params, presets
from closedbook.util.errors import UserError

ROOT = Path(__file__).parent.parent


def load_with(tmp_path, path, value):
    """params.yaml with one field, given by its path, set to a value."""
    yaml = YAML(typ="safe", pure=True)
    data = yaml.load(ROOT / "params.yaml")
    *sections, key = path.split(".")
    place = data
    for section in sections:
        place = place[section]
    place[key] = value
    with open(tmp_path / "params.yaml", "w") as handle:
        yaml.dump(data, handle)
    return params.load(tmp_path / "params.yaml")


def test_the_shipped_file_is_right():
    assert params.load(ROOT / "params.yaml").llm.model == "miniature/author"


@pytest.mark.parametrize("path, value, words", [
    ("training.learningrate", 0.1, ["training.learningrate", "unknown key", "learning_rate"]),
    ("training.lora", {"r": 1, "alpha": 2, "dropout": 0.0, "alfa": 1}, ["training.lora.alfa", "did you mean alpha"]),
    ("seeed", 1, ["seeed", "did you mean seed"]),
    ("readers", {}, ["readers", "unknown key", "did you mean api_models"]),
    ("llm.batch", True, ["llm.batch", "unknown key", "did you mean limits.batch"]),
    ("arms", {"api-gpt": {"strategy": "raw", "corpus_tokens": "all", "epochs": 1}}, ["arms", "'api-gpt'", "'api-'"]),
    ("arms", {"corpora": {"strategy": "raw", "corpus_tokens": "all", "epochs": 1}}, ["arms", "'corpora'"]),
    ("arms.raw.strateg", "raw", ["arms.raw.strateg", "did you mean strategy"]),
    ("training.learning_rate", "fast", ["training.learning_rate", "valid number", "'fast'"]),
    ("training.learning_rate", -1.0, ["training.learning_rate", "greater than 0", "-1.0"]),
    ("training.threads", True, ["training.threads", "integer", "True"]),
    ("training.accumulation", 3, ["training", "accumulation"]),
    ("corpora.replay.rate", 1.0, ["corpora.replay.rate", "less than 1", "1.0"]),
    ("documents.source", "web", ["documents.source", "miniature", "'web'"]),
    ("arms.raw", {"strategy": "raw", "corpus_tokens": "all"}, ["arms.raw", "train_tokens", "epochs"]),
    ("arms", {"../up": {"strategy": "raw", "corpus_tokens": "all", "epochs": 1}}, ["arms", "'../up'", "small letters"]),
    ("arms.raw.seeds", [7], ["arms", "the seeds of raw must be among training.seeds, [1]"]),
    ("arms.raw.strategy", "rawer", ["arms.raw.strategy", "entigraph", "'rawer'"]),
    ("arms.raw.strategy", 5, ["arms.raw.strategy", "must be one of", "{qa: 1, entigraph: 2}", "not 5"]),
    ("arms.raw.strategy", {"raw": 1}, ["arms.raw.strategy", "two and more"]),
    ("arms.raw.strategy", {"raw": 1, "graph": 2}, ["arms.raw.strategy", "no strategy 'graph'", "active_reading"]),
    ("arms.raw.strategy", {"raw": 1, "qa": 0}, ["arms.raw.strategy", "share of qa", "above 0"]),
    ("arms.raw.strategy", {"raw": 1, "qa": True}, ["arms.raw.strategy", "share of qa"]),
    ("arms.raw.strategy", {"raw": float("inf"), "qa": 1}, ["arms.raw.strategy", "share of raw"]),
    ("passages.entigraph.order", "random", ["passages.entigraph.order", "ranked", "'random'"]),
    ("passages.active_reading.ways", 11, ["passages.active_reading.ways", "less than or equal to 10"]),
    ("arms.raw.corpus_tokens", "some", ["arms.raw.corpus_tokens", "'some'"]),
    ("llm.model", "gpt-4.1", ["llm.model", "openai/gpt-4.1"]),
    ("llm.model", "openai/", ["llm.model", "must name its provider first"]),
    ("llm.model", "/gpt-4.1", ["llm.model", "openai/gpt-4.1"]),
    ("llm.api_base", "http://me:secret@127.0.0.1/v1", ["llm.api_base", "no user and password"]),
    ("limits.input_usd_per_million", -1.0, ["limits.input_usd_per_million", "greater than or equal to 0", "-1.0"]),
    ("limits.output_usd_per_million", 2.0, ["limits", "both prices"]),
    ("limits.cached_input_usd_per_million", 2.0, ["limits", "cached_input_usd_per_million needs"]),
    ("limits.max_calls", -1, ["limits.max_calls", "-1"]),
    ("training.seeds", [1, 1], ["training.seeds", "none twice", "[1, 1]"]),
    ("passages.rephrase.styles", ["easy", "easy"], ["passages.rephrase.styles", "none twice"]),
    ("miniature.people", 3, ["miniature.people", "less than or equal to 2", "3"]),
    ("miniature.same_book", 4, ["miniature.same_book", "less than or equal to 3", "4"]),
    ("miniature.narrative", 0.6, ["miniature.narrative", "less than or equal to 0.5", "0.6"]),
    ("documents.path", "a" * 300, ["documents.path", "too long for a path"]),
    ("base.model", " ", ["base.model", "must not be empty", "' '"]),
    ("entities.max", 1, ["entities.max", "greater than or equal to 2", "1"]),
])  # fmt: skip
def test_a_wrong_field_is_named_with_its_value_and_what_would_be_right(tmp_path, path, value, words):
    with pytest.raises(UserError) as caught:
        load_with(tmp_path, path, value)
    message = str(caught.value)
    assert "params.yaml" in message and all(word in message for word in words), message


def test_a_mixture_is_read_as_it_is_written(tmp_path):
    assert load_with(tmp_path, "arms.raw.strategy", {"qa": 1, "entigraph": 0.5}).arms["raw"].strategy == {"qa": 1, "entigraph": 0.5}


def test_a_missing_section_and_a_missing_file_say_so(tmp_path):
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    with pytest.raises(UserError, match="documents: missing"):
        params.load(tmp_path / "params.yaml")
    with pytest.raises(UserError, match="no such file"):
        params.load(tmp_path / "absent.yaml")
    (tmp_path / "params.yaml").write_text("seed: [1\n")
    with pytest.raises(UserError, match="not YAML"):
        params.load(tmp_path / "params.yaml")


NOT_OURS = {"alias to itself": "&a [*a]", "deep": "[" * 3000 + "]" * 3000, "many digits": "9" * 5000, "many hex digits": "0x" + "f" * 6000}


@pytest.mark.parametrize("value, words", [
    ("!!int abc", "line {line}, column 7: 'abc' is no int"),
    ("!!float ''", "line {line}, column 7: '' is no float"),
    ("!!bool maybe", "line {line}, column 7: 'maybe' is no bool"),
    ("!!binary '!!!'", "seed|line {line}, column 7"),
    ("2023-02-30", "line {line}, column 7: '2023-02-30' is no timestamp"),
    ("2023-02-28", "seed: .*valid integer"),
    ("!!python/object/apply:os.system [x]", "line {line}, column 7: could not determine a constructor"),
    ("!<x> y", "line {line}, column 7"),
    ("{[1]: 2}", "seed: .*valid integer|line {line}"),
    ("{<<: 3}", "line {line}"),
    ("*nowhere", "line {line}, column 7: found undefined alias 'nowhere'"),
    ("1e999", "seed"),
    (NOT_OURS["alias to itself"], "seed"),
    (NOT_OURS["deep"], "nested too deeply"),
    (NOT_OURS["many digits"], "line {line}, column 7: '9{{40}}…' is "),
    (NOT_OURS["many hex digits"], "line {line}, column 7: .* is too large a number"),
    ("9223372036854775808", "line {line}, column 7: .* is too large a number"),
    ('"\\0"', "line {line}, column 7: .* holds a control character"),
    ('"\\e[31m"', "line {line}, column 7: .* holds a control character"),
    ('"\\ud800"', "line {line}, column 7: .* holds a control character"),
    ("1\nseed: 2", "found duplicate key \"seed\""),
])  # fmt: skip
def test_whatever_yaml_can_hold_is_refused_with_its_place(tmp_path, value, words):
    text = (ROOT / "params.yaml").read_text()
    line = text[: text.index("\nseed: ")].count("\n") + 2
    (tmp_path / "params.yaml").write_text(re.sub(r"^seed: .*", lambda _: f"seed: {value}", text, flags=re.MULTILINE))
    with pytest.raises(UserError, match=words.format(line=line)) as caught:
        params.load(tmp_path / "params.yaml")
    assert str(caught.value).startswith(f"{tmp_path}/params.yaml: ") and len(str(caught.value)) < 1000


@pytest.mark.parametrize("path, value", [
    ("training.learning_rate", float("inf")), ("training.learning_rate", float("nan")), ("limits.max_usd", float("inf")), ("limits.timeout", 1e300),
    ("limits.concurrency", 10**9), ("training.threads", 10**9), ("llm.temperature", float("nan")),
])  # fmt: skip
def test_a_number_that_nothing_could_work_with_is_refused(tmp_path, path, value):
    with pytest.raises(UserError, match=f"{path}: .*, not {re.escape(repr(value))}"):
        load_with(tmp_path, path, value)


@pytest.mark.parametrize("content, words", [
    (b"\xff\xfe", "not YAML|must hold the keys"), (b"seed: \xe9\n", "not YAML.*UTF-8"), (b"seed: a\x00b\n", "not YAML"), (b"", "must hold the keys"), (b"[1, 2]", "must hold the keys"),
    (b"1: 2\n? [3]\n: 4\n", "1: keys should be strings"), (b"--- 1\n--- 2\n", "not YAML"),
])  # fmt: skip
def test_a_file_that_is_no_params_yaml_is_named(tmp_path, content, words):
    (tmp_path / "params.yaml").write_bytes(content)
    with pytest.raises(UserError, match=f"(?s)params.yaml: (.*{words})"):
        params.load(tmp_path / "params.yaml")


def test_a_folder_in_the_place_of_params_yaml_is_named(tmp_path):
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(UserError, match="params.yaml: cannot be read .Is a directory"):
        params.load(tmp_path / "params.yaml")


def test_an_alias_that_stands_for_endless_text_is_shown_in_short(tmp_path):
    names = "abcdefghijkl"
    bomb = ["&a [lol]", *(f"&{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip(names, names[1:]))]
    text = re.sub(r"^seed: .*", f"seed: [{', '.join(bomb)}]", (ROOT / "params.yaml").read_text(), flags=re.MULTILINE)
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError, match="seed: .*valid integer") as caught:
        params.load(tmp_path / "params.yaml")
    assert len(str(caught.value)) < 1000


def test_numbers_are_read_as_yaml_1_2_says(tmp_path):
    text = (ROOT / "params.yaml").read_text().replace("learning_rate: 0.002", "learning_rate: 2e-3").replace("retries: 6", "retries: 0o6")
    (tmp_path / "params.yaml").write_text(text)
    loaded = params.load(tmp_path / "params.yaml")
    assert loaded.training.learning_rate == 0.002 and loaded.limits.retries == 6


def test_the_presets_hold_what_they_are_named_for():
    paper = presets.load("quality-paper", ROOT / "presets")
    held = paper.training.model_dump(include={"block_size", "batch_size", "learning_rate", "warmup", "weight_decay", "dtype"})
    assert held == {"block_size": 2048, "batch_size": 16, "learning_rate": 5e-6, "warmup": 0.05, "weight_decay": 0.01, "dtype": "bfloat16"}
    assert paper.corpora.replay.rate == 0.1 and {arm.epochs for arm in paper.arms.values()} == {2} and "Llama-3-8B" in paper.base.model
    assert paper.llm.temperature == 1.0
    trial = presets.load("quality-trial", ROOT / "presets")
    assert trial.documents.limit == 3 and trial.passages.entigraph.pairs == 20
    assert presets.load("folder", ROOT / "presets").llm.model is None
    full, table = (presets.load(name, ROOT / "presets") for name in ("miniature-full", "miniature-seeds"))
    whole = {name: arm for name, arm in table.arms.items() if arm.seeds is None}
    assert whole.keys() == {"raw", "rephrase", "rephrase-named", "entigraph"} and full.arms.items() > whole.items() and full.arms["entigraph-qa"].strategy == {"entigraph": 1, "qa": 1}
    assert full.training == table.training and full.passages.entigraph == table.passages.entigraph


def test_parameters_of_the_version_before_say_what_to_do():
    with pytest.raises(UserError) as caught:
        params.load(ROOT / "tests/before/params.yaml")
    said = str(caught.value)
    assert all(f"{name}: missing" in said for name in ("base.end_of_text", "api_models", "limits.cached_input_usd_per_million"))
    assert "readers: unknown key; did you mean api_models?" in said and "closedbook init NAME --force" in said
