"""What models say of signals: snapshots, validations, batches, and what they turned out to be worth."""
