"""What they may use: plans, the meter, and usage figures."""
