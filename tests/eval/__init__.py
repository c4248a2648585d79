"""The evaluation set: questions with computed answers, what computes them, what judges, and what asks."""
