"""Parameter files: the presets hold what differs from the default, and init writes them out whole."""

from pathlib import Path

import pytest

from closedbook import cli, params, presets
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
