-- Sources of market data: what may be asked of them, and how they fare; one row each, for all processes.

-- The newest bucket of a rate whose 60 buckets last a second, or a minute, and a little longer: two requests that leave
-- us a second apart may arrive closer to one another.
CREATE OR REPLACE FUNCTION second_tick(p_epoch double precision) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS $$ SELECT floor(p_epoch * 57)::bigint $$;
CREATE OR REPLACE FUNCTION minute_tick(p_epoch double precision) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS $$ SELECT floor(p_epoch / 60 * 58)::bigint $$;

-- Takes up to p_wanted requests of a source, as many as its second, its minute, its day (in UTC) and its circuit allow.
-- Where they allow none: which of them refuses for longest, and the seconds until one may fit.
-- A half open circuit allows one request for all processes, the probe; one that never comes back is given up after
-- p_probe_s. taken_on is the day that was charged.
DROP FUNCTION IF EXISTS source_take(text, integer, integer, integer, integer, double precision);
CREATE FUNCTION source_take(
    p_name text, p_wanted integer, p_per_second integer, p_per_minute integer, p_per_day integer,
    p_probe_s double precision
) RETURNS TABLE (granted integer, is_probe boolean, refused_by text, wait_s double precision, taken_on date)
LANGUAGE plpgsql AS $$
DECLARE
    s sources;
    moment timestamptz;
    epoch double precision;
    closed_until timestamptz;
    tick bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    LOOP
        SELECT * INTO s FROM sources WHERE name = p_name FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO sources (name) VALUES (p_name) ON CONFLICT DO NOTHING;
    END LOOP;
    moment := assay_now();
    epoch := extract(epoch FROM moment);
    tick := greatest(s.second_tick, second_tick(epoch));
    s.second_counts := rate_moved(s.second_counts, s.second_tick, tick);
    s.second_tick := tick;
    tick := greatest(s.minute_tick, minute_tick(epoch));
    s.minute_counts := rate_moved(s.minute_counts, s.minute_tick, tick);
    s.minute_tick := tick;
    IF (moment AT TIME ZONE 'UTC')::date > s.day THEN
        s.day := (moment AT TIME ZONE 'UTC')::date;
        s.day_used := 0;
    END IF;
    is_probe := s.rests_until IS NOT NULL;
    closed_until := greatest(s.rests_until, s.probed_until);

    SELECT greatest(0, min(r.room)), (array_agg(r.name ORDER BY r.wait DESC) FILTER (WHERE r.room <= 0))[1],
            greatest(0, max(r.wait) FILTER (WHERE r.room <= 0))
        INTO granted, refused_by, wait_s
        FROM (VALUES
            ('wanted', p_wanted, 0.0::double precision),
            ('blocked', CASE WHEN s.blocked_until > moment THEN 0 END, extract(epoch FROM s.blocked_until - moment)),
            ('circuit', CASE WHEN is_probe THEN (closed_until <= moment)::integer END,
                extract(epoch FROM closed_until - moment)),
            ('second', p_per_second - rate_sum(s.second_counts),
                (s.second_tick + rate_wait(s.second_counts, s.second_tick, p_per_second)) / 57.0 - epoch),
            ('minute', p_per_minute - rate_sum(s.minute_counts),
                (s.minute_tick + rate_wait(s.minute_counts, s.minute_tick, p_per_minute)) * 60 / 58.0 - epoch),
            ('day', p_per_day - s.day_used,
                extract(epoch FROM (s.day + 1)::timestamp AT TIME ZONE 'UTC' - moment))
        ) AS r (name, room, wait);

    is_probe := is_probe AND granted > 0;
    taken_on := s.day;
    s.second_counts[s.second_tick % 60 + 1] := s.second_counts[s.second_tick % 60 + 1] + granted;
    s.minute_counts[s.minute_tick % 60 + 1] := s.minute_counts[s.minute_tick % 60 + 1] + granted;
    UPDATE sources SET per_second = p_per_second, per_minute = p_per_minute, per_day = p_per_day,
            second_tick = s.second_tick, second_counts = s.second_counts,
            minute_tick = s.minute_tick, minute_counts = s.minute_counts,
            day = s.day, day_used = s.day_used + granted,
            probed_until = CASE WHEN is_probe THEN moment + make_interval(secs => p_probe_s) ELSE s.probed_until END
        WHERE name = p_name;
    RETURN NEXT;
END $$;

-- Writes down what came of requests that were taken together, and moves the circuit.
-- p_failures counts those that failed after the last one that was answered (p_has_answered says whether one was); a late
-- word of requests that left before the circuit opened does not move it, only the probe's does. What was taken and not
-- asked after all (p_unused) is given back to the day that was charged (p_taken_on), unless that is over.
DROP FUNCTION IF EXISTS source_settle(text, boolean, integer, integer, boolean, text, double precision, integer, integer,
    double precision, double precision);
CREATE OR REPLACE FUNCTION source_settle(
    p_name text, p_has_answered boolean, p_failures integer, p_unused integer, p_taken_on date, p_is_probe boolean,
    p_failure text, p_block_s double precision, p_latency_ms integer, p_most_failures integer,
    p_rest_s double precision, p_longest_rest_s double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s sources;
    moment timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO STRICT s FROM sources WHERE name = p_name FOR UPDATE;
    moment := assay_now();
    s.failures := p_failures + CASE WHEN p_has_answered THEN 0 ELSE s.failures END;
    IF p_is_probe THEN
        s.probed_until := NULL;
    END IF;
    IF p_is_probe AND p_has_answered AND p_failures = 0 THEN
        s.rests := 0;
        s.rests_until := NULL;
    ELSIF p_failures > 0 AND (p_is_probe OR (s.rests_until IS NULL AND s.failures >= p_most_failures)) THEN
        s.rests := s.rests + 1;
        s.rests_until := moment + make_interval(secs => least(p_longest_rest_s, p_rest_s * 2 ^ least(s.rests - 1, 30)));
    END IF;
    UPDATE sources SET failures = s.failures, rests = s.rests, rests_until = s.rests_until, probed_until = s.probed_until,
            day_used = CASE WHEN day = p_taken_on THEN greatest(0, day_used - p_unused) ELSE day_used END,
            blocked_until = greatest(blocked_until, moment + make_interval(secs => p_block_s)),
            answered_at = CASE WHEN p_has_answered THEN moment ELSE answered_at END,
            latency_ms = coalesce((4 * latency_ms + p_latency_ms) / 5, p_latency_ms, latency_ms),
            failed_at = CASE WHEN p_failure IS NULL THEN failed_at ELSE moment END,
            failure = coalesce(p_failure, failure)
        WHERE name = p_name;
END $$;
