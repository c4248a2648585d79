-- The audit log and its sealed blocks.
SELECT 1;
