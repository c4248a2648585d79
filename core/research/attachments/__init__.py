"""Files that come with questions: read in a process of their own, kept as text or pictures, and shown to models."""
