"""What an audit compares, what is ours and what other tools hold: each check yields breaks, and in words what it could not ask."""
