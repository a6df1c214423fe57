"""The pipelines: the steps composed into one graph, and the ways to run it, here or on a cluster."""
