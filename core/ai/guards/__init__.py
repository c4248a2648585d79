"""What stands between a question and a provider: lengths, orders from outside, personal data, secrets, moderation."""
