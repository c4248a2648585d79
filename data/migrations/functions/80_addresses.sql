-- Requests of strangers, by address: 60 buckets of a second, in one row, for all processes.

-- Counts one request of an address and gives NULL; or, where p_limit is reached, counts nothing and gives the seconds
-- after which one more fits.
CREATE OR REPLACE FUNCTION address_take(p_address bytea, p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    a address_meters;
    second bigint;
BEGIN
    LOOP
        SELECT * INTO a FROM address_meters WHERE address_hash = p_address FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO address_meters (address_hash, second_at) VALUES (p_address, 0) ON CONFLICT DO NOTHING;
    END LOOP;
    second := greatest(a.second_at, floor(extract(epoch FROM assay_now()))::bigint);
    a.counts := rate_moved(a.counts, a.second_at, second);
    IF rate_sum(a.counts) >= p_limit THEN
        RETURN rate_wait(a.counts, second, p_limit);
    END IF;
    a.counts[second % 60 + 1] := a.counts[second % 60 + 1] + 1;
    UPDATE address_meters SET second_at = second, counts = a.counts WHERE address_hash = p_address;
    RETURN NULL;
END $$;

-- Forgets up to p_most addresses that were quiet for two minutes, and none that is being counted.
CREATE OR REPLACE FUNCTION trim_addresses(p_most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    forgotten integer;
BEGIN
    DELETE FROM address_meters WHERE address_hash IN (
        SELECT address_hash FROM address_meters WHERE second_at < extract(epoch FROM assay_now()) - 120
        LIMIT p_most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$;
