-- How models and their providers fare: one row for each, and one for each provider as a whole, for all processes.

-- Writes down what came of calls, and moves the circuits. p_rows: for each row {provider, model, has_answered,
-- answered_ago_s, failures (after the last answer), calls, failed_calls, failed_ago_s, failure, block_s, first_token_ms,
-- ends_probe, is_probe_failed}.
-- An answer closes a circuit unless it came before the last failure; a failure opens one that is closed and has had
-- enough of them, or one that it was to find out about. Late words about an open one do not prolong its rest.
CREATE OR REPLACE FUNCTION model_report(p_rows jsonb, p_most_failures integer, p_rest_s double precision,
    p_longest_rest_s double precision) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    r record;
    s model_states;
    moment timestamptz;
    answered timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    FOR r IN SELECT * FROM jsonb_to_recordset(p_rows) AS p (provider text, model text, has_answered boolean,
            answered_ago_s double precision, failures integer, calls integer, failed_calls integer,
            failed_ago_s double precision, failure text, block_s double precision, first_token_ms integer,
            ends_probe boolean, is_probe_failed boolean)
        ORDER BY p.provider, p.model
    LOOP
        INSERT INTO model_states (provider, model) VALUES (r.provider, r.model) ON CONFLICT DO NOTHING;
        SELECT * INTO STRICT s FROM model_states WHERE provider = r.provider AND model = r.model FOR UPDATE;
        moment := assay_now();
        answered := CASE WHEN r.has_answered THEN moment - make_interval(secs => r.answered_ago_s) END;
        IF answered IS NOT NULL AND (s.rests_until IS NULL OR answered >= s.failed_at) THEN
            s.failures := 0;
            s.rests := 0;
            s.rests_until := NULL;
            s.probed_until := NULL;
        END IF;
        s.failures := s.failures + r.failures;
        IF r.ends_probe THEN
            s.probed_until := NULL;
        END IF;
        IF r.is_probe_failed OR (r.failures > 0 AND s.rests_until IS NULL AND s.failures >= p_most_failures) THEN
            s.rests := s.rests + 1;
            s.rests_until := moment
                + make_interval(secs => least(p_longest_rest_s, p_rest_s * 2 ^ least(s.rests - 1, 30)));
        END IF;
        UPDATE model_states SET failures = s.failures, rests = s.rests, rests_until = s.rests_until,
                probed_until = s.probed_until,
                blocked_until = greatest(blocked_until, moment + make_interval(secs => r.block_s)),
                answered_at = greatest(answered_at, answered),
                first_token_ms = coalesce((4 * first_token_ms + r.first_token_ms) / 5, r.first_token_ms, first_token_ms),
                calls = calls + r.calls, failed_calls = failed_calls + r.failed_calls,
                failed_at = greatest(failed_at, moment - make_interval(secs => r.failed_ago_s)),
                failure = coalesce(r.failure, failure)
            WHERE provider = r.provider AND model = r.model;
    END LOOP;
END $$;

-- Lets one call, of all processes, find out whether what rests answers again: a model, its provider, or both (probes
-- names them, the provider by an empty text). Not granted where another finds out, or the rest is not over: then
-- wait_s. A probe that never comes back is given up after p_probe_s.
CREATE OR REPLACE FUNCTION model_probe(p_provider text, p_model text, p_probe_s double precision)
RETURNS TABLE (granted boolean, wait_s double precision, probes text[]) LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM 1 FROM model_states WHERE provider = p_provider AND model IN ('', p_model) ORDER BY model FOR UPDATE;
    moment := assay_now();
    SELECT extract(epoch FROM max(greatest(s.rests_until, s.probed_until, s.blocked_until)) - moment),
            array_agg(s.model) FILTER (WHERE s.rests_until IS NOT NULL)
        INTO wait_s, probes
        FROM model_states s WHERE s.provider = p_provider AND s.model IN ('', p_model);
    granted := coalesce(wait_s, 0) <= 0;
    IF granted THEN
        UPDATE model_states s SET probed_until = moment + make_interval(secs => p_probe_s)
            WHERE s.provider = p_provider AND s.model = ANY (probes);
    END IF;
    RETURN NEXT;
END $$;
