"""Pairs: what the model trains on, and the judged queries that it is later measured with."""
