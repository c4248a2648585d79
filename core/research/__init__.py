"""What they ask: conversations and the assistant."""
