"""Alerts of oversight: what rules find, who is told of it, and how it reaches them."""
