-- Calendar periods in an organisation's zone, and sliding rates in 60 buckets.

DO $$ BEGIN
    CREATE TYPE meter_span AS (starts_at timestamptz, ends_at timestamptz);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- The period that holds p_now when the one before it ended at p_previous_end (NULL: there was none).
-- A boundary that is none in the zone (the zone changed) starts one bridging period, never shorter than a calendar one.
CREATE OR REPLACE FUNCTION meter_period(p_unit text, p_previous_end timestamptz, p_now timestamptz, p_zone text)
RETURNS meter_span LANGUAGE plpgsql STABLE AS $$
DECLARE
    step interval := ('1 ' || p_unit)::interval;
    span meter_span;
    bridge_end timestamp;
BEGIN
    IF p_previous_end IS NOT NULL AND p_previous_end <> date_trunc(p_unit, p_previous_end, p_zone) THEN
        bridge_end := date_trunc(p_unit, (p_previous_end AT TIME ZONE p_zone) + step);
        IF bridge_end AT TIME ZONE p_zone < p_previous_end + step THEN
            bridge_end := bridge_end + step;
        END IF;
        IF p_now < bridge_end AT TIME ZONE p_zone THEN
            span := ROW(p_previous_end, bridge_end AT TIME ZONE p_zone);
            RETURN span;
        END IF;
    END IF;
    span.starts_at := date_trunc(p_unit, p_now, p_zone);
    span.ends_at := (date_trunc(p_unit, p_now AT TIME ZONE p_zone) + step) AT TIME ZONE p_zone;
    RETURN span;
END $$;

-- The 60 buckets of a rate, moved on from bucket p_at to bucket p_to; those that fell out are empty.
CREATE OR REPLACE FUNCTION rate_moved(p_counts integer[], p_at bigint, p_to bigint) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_to - p_at >= 60 THEN
        RETURN array_fill(0, ARRAY[60]);
    END IF;
    FOR step IN 1 .. p_to - p_at LOOP
        p_counts[(p_at + step) % 60 + 1] := 0;
    END LOOP;
    RETURN p_counts;
END $$;

CREATE OR REPLACE FUNCTION rate_sum(p_counts integer[]) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    total integer := 0;
    count integer;
BEGIN
    FOREACH count IN ARRAY p_counts LOOP
        total := total + count;
    END LOOP;
    RETURN total;
END $$;

-- How many buckets from p_at on a full rate has room again: the wait until enough of the oldest have fallen out.
CREATE OR REPLACE FUNCTION rate_wait(p_counts integer[], p_at bigint, p_limit integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    total integer := rate_sum(p_counts);
BEGIN
    FOR step IN 1 .. 60 LOOP
        total := total - p_counts[(p_at + step) % 60 + 1];
        IF total < p_limit THEN
            RETURN step;
        END IF;
    END LOOP;
    RETURN 60;
END $$;
