-- The only clock of limits and money. Read after the locks, never `now()`, which stands still in a transaction.
-- Tests alone replace this function, as the owner of the schema, to move time.
CREATE OR REPLACE FUNCTION assay_now() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS $$ SELECT clock_timestamp() $$;
