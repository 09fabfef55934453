"""The human_summaries stage: the summaries that came with the documents, in the form of those that models write.

    PYTHONPATH=src python -m closedbook job summaries/human
"""

from pathlib import Path
from types import SimpleNamespace

from closedbook.evaluation import summarising, whose
from closedbook.params import Limits
from closedbook.sources import Article
from closedbook.util import files


def job(*, sources: list[Path], output: Path, params: SimpleNamespace, limits: Limits) -> None:
    """Write them; an empty list where no document has one."""
    articles = [Article.from_dict(files.read_json(path)) for path in sources]
    rows = [summarising.row(summarising.Request(article.id, "named", None), text) for article in articles for text in article.summaries]
    summarising.write(whose.other("human", "human"), rows, output)
