"""Evaluation: scores of base, champion and candidate, on identical queries, in one run."""
