-- How a hold ends: settled, released or expired, never two of these, never left open.

-- Locks the meters of a hold's membership and organisation, its own key, and, where credits cover it, the wallet and the
-- free day, in that order, and reads the hold behind them.
CREATE OR REPLACE FUNCTION locked_hold(p_hold uuid) RETURNS holds LANGUAGE plpgsql AS $$
DECLARE
    h holds;
    org uuid;
    member uuid;
    key uuid;
    covered_by text;
    day_of_free date;
BEGIN
    SELECT org_id, user_id, key_id, cover, free_day INTO org, member, key, covered_by, day_of_free FROM holds WHERE id = p_hold;
    IF FOUND THEN
        PERFORM 1 FROM member_meters WHERE org_id = org AND user_id = member FOR UPDATE;
        PERFORM 1 FROM org_meters WHERE org_id = org FOR UPDATE;
        IF key IS NOT NULL THEN
            PERFORM 1 FROM provider_keys WHERE id = key FOR UPDATE;
        END IF;
        IF covered_by = 'credits' THEN
            PERFORM 1 FROM wallets WHERE org_id = org FOR UPDATE;
            PERFORM 1 FROM free_days WHERE user_id = member AND day = day_of_free FOR UPDATE;
        END IF;
        SELECT * INTO h FROM holds WHERE id = p_hold FOR UPDATE;
    END IF;
    RETURN h;
END $$;

-- What the others of a pool used of a hold's feature in their running periods; 0 where it is not pooled.
CREATE OR REPLACE FUNCTION used_by_others(h holds) RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
    x raised;
BEGIN
    IF h.feature = 'signal_validation'
            OR NOT EXISTS (SELECT FROM organisations g WHERE g.id = h.org_id AND pools_at(g, assay_now())) THEN
        RETURN 0;
    END IF;
    x := raised_limits(h.org_id, h.user_id, assay_now(), true);
    RETURN CASE h.feature WHEN 'chat_query' THEN x.chat WHEN 'portfolio_analysis' THEN x.analysis ELSE x.filing END;
END $$;

-- What a hold's feature has used in the running period, by all who share it.
CREATE OR REPLACE FUNCTION feature_used(h holds) RETURNS integer LANGUAGE plpgsql STABLE AS $$
DECLARE
    m member_meters;
    o org_meters;
BEGIN
    SELECT * INTO m FROM member_meters WHERE org_id = h.org_id AND user_id = h.user_id;
    SELECT * INTO o FROM org_meters WHERE org_id = h.org_id;
    RETURN used_by_others(h) + CASE h.feature
        WHEN 'chat_query' THEN m.chat_query_used + m.chat_query_held
        WHEN 'portfolio_analysis' THEN m.portfolio_analysis_used + m.portfolio_analysis_held
        WHEN 'sec_filing' THEN m.sec_filing_used + m.sec_filing_held
        WHEN 'signal_validation' THEN o.signal_validation_used + o.signal_validation_held
    END;
END $$;

