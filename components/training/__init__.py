"""Training: a candidate model, fine-tuned from the base model on the pairs."""
