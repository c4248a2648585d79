"""Sources of market data: one file per outside source, and `sample`, the shipped data; pure access, no rules."""
