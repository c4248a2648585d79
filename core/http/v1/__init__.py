"""The OpenAI wire format: other people's clients, metered like everybody."""
