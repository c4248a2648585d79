"""Every guard is taken out once, in a copy of the repository, and a test has to notice: `python -m tests.guards`."""
