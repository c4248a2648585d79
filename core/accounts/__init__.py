"""Who is asking: users, organisations, memberships, sign-in, sessions and tokens."""
