"""One package per step of the pipeline, named after what the step makes; lower layers never import higher ones."""
