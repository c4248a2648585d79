-- Retention of the log of usage: a month is dropped whole.

-- The first moment of which requests are kept one by one; NULL: all are.
CREATE OR REPLACE FUNCTION usage_kept_from() RETURNS timestamptz LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = assay, pg_temp AS $$
    SELECT kept_from FROM usage_progress
$$;

-- Drops the partition of a month, and says that the log is kept from its end on. Only the oldest month goes, if it has
-- just so many rows and its rollups are complete: false otherwise. It waits two seconds for the log (NULL: it is in
-- use); holds are locked first, as whoever settles does.
CREATE OR REPLACE FUNCTION drop_usage_month(p_month timestamptz, p_rows bigint) RETURNS boolean LANGUAGE plpgsql
SECURITY DEFINER SET search_path = assay, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    month timestamp := p_month AT TIME ZONE 'UTC';
    end_of_month timestamptz := (month + interval '1 month') AT TIME ZONE 'UTC';
    name text := to_char(month, '"usage_log_"YYYY"_"MM');
    found_rows bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_usage_partitions'));
    UPDATE usage_progress SET kept_from = greatest(kept_from, end_of_month)
        WHERE rolled_until >= end_of_month AND NOT EXISTS (SELECT FROM usage_late_hours WHERE hour < end_of_month)
            AND NOT EXISTS (SELECT FROM usage_log_rest WHERE at < end_of_month)
            AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                WHERE i.inhparent = 'usage_log'::regclass AND c.relname ~ '^usage_log_\d{4}_\d\d$' AND c.relname < name);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I IN SHARE MODE', name);
    EXECUTE format('SELECT count(*) FROM %I', name) INTO found_rows;
    IF found_rows <> p_rows THEN
        RETURN false;
    END IF;
    LOCK TABLE holds, usage_log IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('DROP TABLE %I', name);
    RETURN true;
EXCEPTION WHEN lock_not_available THEN
    RETURN NULL;
END $$;
