"""Tools: what a model may have done while it answers, read-only, each for the principal who asked and nobody else."""
