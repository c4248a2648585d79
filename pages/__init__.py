"""What a user sees: one file per page, and the script that lets them in."""
