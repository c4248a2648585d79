"""What they hold: transactions, imports, holdings, performance, risk."""
