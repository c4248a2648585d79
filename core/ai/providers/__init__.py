"""Adapters to AI providers, one per wire format, and `offline`."""
