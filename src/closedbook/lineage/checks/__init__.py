"""What an audit compares, one module per kind: each check yields breaks, and in words what it could not ask."""
