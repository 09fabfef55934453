"""What an audit compares, a module a kind: each check yields breaks, and in words what it could not ask."""
