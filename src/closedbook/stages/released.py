"""The released stage: a model that exists answers the questions that runs are scored on; nothing is trained.

    PYTHONPATH=src python -m closedbook job scores/ARM
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace

from closedbook.models import pinning
from closedbook.params import Limits
from closedbook.stages import scores
from closedbook.util import files


def job(*, limits: Limits, **given) -> None:
    build(**given)


def build(*, files_of: list[Path], params: SimpleNamespace, **paths) -> None:
    """Score `params.released` (name, model, revision) as the base is scored (see stages.scores); its score says which weights it had.

    `files_of` are the files of a model that is a folder here. Raises UserError where it is not a model that can be used, as base.model.
    """
    chosen, field = params.released, f"arms.{params.released['name']}.model"
    with tempfile.TemporaryDirectory() as place:
        pinned, _ = pinning.pin(chosen["model"], chosen["model"], chosen["revision"], None, field)
        model = Path(place) / chosen["name"]  # which errors name
        files.write_json(model / "base.json", {**pinned, "arm": chosen["name"]})
        scores.build(model=model, params=params, **paths)
