"""How the installation does, for those who run it."""
