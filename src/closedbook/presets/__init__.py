"""Parameter files: presets/default.yaml is whole, with a comment for each parameter; the others hold what differs from it.

`closedbook init PRESET` writes params.yaml out whole, so that one file says what an experiment is, and DVC can watch each part of it. A preset
for a folder of texts is fitted to the documents that lie there (fitting).
"""

import json
import os
from io import StringIO
from itertools import count
from pathlib import Path

from closedbook import params
from closedbook.presets import fitting
from closedbook.util import files, plain_yaml
from closedbook.util.errors import UserError, did_you_mean

FOLDER = Path("presets")
WHOLE = "default"
REPLACED = frozenset({"arms", "api_models", "assistants"})
"""sections whose keys are the user's: a preset's stand in place of the default's"""


def names(folder: Path = FOLDER) -> list[str]:
    """Raises UserError outside a project."""
    if not (folder / f"{WHOLE}.yaml").is_file():
        raise UserError(f"{folder / WHOLE}.yaml: is not here: run this command in the folder of a clone of closedbook")
    return sorted(path.stem for path in folder.glob("*.yaml"))


def summary(name: str, folder: Path = FOLDER) -> str:
    """The first line of a preset's opening comment."""
    return (folder / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()


def text(name: str, folder: Path = FOLDER, changes: tuple[str, ...] = ()) -> str:
    """A whole parameter file, comments included, with `changes` on top, each in a preset's form. Raises UserError for a name that is no preset."""
    if name not in (known := names(folder)):
        raise UserError(f"{name}: no such preset: {did_you_mean(name, known, otherwise='there are ' + ', '.join(known))}")
    own = (folder / f"{name}.yaml").read_text(encoding="utf-8")
    if name == WHOLE and not changes:
        return own
    yaml = _yaml()
    whole = yaml.load((folder / f"{WHOLE}.yaml").read_text(encoding="utf-8"))
    _merge(whole, yaml.load(own), folder / f"{name}.yaml")
    for change in changes:
        _merge(whole, yaml.load(change), Path("changes"))
    whole.yaml_set_start_comment("".join(f"{line[1:].removeprefix(' ')}\n" for line in _opening(own)).rstrip("\n"))
    written = StringIO()
    yaml.dump(whole, written)
    return written.getvalue()


def load(name: str, folder: Path = FOLDER, changes: tuple[str, ...] = ()) -> params.Params:
    """What a preset written out says."""
    return params.of(plain_yaml.parse(text(name, folder, changes), name), folder / f"{name}.yaml")


def fitted(name: str, base: str | None = None, measure: bool = False) -> tuple[tuple[str, ...], list[str]]:
    """What of a preset changes for the documents here and for another `base`, as `text` takes it; and what to tell of that.

    `measure`: time ten steps of the base where no earlier run says how long a training takes. Raises UserError for a document or a question
    that planning would refuse.
    """
    changes = (f"base:\n  model: {json.dumps(base)}\n",) if base else ()
    settings = load(name, changes=changes)
    if not fitting.is_fitted(settings):
        return changes, []
    if (found := fitting.found(settings)) is None:
        return changes, [f"{settings.documents.path}: no documents yet: put some there and give this command again, so that budgets fit them"]
    context = fitting.context(settings)
    fit = fitting.fit(found, settings.training, context)
    changes = (*changes, fitting.changes(fit, settings))
    return changes, fitting.told(found, fit, load(name, changes=changes), context, measure)


def write(name: str, path: Path = Path("params.yaml"), force: bool = False, changes: tuple[str, ...] = ()) -> Path | None:
    """Write a preset's parameter file out; returns where the one that was there is kept, if there was one that differs.

    Raises UserError where there is one and `force` is not given.
    """
    new, kept = text(name, changes=changes), None
    if path.is_dir():
        raise UserError(f"{path}: is a folder: move it away")
    if path.exists() and path.read_bytes() != new.encode():
        if not force:
            raise UserError(f"{path}: is there already: --force keeps it under another name and puts the preset {name} in its place")
        kept = next(place for number in count(1) if not (place := path.with_name(f"{path.stem}.before-{number}{path.suffix}")).exists())
        os.link(path, kept)
    files.write_text(path, new)
    return kept


def _yaml():
    from ruamel.yaml import YAML

    yaml = YAML()  # keeps comments
    yaml.representer.add_representer(type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null"))
    yaml.width = 10_000
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _opening(text: str) -> list[str]:
    lines = text.splitlines()
    return lines[: next(number for number, line in enumerate(lines) if not line.startswith("#"))]


def _merge(whole, preset, path: Path, place: str = "") -> None:
    for name, value in preset.items():
        if name not in whole:
            raise UserError(f"{path}: {place}{name}: presets/{WHOLE}.yaml has no such parameter")
        if isinstance(value, dict) and isinstance(whole[name], dict) and name not in REPLACED and not value.fa.flow_style():
            _merge(whole[name], value, path, f"{place}{name}.")
        else:
            whole[name] = value
            _take_comment(whole, preset, name)


def _take_comment(whole, preset, name: str) -> None:
    """The preset's comment on a parameter, with the empty lines that stand after it in the whole file."""
    own, before = (settings.ca.items.get(name) for settings in (preset, whole))
    if own and own[2]:
        after = before[2].value.partition("\n")[2] if before and before[2] else ""
        own[2].value = own[2].value.partition("\n")[0] + "\n" + after
        whole.ca.items[name] = own
