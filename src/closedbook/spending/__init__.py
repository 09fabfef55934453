"""What calls to a language model will cost, have cost, and what the ledger holds of them."""
