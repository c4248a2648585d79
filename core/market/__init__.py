"""What is known of instruments: quotes, bars, names, news, filings, fundamentals; each with its source and age."""
