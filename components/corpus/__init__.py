"""The corpus: a frozen snapshot of the sources, and the documents and passages read from it."""
