"""Oversight: who uses what, what it costs, whether it is healthy, and whether the books are right."""
