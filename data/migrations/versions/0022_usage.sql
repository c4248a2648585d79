-- The log of usage by month, and its rollups.
SELECT 1;
