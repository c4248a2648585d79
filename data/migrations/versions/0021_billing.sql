-- Customers, payments and subscriptions of Stripe, and its events.
SELECT 1;
