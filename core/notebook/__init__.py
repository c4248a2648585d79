"""What analysts keep: watchlists, theses, checklists."""
