"""closedbook: teach a language model what a set of documents says, and prove where every token of that teaching came from.

From Python (docs/python.md):

    import closedbook

    project = closedbook.load("path/to/a/project")
    project.scores()
"""

from closedbook.project import Project, load
from closedbook.util.errors import UserError

__all__ = ["Project", "UserError", "load"]
