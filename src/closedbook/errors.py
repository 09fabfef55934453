"""The one kind of error that is a user's to mend; everything else is a fault of ours and keeps its traceback."""


class UserError(ValueError):
    """Wrong input or a world that does not allow the work: says file, field, value and remedy in one message."""
