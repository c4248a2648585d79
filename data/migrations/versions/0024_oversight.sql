-- Alerts of organisations and of the installation, their channels and deliveries.
SELECT 1;
