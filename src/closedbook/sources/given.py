"""Rows that a user gives, as objects by column: a file of lines of JSON, a parquet file, or a data set on the Hugging Face Hub, which is named NAME,
NAME@REVISION or NAME@REVISION#SPLIT (without: the split train)."""

import json
from collections.abc import Iterator
from pathlib import Path

from closedbook.util.errors import UserError

SPLIT = "train"
PARQUET = ".parquet"


def rows(path: str, field: str, wanted: str) -> Iterator[tuple[str, object]]:
    """Each row, after where it stands (FILE:LINE, FILE: row N or NAME: row N, from 0), for errors.

    Raises UserError for a file that is not of its form, and for a data set that can't be had; `field` is the parameter that holds `path`,
    `wanted` says what the rows should be.
    """
    if not is_file(path):
        return _of_hub(path, field)
    return _of_parquet(Path(path), wanted) if path.endswith(PARQUET) else _of_lines(Path(path), wanted)


def is_file(path: str) -> bool:
    return Path(path).is_file()


def _of_lines(path: Path, wanted: str) -> Iterator[tuple[str, object]]:
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, 1):
            try:
                yield f"{path}:{number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}:{number}: not JSON ({error}): give it {wanted}") from None


def _of_parquet(path: Path, wanted: str) -> Iterator[tuple[str, object]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            found = (row for batch in file.iter_batches() for row in batch.to_pylist())
            yield from ((f"{path}: row {number}", row) for number, row in enumerate(found))
    except (ArrowException, OSError) as error:
        raise UserError(f"{path}: no parquet file that can be read ({' '.join(str(error).split())[:300]}): give it {wanted}") from None


def _of_hub(path: str, field: str) -> Iterator[tuple[str, object]]:
    from datasets import load_dataset
    from datasets.utils.logging import disable_progress_bar

    name, _, split = path.partition("#")
    name, _, revision = name.partition("@")
    disable_progress_bar()
    try:
        found = load_dataset(name, revision=revision or None, split=split or SPLIT)
    except Exception as error:  # a library of libraries: what can be wrong with a name, an account or a connection has many kinds
        raise UserError(f"params.yaml: {field}: {path} is neither a file here nor a data set that can be had ({' '.join(str(error).split())[:300]}): "
                        "give a file, or NAME@REVISION#SPLIT of a data set on the Hugging Face Hub; HF_HUB_OFFLINE=1 allows only what is "
                        "downloaded") from error  # fmt: skip
    for number, row in enumerate(found):
        yield f"{path}: row {number}", row
