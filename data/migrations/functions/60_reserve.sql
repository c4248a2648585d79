-- Decides and records in one round trip: takes every limit that applies, all or nothing, or says which one refuses.
--
-- Locks in one order: membership, organisation. The plan, the zone and the budgets are read after the locks, so that a
-- changed plan binds the next request. A missing membership or plan refuses; a missing meter row is made.
-- Repeated with the same hold id it answers as it did the first time.
CREATE OR REPLACE FUNCTION reserve(
    p_hold uuid, p_request uuid, p_org uuid, p_user uuid, p_feature text,
    p_provider text, p_model text, p_price_version text, p_held_usd numeric, p_lifetime_s integer,
    p_counts_request boolean DEFAULT true, p_own_key boolean DEFAULT false, p_conversation uuid DEFAULT NULL,
    p_acts_as text DEFAULT 'member', p_credits numeric DEFAULT 0,
    p_idempotency_route text DEFAULT NULL, p_idempotency_key text DEFAULT NULL, p_body_sha256 bytea DEFAULT NULL,
    p_flight_key bytea DEFAULT NULL
) RETURNS reservation LANGUAGE plpgsql AS $$
DECLARE
    m member_meters;
    o org_meters;
    l plan_limits;
    h holds;
    r reservation;
    d denial;
    who record;
    overdue uuid;
    at timestamptz;
    second bigint;
    minute bigint;
    quota_limit integer;
    quota_used integer;
    has_moved boolean;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT * INTO m FROM member_meters WHERE org_id = p_org AND user_id = p_user FOR UPDATE;
    IF NOT FOUND THEN
        IF NOT make_meters(p_org, p_user) THEN
            r.outcome := 'forbidden';
            RETURN r;
        END IF;
        SELECT * INTO m FROM member_meters WHERE org_id = p_org AND user_id = p_user FOR UPDATE;
    END IF;
    SELECT * INTO h FROM holds WHERE id = p_hold;
    IF FOUND THEN
        r.outcome := CASE WHEN h.org_id = p_org AND h.user_id = p_user AND h.request_id = p_request
            AND h.state IN ('reserved', 'in_flight') THEN 'granted' ELSE 'conflict' END;
        r.hold_id := h.id;
        r.expires_at := h.expires_at;
        r.lifetime_s := extract(epoch FROM h.expires_at - assay_now());
        RETURN r;
    END IF;
    IF m.open_holds > 0 THEN
        FOR overdue IN SELECT id FROM holds WHERE org_id = p_org AND user_id = p_user
            AND state IN ('reserved', 'in_flight') AND expires_at <= assay_now() ORDER BY expires_at LIMIT 100
        LOOP
            PERFORM expire_hold(overdue);
        END LOOP;
        SELECT * INTO m FROM member_meters WHERE org_id = p_org AND user_id = p_user;
    END IF;
    SELECT * INTO o FROM org_meters WHERE org_id = p_org FOR UPDATE;
    SELECT g.zone, g.plan, g.budget_usd_month AS org_budget, s.budget_usd_month AS user_budget, s.role INTO who
        FROM memberships s JOIN organisations g ON g.id = s.org_id WHERE s.org_id = p_org AND s.user_id = p_user;
    SELECT * INTO l FROM plan_limits WHERE plan = who.plan;
    IF o.org_id IS NULL OR l.plan IS NULL OR who.role = 'viewer' OR p_acts_as <> 'member' THEN
        r.outcome := 'forbidden';
        RETURN r;
    END IF;
    at := assay_now();
    has_moved := at >= least(m.day_end, m.month_end, o.day_end, o.month_end);
    m := member_meter_at(m, at, who.zone, true);
    o := org_meter_at(o, at, who.zone, true);
    second := greatest(floor(extract(epoch FROM at))::bigint, m.minute_at);
    minute := greatest(second / 60, m.hour_at);
    m.minute_counts := rate_moved(m.minute_counts, m.minute_at, second);
    m.hour_counts := rate_moved(m.hour_counts, m.hour_at, minute);
    m.validation_counts := rate_moved(m.validation_counts, m.validation_at, second);
    m.minute_at := second;
    m.hour_at := minute;
    m.validation_at := second;

    d := plan_denial(m, l, p_feature, p_held_usd, p_counts_request, who.user_budget, at);
    d := later_denial(d, org_denial(o, l, p_feature, p_held_usd, who.org_budget));
    SELECT q.metric, q.maximum, q.used, q.resets_at
        INTO r.quota_metric, quota_limit, quota_used, r.quota_resets_at FROM feature_quota(m, o, l, p_feature) q;
    r.plan := who.plan;
    r.quota_limit := quota_limit;
    r.quota_used := quota_used;
    r.rate_limit := l.requests_minute;
    r.rate_used := rate_sum(m.minute_counts);
    r.rate_resets_at := to_timestamp(second + 60);
    IF d.code IS NOT NULL THEN
        r.outcome := 'denied';
        r.denial := d;
        r.denied_at := at;
        IF has_moved THEN
            PERFORM keep_meters(m, o);
        END IF;
        RETURN r;
    END IF;

    m.open_holds := m.open_holds + 1;
    IF p_counts_request THEN
        m.request_held := m.request_held + 1;
        m.minute_counts[second % 60 + 1] := m.minute_counts[second % 60 + 1] + 1;
        m.hour_counts[minute % 60 + 1] := m.hour_counts[minute % 60 + 1] + 1;
        r.rate_used := r.rate_used + 1;
    END IF;
    IF p_feature = 'chat_query' THEN m.chat_query_held := m.chat_query_held + 1;
    ELSIF p_feature = 'portfolio_analysis' THEN m.portfolio_analysis_held := m.portfolio_analysis_held + 1;
    ELSIF p_feature = 'sec_filing' THEN m.sec_filing_held := m.sec_filing_held + 1;
    ELSIF p_feature = 'signal_validation' THEN
        o.signal_validation_held := o.signal_validation_held + 1;
        m.validation_counts[second % 60 + 1] := m.validation_counts[second % 60 + 1] + 1;
    END IF;
    m.charge_usd_held := m.charge_usd_held + p_held_usd;
    o.charge_usd_held := o.charge_usd_held + p_held_usd;
    PERFORM keep_meters(m, o);
    r.outcome := 'granted';
    r.hold_id := p_hold;
    r.expires_at := at + make_interval(secs => p_lifetime_s);
    r.lifetime_s := p_lifetime_s;
    r.quota_used := quota_used + 1;
    INSERT INTO holds (id, org_id, user_id, acts_as, feature, provider, model, price_version, own_key, quota_held,
            request_held, held_usd, credits_held, day_start, month_start, org_day_start, org_month_start, created_at,
            expires_at, request_id, conversation_id, idempotency_route, idempotency_key, body_sha256, flight_key)
        VALUES (p_hold, p_org, p_user, p_acts_as, p_feature, p_provider, p_model, p_price_version, p_own_key,
            (p_feature IS NOT NULL)::integer, p_counts_request::integer, p_held_usd, p_credits, m.day_start,
            m.month_start, o.day_start, o.month_start, at, r.expires_at, p_request, p_conversation,
            p_idempotency_route, p_idempotency_key, p_body_sha256, p_flight_key);
    RETURN r;
END $$;
