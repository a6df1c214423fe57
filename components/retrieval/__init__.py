"""Retrieval: vectors and rankings, from one encoder, exact dense search, BM25, their fusion, and the metrics."""
