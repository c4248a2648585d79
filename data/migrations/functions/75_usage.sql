-- The log of usage: its partitions, and which hours must be rolled up again.

-- Makes the partitions of the running month and of so many after it, and of months whose rows lie in the rest, which
-- move there. Gives how many were made. One process at a time; it waits two seconds for a lock and then gives up (NULL),
-- to be called again: nobody is kept waiting for a month that begins in weeks.
CREATE OR REPLACE FUNCTION make_usage_partitions(p_ahead integer DEFAULT 3) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = assay, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    running timestamp := date_trunc('month', assay_now() AT TIME ZONE 'UTC');
    month timestamp;
    name text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_usage_partitions'));
    FOREACH month IN ARRAY ARRAY(
        SELECT generate_series(running, running + make_interval(months => p_ahead), '1 month')
            UNION SELECT DISTINCT date_trunc('month', at AT TIME ZONE 'UTC') FROM usage_log_rest ORDER BY 1)
    LOOP
        name := to_char(month, '"usage_log_"YYYY"_"MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL OR extract(year FROM month) NOT BETWEEN 2000 AND 9998;
        CREATE TEMPORARY TABLE moved_usage ON COMMIT DROP AS SELECT * FROM usage_log_rest WHERE false;
        -- Rows of the log are never deleted; these come back below, where they belong.
        ALTER TABLE usage_log_rest DISABLE TRIGGER append_only;
        WITH moved AS (DELETE FROM usage_log_rest WHERE at >= month AT TIME ZONE 'UTC'
                AND at < (month + interval '1 month') AT TIME ZONE 'UTC' RETURNING *)
            INSERT INTO moved_usage SELECT * FROM moved;
        ALTER TABLE usage_log_rest ENABLE TRIGGER append_only;
        -- Attached and not made as a partition: that would take the whole log away from everybody for a moment.
        EXECUTE format('CREATE TABLE %I (LIKE usage_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        EXECUTE format('ALTER TABLE usage_log ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
            month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()', name);
        EXECUTE format('INSERT INTO %I SELECT * FROM moved_usage ORDER BY at', name);
        DROP TABLE moved_usage;
        made := made + 1;
    END LOOP;
    RETURN made;
EXCEPTION WHEN lock_not_available THEN
    RAISE LOG 'months of the log are made later: somebody is at work on it';
    RETURN NULL;
END $$;

-- A row of an hour that has ended (a buffer wrote it, or the transaction waited) makes that hour be rolled up again.
CREATE OR REPLACE FUNCTION note_late_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_late_hours (hour) VALUES (date_trunc('hour', NEW.at, 'UTC')) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER late_usage AFTER INSERT ON usage_log FOR EACH ROW
    WHEN (NEW.at < date_trunc('hour', assay_now(), 'UTC')) EXECUTE FUNCTION note_late_usage();

SELECT make_usage_partitions();
