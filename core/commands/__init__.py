"""The commands behind `python -m core`."""
