"""The offline provider's understanding of questions: intents, rules and tools, and no model."""
