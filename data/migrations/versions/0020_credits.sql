-- Wallets, the ledger, free credits, boosts, carried allowances.
SELECT 1;