-- Writes the attempts of a call; those that are written already stay as they are.
CREATE OR REPLACE FUNCTION log_attempts(h holds, p_at timestamptz, p_attempts jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO attempts (id, hold_id, org_id, user_id, number, provider, model, price_version, status, error_code,
            prompt_tokens, completion_tokens, cached_prompt_tokens, estimated, cost_usd, latency_ms, at)
        SELECT a.id, h.id, h.org_id, h.user_id, a.number, a.provider, a.model, a.price_version, a.status, a.error_code,
            coalesce(a.prompt_tokens, 0), coalesce(a.completion_tokens, 0), coalesce(a.cached_prompt_tokens, 0),
            coalesce(a.estimated, false), coalesce(a.cost_usd, 0), coalesce(a.latency_ms, 0), p_at
        FROM jsonb_to_recordset(p_attempts) AS a (id uuid, number integer, provider text, model text,
            price_version text, status text, error_code text, prompt_tokens integer, completion_tokens integer,
            cached_prompt_tokens integer, estimated boolean, cost_usd numeric, latency_ms integer)
        ON CONFLICT (hold_id, number) DO NOTHING;
END $$;

-- Writes the one usage row of a resolved call, and its attempts.
CREATE OR REPLACE FUNCTION log_call(h holds, p_at timestamptz, p_status text, p_cost_usd numeric, p_charged_usd numeric,
    p_credits numeric, p_usage jsonb, p_attempts jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage_log (id, at, org_id, user_id, request_id, hold_id, conversation_id, channel, status, feature,
            provider, model, price_version, prompt_tokens, completion_tokens, cached_prompt_tokens, estimated, quarantine,
            cost_usd, charged_usd, latency_ms, first_token_ms, error_code, own_key, intent, complexity, prompt_version,
            experiment_id, arm, plan, credits, cover)
        VALUES (h.id, p_at, h.org_id, h.user_id, h.request_id, h.id, h.conversation_id,
            coalesce(p_usage ->> 'channel', 'api'), p_status, h.feature, coalesce(p_usage ->> 'provider', h.provider),
            coalesce(p_usage ->> 'model', h.model), coalesce(p_usage ->> 'price_version', h.price_version),
            coalesce((p_usage ->> 'prompt_tokens')::integer, 0), coalesce((p_usage ->> 'completion_tokens')::integer, 0),
            coalesce((p_usage ->> 'cached_prompt_tokens')::integer, 0),
            coalesce((p_usage ->> 'estimated')::boolean, false), p_usage ->> 'quarantine', p_cost_usd, p_charged_usd,
            coalesce((p_usage ->> 'latency_ms')::integer, 0), (p_usage ->> 'first_token_ms')::integer,
            p_usage ->> 'error_code', h.own_key, p_usage ->> 'intent', p_usage ->> 'complexity',
            p_usage ->> 'prompt_version', (p_usage ->> 'experiment_id')::uuid, p_usage ->> 'arm',
            h.plan, p_credits, h.cover);
    IF p_attempts <> '[]' THEN
        PERFORM log_attempts(h, p_at, p_attempts);
    END IF;
END $$;

-- Keeps an answer in the shared cache, best effort: an entry that cannot be kept never undoes a settlement.
-- p_entry: {scope, key (hex), org_id, user_id, task, life_s, value}, or NULL.
CREATE OR REPLACE FUNCTION keep_entry(p_entry jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := assay_now();
BEGIN
    IF p_entry IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO cache_entries (scope, key, org_id, user_id, task, value, created_at, expires_at)
        VALUES (p_entry ->> 'scope', decode(p_entry ->> 'key', 'hex'), (p_entry ->> 'org_id')::uuid,
            (p_entry ->> 'user_id')::uuid, p_entry ->> 'task', p_entry -> 'value', at,
            at + make_interval(secs => (p_entry ->> 'life_s')::integer))
        ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, task = excluded.task,
            created_at = excluded.created_at, expires_at = excluded.expires_at;
EXCEPTION WHEN OTHERS THEN
    RAISE LOG 'an answer was not cached: %', SQLSTATE;
END $$;

-- The synchronous mark before the first provider is called; its flush covers the reservation. It touches the hold alone.
-- False where the hold expired, was resolved, or was marked before.
CREATE OR REPLACE FUNCTION mark_in_flight(p_hold uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE holds SET state = 'in_flight', in_flight_at = assay_now()
        WHERE id = p_hold AND state = 'reserved' AND expires_at > assay_now();
    RETURN FOUND;
END $$;

-- Ends an overdue hold: nothing is charged. A call that began is logged as unresolved, the hold its upper bound.
CREATE OR REPLACE FUNCTION expire_hold(p_hold uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    h holds := locked_hold(p_hold);
    at timestamptz := assay_now();
BEGIN
    IF h.id IS NULL OR h.state NOT IN ('reserved', 'in_flight') OR h.expires_at > at THEN
        RETURN false;
    END IF;
    UPDATE holds SET state = 'expired', resolved_at = at,
        cost_usd = CASE h.state WHEN 'in_flight' THEN h.bound_usd ELSE 0 END,
        resolution = CASE h.state WHEN 'in_flight' THEN 'unresolved' ELSE 'never_called' END WHERE id = p_hold;
    PERFORM count_resolution(h, 0, 0, 0, 0);
    IF h.cover = 'credits' THEN
        PERFORM return_credits(h, h.free_held, h.credits_held - h.free_held);
    END IF;
    IF h.key_id IS NOT NULL THEN
        PERFORM count_key(h, CASE h.state WHEN 'in_flight' THEN h.bound_usd ELSE 0 END, false);
    END IF;
    IF h.state = 'in_flight' THEN
        PERFORM log_call(h, at, 'unresolved', h.bound_usd, 0, 0, '{"estimated": true}', '[]');
    END IF;
    RETURN true;
END $$;

-- What a hold that can no longer be resolved answers: it expires now if it is overdue; a late worker's attempts are kept.
CREATE OR REPLACE FUNCTION late_resolution(h holds, p_at timestamptz, p_attempts jsonb) RETURNS resolution
LANGUAGE plpgsql AS $$
DECLARE
    is_overdue boolean := h.state IN ('reserved', 'in_flight') AND h.expires_at <= p_at;
BEGIN
    IF h.id IS NULL THEN
        RETURN ROW('unknown', false, 0, 0, NULL, 0)::resolution;
    END IF;
    IF is_overdue THEN
        PERFORM expire_hold(h.id);
    END IF;
    IF (is_overdue OR h.state = 'expired') AND h.in_flight_at IS NOT NULL THEN
        PERFORM log_attempts(h, p_at, p_attempts);
    END IF;
    RETURN ROW(CASE WHEN is_overdue THEN 'expired' WHEN h.state = 'reserved' THEN 'not_open' ELSE h.state END,
        is_overdue, h.charged_usd, h.quota_charged, feature_used(h), h.credits_charged)::resolution;
END $$;

-- Charges a call that answered, once: counters, hold, usage row and attempts in one transaction.
-- p_outcome: success; cut (the client or our time limit stopped it after the first token); early_cut (the client, before
-- the first token: the first five of a member's day are free, then the request and p_charged_usd).
-- p_credits is what it came to in credits, and charged where they cover it, free ones first; what exceeds the hold takes
-- those that its day has left before the wallet's.
-- p_entry is what the cache keeps of the answer, p_answer what a repeat of its Idempotency-Key gets; both may be NULL.
CREATE OR REPLACE FUNCTION settle(p_hold uuid, p_outcome text, p_charged_usd numeric, p_cost_usd numeric,
    p_usage jsonb DEFAULT '{}', p_attempts jsonb DEFAULT '[]', p_entry jsonb DEFAULT NULL, p_answer jsonb DEFAULT NULL,
    p_credits numeric DEFAULT 0)
RETURNS resolution LANGUAGE plpgsql AS $$
DECLARE
    h holds := locked_hold(p_hold);
    at timestamptz := assay_now();
    is_free boolean := false;
    quota integer;
    request integer;
    charge numeric;
    credits numeric := 0;
    free numeric := 0;
    used integer;
BEGIN
    IF h.state IS DISTINCT FROM 'in_flight' OR h.expires_at <= at THEN
        RETURN late_resolution(h, at, p_attempts);
    END IF;
    IF p_outcome = 'early_cut' THEN
        UPDATE member_meters SET early_cuts = early_cuts + 1 WHERE org_id = h.org_id AND user_id = h.user_id
            RETURNING early_cuts <= 5 INTO is_free;
    ELSIF p_outcome NOT IN ('success', 'cut') THEN
        RAISE EXCEPTION 'settle: unknown outcome %', p_outcome USING ERRCODE = 'invalid_parameter_value';
    END IF;
    quota := CASE WHEN is_free THEN 0 ELSE h.quota_held END;
    request := CASE WHEN is_free THEN 0 ELSE h.request_held END;
    charge := CASE WHEN is_free OR h.own_key THEN 0 ELSE p_charged_usd END;
    IF h.cover = 'credits' AND NOT is_free THEN
        credits := p_credits;
        IF credits > h.credits_held THEN
            free := free_for(h, credits - h.credits_held);
            PERFORM hold_credits(h.id, h.org_id, h.user_id, free, 0, h.free_day, h.id || ':settled');
            h.credits_held := h.credits_held + free;
            h.free_held := h.free_held + free;
        END IF;
        free := least(credits, h.free_held);
    END IF;
    UPDATE holds SET state = 'settled', credits_held = h.credits_held, free_held = h.free_held, resolved_at = at, resolution = p_outcome, quota_charged = quota,
        request_charged = request, charged_usd = charge, credits_charged = credits, free_charged = free,
        cost_usd = p_cost_usd,
        idempotency_key = CASE WHEN is_free THEN NULL ELSE idempotency_key END
        WHERE id = p_hold;
    used := count_resolution(h, quota, request, charge, credits - free);
    IF h.cover = 'credits' THEN
        PERFORM charge_credits(h, free, credits - free);
    END IF;
    IF h.key_id IS NOT NULL THEN
        PERFORM count_key(h, p_cost_usd, p_outcome <> 'early_cut');
    END IF;
    PERFORM log_call(h, at, CASE p_outcome WHEN 'success' THEN 'success' ELSE 'cut' END, p_cost_usd, charge,
        credits, p_usage, p_attempts);
    PERFORM keep_entry(p_entry);
    IF p_answer IS NOT NULL AND h.idempotency_key IS NOT NULL AND NOT is_free THEN
        INSERT INTO kept_answers (hold_id, org_id, user_id, value, expires_at)
            VALUES (h.id, h.org_id, h.user_id, jsonb_set(p_answer, '{charged_usd}', to_jsonb(charge::text)),
                h.created_at + interval '24 hours');
    END IF;
    RETURN ROW('settled', true, charge, quota, used, credits)::resolution;
END $$;

-- Returns everything a failed call held, in the transaction that records the failure.
-- p_status: failed (no answer), broken (the provider's stream ended before the answer did), or never_called (no row).
CREATE OR REPLACE FUNCTION release(p_hold uuid, p_status text, p_cost_usd numeric DEFAULT 0,
    p_usage jsonb DEFAULT '{}', p_attempts jsonb DEFAULT '[]')
RETURNS resolution LANGUAGE plpgsql AS $$
DECLARE
    h holds := locked_hold(p_hold);
    at timestamptz := assay_now();
    used integer;
BEGIN
    IF h.state IS NULL OR h.state NOT IN ('reserved', 'in_flight') OR h.expires_at <= at THEN
        RETURN late_resolution(h, at, p_attempts);
    END IF;
    UPDATE holds SET state = 'released', resolved_at = at, resolution = p_status, cost_usd = p_cost_usd WHERE id = p_hold;
    used := count_resolution(h, 0, 0, 0, 0);
    IF h.cover = 'credits' THEN
        PERFORM return_credits(h, h.free_held, h.credits_held - h.free_held);
    END IF;
    IF h.key_id IS NOT NULL THEN
        PERFORM count_key(h, p_cost_usd, false);
    END IF;
    IF p_status <> 'never_called' THEN
        PERFORM log_call(h, at, p_status, p_cost_usd, 0, 0, p_usage, p_attempts);
    END IF;
    RETURN ROW('released', true, 0, 0, used, 0)::resolution;
END $$;
