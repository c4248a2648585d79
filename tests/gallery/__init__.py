"""A page of all components, for developers."""
