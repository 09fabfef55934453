"""Parameter files: the presets hold what differs from the default, and init writes them out whole."""

from pathlib import Path

import pytest

from closedbook import cli, params, presets
from closedbook.presets import fitting
from closedbook.util import plain_yaml
from closedbook.util.errors import UserError

ROOT = Path(__file__).parent.parent
ON_ONE_LINE = ("embedder", "reranker", "lora")
OTHERS = [name for name in presets.names(ROOT / "presets") if name != presets.WHOLE]


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").symlink_to(ROOT / "presets")
    return tmp_path


def flat(settings, prefix=""):
    for name, value in settings.items():
        if isinstance(value, dict) and name not in {*presets.REPLACED, *ON_ONE_LINE}:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def test_the_parameters_that_come_with_the_project_are_those_of_the_default():
    assert (ROOT / "params.yaml").read_text() == presets.text(presets.WHOLE, ROOT / "presets")


@pytest.mark.parametrize("name", OTHERS)
def test_a_preset_written_out_is_whole_and_differs_in_what_it_holds_alone(project, name):
    presets.write(name)
    params.load()  # whole and valid
    whole, default, own = (dict(flat(plain_yaml.load(path, str(path)))) for path in
                           (Path("params.yaml"), ROOT / "params.yaml", ROOT / f"presets/{name}.yaml"))
    assert {key: value for key, value in whole.items() if value != default[key]} == own, "and it holds nothing that is the default's anyway"
    text = Path("params.yaml").read_text()
    assert presets.summary(name).endswith("."), "closedbook init shows one line"
    assert text.startswith(f"# {presets.summary(name)}") and "# forward passes per step" in text and "\n\n\n" not in text


def test_what_is_there_is_replaced_only_by_force_and_kept(project):
    Path("params.yaml").write_text("my: own\n")
    with pytest.raises(UserError, match="params.yaml: is there already: --force"):
        presets.write("folder")
    for number, before in enumerate(("my: own\n", "my: second\n"), start=1):
        Path("params.yaml").write_text(before)
        kept = presets.write("folder", force=True)
        assert str(kept) == f"params.before-{number}.yaml" and kept.read_text() == before
    assert presets.write("folder") is None, "what is there already is no reason to refuse, nor to keep it"


def test_whatever_lies_where_the_file_goes_is_kept_or_named(project):
    Path("params.yaml").write_bytes("# Übung".encode("latin-1"))
    assert presets.write("folder", force=True).read_bytes() == "# Übung".encode("latin-1")
    Path("params.yaml").unlink()
    Path("params.yaml").mkdir()
    with pytest.raises(UserError, match="params.yaml: is a folder"):
        presets.write("folder", force=True)


def test_outside_a_project_and_beside_a_name_there_is_a_hint(project, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="foldr: no such preset: did you mean folder"):
        presets.text("foldr")
    Path("empty").mkdir()
    monkeypatch.chdir("empty")
    with pytest.raises(UserError, match="is not here: run this command in the folder of a clone"):
        presets.names()


def test_a_preset_copied_by_hand_is_refused_with_the_command(project):
    Path("params.yaml").write_text((ROOT / "presets/folder.yaml").read_text())
    with pytest.raises(UserError, match="params.yaml: seed: missing.*closedbook init NAME --force"):
        params.load()


def test_init_lists_the_presets_and_refuses_what_is_none(project, capsys):
    assert cli.main(["init"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in [*OTHERS, presets.WHOLE])
    assert cli.main(["init", "foldr"]) == 2
    assert "foldr: no such preset" in capsys.readouterr().err


def test_a_preset_that_names_what_there_is_not_is_refused(tmp_path):
    (tmp_path / "default.yaml").write_text("seed: 1\n")
    (tmp_path / "mine.yaml").write_text("# Mine.\nsead: 2\n")
    with pytest.raises(UserError, match="mine.yaml: sead: presets/default.yaml has no such parameter"):
        presets.text("mine", tmp_path)


def texts(folder, *sizes, questions=None):
    """Documents of so many words."""
    folder.mkdir(parents=True)
    for number, words in enumerate(sizes):
        (folder / f"{number}.txt").write_text("word " * words)
    if questions is not None:
        (folder / "questions.csv").write_text("document,question,A,B,answer\n" + questions)


def test_a_folder_preset_is_fitted_to_the_documents_and_says_how(project, capsys):
    texts(project / "data/documents", 120, 90, 150, 110, questions="0.txt,Who?,Ann,Bob,B\n3.txt,Where?,Varn,Oss,1\n")
    assert cli.main(["init", "folder", "--base", str(ROOT / "src/closedbook/miniature/trained")]) == 0
    wanted, said = params.load(), capsys.readouterr().out
    (length,) = {arm.train_tokens for arm in wanted.arms.values()}
    steps = length / (wanted.training.block_size * wanted.training.batch_size)
    assert wanted.base.model.endswith("trained") and steps >= 20 and length < 20_000, "75 minutes of training were the fault"
    assert wanted.arms["raw"].corpus_tokens == "all" and wanted.arms["entigraph"].corpus_tokens <= length
    assert "4 documents of about 585 tokens; 2 questions about 2 of them" in said and f"each reads {length:,} tokens" in said
    assert "which reads 640 tokens at once" in said and "time of training is not known" in said
    text = Path("params.yaml").read_text()
    assert "pairs: 18                 # N | all" in text and "block_size: 256             # tokens per training example" in text


@pytest.mark.parametrize("words", [1, 30, 500, 20_000, 2_000_000])
@pytest.mark.parametrize("context", [None, 64, 640, 8192])
def test_whatever_lies_there_each_arm_trains_for_twenty_steps_at_least_on_as_many_tokens(words, context):
    training = presets.load("folder", ROOT / "presets").training
    fit = fitting.fit(fitting.Found(tokens=[words, 2 * words], questions=0, asked_about=0), training, context)
    assert fit.steps >= fitting.LEAST_STEPS and fit.train_tokens >= 20 * 3 * words and fit.corpus_tokens <= fit.train_tokens
    assert fit.block_size <= min(context or 1024, training.block_size) and 1 < fit.batch_size <= training.batch_size


def test_time_is_told_from_a_speed_that_was_measured(project, monkeypatch):
    monkeypatch.setattr(fitting.speed, "measured", lambda source, settings: 100.0)
    monkeypatch.setattr(fitting.trainings, "side_by_side", lambda settings: 1)
    texts(project / "data/documents", 600)
    _, said = presets.fitted("folder", measure=True)
    assert said[-1] == "training: about 5 min, at 100 tokens a second, which was measured here"


def test_without_documents_or_questions_that_is_said_and_a_wrong_answer_is_named_by_its_row(project, capsys):
    assert presets.fitted("folder") == ((), ["data/documents: no documents yet: put some there and give this command again, so that budgets fit them"])
    texts(project / "data/documents", 20, questions="0.txt,Who?,Ann,Bob,C\n")
    assert cli.main(["init", "folder"]) == 2 and not Path("params.yaml").exists()
    assert "data/documents/questions.csv:2: answer: must be the letter (A to B)" in capsys.readouterr().err
    (project / "data/documents/questions.csv").unlink()
    assert "no questions, so accuracy is not measured" in presets.fitted("folder")[1][0]


def test_what_a_language_model_is_to_write_is_budgeted_as_the_preset_has_it(project):
    texts(project / "data/documents", 20)
    assert presets.fitted("papers") == presets.fitted("quality-trial") == ((), [])
