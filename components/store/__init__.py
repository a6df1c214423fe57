"""The store: objects, artifacts, models and the state of a line, kept between steps and between runs."""
