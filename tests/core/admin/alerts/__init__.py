"""Alerts of oversight."""
