"""The version of the formulas: scans and records of another one are not compared with those of this one."""

FORMULA_VERSION = 1
"""Raised when an indicator, a signal, a pattern or a level is computed otherwise."""
