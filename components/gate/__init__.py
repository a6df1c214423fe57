"""The gate: a verdict on the candidate, and the ledger of the looks that were spent to reach verdicts."""
