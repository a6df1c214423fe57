"""The hub: a published revision of the model, and the pointer that says which one is in production."""
