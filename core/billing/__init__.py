"""What organisations buy: packages of credits and subscriptions, paid through Stripe."""
