"""How two arms differ on the same questions, and how sure of that one can be."""
