-- Decides and records in one round trip: takes every limit that applies, all or nothing, or says which one refuses.
--
-- Locks in one order: membership, organisation, own key, wallet, free day. The plan, the zone and the budgets are read after
-- the locks, so that a changed plan binds the next request. A missing plan, a membership that is missing or has ended, and a
-- user who was deactivated refuse; a missing meter row is made.
-- Repeated with the same hold id it answers as it did the first time. NULL limits are unlimited, and counted too.
-- p_flight_key, p_cache_scope and p_cache_key name this question. Where it is being answered already, or was answered, no
-- hold is taken: settle keeps the answer in the transaction that ends the flight, so that one of both is always seen.
-- p_acts_as 'organisation': its own quota, budget and slots, none of the member's; who started it is only noted.
-- p_credits is the worst case in credits: where the allowance of an AI feature or of the month alone refuses, and the user
-- lets credits take over, they cover it instead, wholly; then its quota counts nothing.
-- p_key is the own key that the call is made with, the caller's or their organisation's, which is held for its cost.
CREATE OR REPLACE FUNCTION reserve(
    p_hold uuid, p_request uuid, p_org uuid, p_user uuid, p_feature text,
    p_provider text, p_model text, p_price_version text, p_held_usd numeric, p_lifetime_s integer,
    p_counts_request boolean DEFAULT true, p_own_key boolean DEFAULT false, p_conversation uuid DEFAULT NULL,
    p_acts_as text DEFAULT 'member', p_credits numeric DEFAULT 0,
    p_idempotency_route text DEFAULT NULL, p_idempotency_key text DEFAULT NULL, p_body_sha256 bytea DEFAULT NULL,
    p_flight_key bytea DEFAULT NULL, p_cache_scope text DEFAULT NULL, p_cache_key bytea DEFAULT NULL,
    p_key uuid DEFAULT NULL
) RETURNS reservation LANGUAGE plpgsql AS $$
DECLARE
    m member_meters;
    o org_meters;
    h holds;
    l record;
    r reservation;
    d denial;
    spent denial;
    c covering;
    x raised := ROW(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    has_credits boolean := false;
    overdue uuid;
    batch integer := (p_acts_as = 'organisation')::integer;
    at timestamptz;
    second bigint;
    minute bigint;
    has_moved boolean;
    minute_used integer;
    hour_used integer;
    chat integer := (p_feature = 'chat_query' IS TRUE)::integer;
    analysis integer := (p_feature = 'portfolio_analysis' IS TRUE)::integer;
    filing integer := (p_feature = 'sec_filing' IS TRUE)::integer;
    validation integer := (p_feature = 'signal_validation' IS TRUE)::integer;
    counts boolean := p_counts_request AND p_acts_as = 'member';
    request integer := counts::integer;
    charge numeric := CASE WHEN p_own_key THEN 0 ELSE p_held_usd END;
    key_ends timestamptz;
    key_month meter_span;
    key_used numeric;
    key_held numeric;
    key_limit numeric;
    key_scope text;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    IF p_flight_key IS NOT NULL THEN
        r.hold_id := joined_flight(p_hold, p_org, p_user, p_flight_key);
        IF r.hold_id IS NOT NULL THEN
            r.outcome := 'flight';
            RETURN r;
        END IF;
    END IF;
    IF p_cache_key IS NOT NULL THEN
        IF p_flight_key IS NULL THEN  -- a first try whose reply was lost may still be at it; flights take turns anyway
            PERFORM pg_advisory_xact_lock(hashtextextended(p_hold::text, 0));
        END IF;
        SELECT value, extract(epoch FROM expires_at - assay_now()) INTO r.entry, r.entry_life_s FROM cache_entries
            WHERE scope = p_cache_scope AND key = p_cache_key AND expires_at > assay_now()
                AND may_ask(p_org, p_user) AND NOT EXISTS (SELECT FROM holds WHERE id = p_hold);
        IF FOUND THEN
            r.outcome := 'cached';
            RETURN r;
        END IF;
    END IF;
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
        r.cover := h.cover;
        r.lifetime_s := extract(epoch FROM h.expires_at - assay_now());
        RETURN r;
    END IF;
    IF m.open_holds > 0 THEN
        FOR overdue IN SELECT id FROM holds WHERE org_id = p_org AND user_id = p_user
            AND state IN ('reserved', 'in_flight') AND expires_at <= assay_now() ORDER BY expires_at LIMIT 100
        LOOP
            PERFORM expire_hold(overdue);
        END LOOP;
        IF FOUND THEN
            SELECT * INTO m FROM member_meters WHERE org_id = p_org AND user_id = p_user;
        END IF;
    END IF;
    IF p_idempotency_key IS NOT NULL THEN
        SELECT * INTO h FROM holds WHERE org_id = p_org AND user_id = p_user AND idempotency_route = p_idempotency_route
            AND idempotency_key = p_idempotency_key AND state IN ('reserved', 'in_flight', 'settled');
        IF h.created_at <= assay_now() - interval '24 hours' THEN
            UPDATE holds SET idempotency_key = NULL WHERE id = h.id;
        ELSIF h.id IS NOT NULL THEN
            r.outcome := CASE WHEN h.body_sha256 <> p_body_sha256 THEN 'other_body' WHEN h.state = 'settled' THEN 'replay'
                ELSE 'running' END;
            r.hold_id := h.id;
            RETURN r;
        END IF;
    END IF;
    SELECT * INTO o FROM org_meters WHERE org_id = p_org FOR UPDATE;
    SELECT g.zone, pools_at(g, assay_now()) AS pools, g.budget_usd_month AS org_budget, s.budget_usd_month AS user_budget,
            s.role, u.uses_credits, p.* INTO l
        FROM memberships s JOIN users u ON u.id = s.user_id JOIN organisations g ON g.id = s.org_id
            JOIN plan_limits p ON p.plan = g.plan
        WHERE s.org_id = p_org AND s.user_id = p_user AND s.ended_at IS NULL AND u.deactivated_at IS NULL;
    IF NOT FOUND OR o.org_id IS NULL OR l.role = 'viewer' OR p_acts_as NOT IN ('member', 'organisation')
            OR (batch = 1 AND chat + analysis + filing > 0) THEN  -- those quotas are a member's
        r.outcome := 'forbidden';
        RETURN r;
    END IF;

    IF p_key IS NOT NULL THEN
        SELECT coalesce(k.expires_at, 'infinity'), k.month_start, k.month_end, k.used_usd, k.held_usd, k.limit_usd_month,
                CASE WHEN k.is_shared THEN 'organisation' ELSE 'user' END
            INTO key_ends, key_month.starts_at, key_month.ends_at, key_used, key_held, key_limit, key_scope
            FROM provider_keys k
            WHERE k.id = p_key AND k.org_id = p_org AND k.provider = p_provider AND k.revoked_at IS NULL
                AND (k.is_shared OR (k.user_id = p_user AND batch = 0)) AND p_own_key
            FOR UPDATE OF k;
        IF NOT FOUND OR key_ends <= assay_now() THEN
            r.outcome := 'key_ended';
            RETURN r;
        END IF;
    END IF;

    at := assay_now();
    IF at >= key_month.ends_at THEN
        key_month := meter_period('month', key_month.ends_at, at, l.zone);
        key_used := 0;
        key_held := 0;
    END IF;
    has_moved := at >= least(m.day_end, m.month_end, o.day_end, o.month_end);
    IF has_moved THEN
        m := member_meter_at(m, at, l.zone, true);
        o := org_meter_at(o, at, l.zone, true);
    END IF;
    second := greatest(floor(extract(epoch FROM at))::bigint, m.minute_at);
    minute := greatest(second / 60, m.hour_at);
    IF second > m.minute_at THEN
        m.minute_counts := rate_moved(m.minute_counts, m.minute_at, second);
        m.minute_at := second;
    END IF;
    IF minute > m.hour_at THEN
        m.hour_counts := rate_moved(m.hour_counts, m.hour_at, minute);
        m.hour_at := minute;
    END IF;
    IF validation = 1 AND second > m.validation_at THEN
        m.validation_counts := rate_moved(m.validation_counts, m.validation_at, second);
        m.validation_at := second;
    END IF;
    IF l.pools OR at < o.boosts_until THEN
        x := raised_limits(p_org, p_user, at, l.pools);
        l.chat_queries_day := l.chat_queries_day * x.members + x.chat_boost;
        l.portfolio_analyses_day := l.portfolio_analyses_day * x.members + x.analysis_boost;
        l.sec_filings_month := l.sec_filings_month * x.members + x.filing_boost + x.filing_carry;
        l.requests_month := l.requests_month * x.members + x.request_boost + x.request_carry;
        l.signal_validations_day := l.signal_validations_day + x.validation_boost;
    END IF;
    minute_used := rate_sum(m.minute_counts);
    hour_used := rate_sum(m.hour_counts);
    r.plan := l.plan;
    r.rate_limit := l.requests_minute;
    r.rate_used := minute_used;
    r.rate_resets_at := to_timestamp(second + 60);
    IF chat = 1 THEN
        r.quota_metric := 'chat_queries_day';
        r.quota_limit := l.chat_queries_day;
        r.quota_used := m.chat_query_used + m.chat_query_held + x.chat;
        r.quota_resets_at := m.day_end;
    ELSIF analysis = 1 THEN
        r.quota_metric := 'portfolio_analyses_day';
        r.quota_limit := l.portfolio_analyses_day;
        r.quota_used := m.portfolio_analysis_used + m.portfolio_analysis_held + x.analysis;
        r.quota_resets_at := m.day_end;
    ELSIF filing = 1 THEN
        r.quota_metric := 'sec_filings_month';
        r.quota_limit := l.sec_filings_month + m.sec_filing_carry;
        r.quota_used := m.sec_filing_used + m.sec_filing_held + x.filing;
        r.quota_resets_at := m.month_end;
    ELSIF validation = 1 THEN
        r.quota_metric := 'signal_validations_day';
        r.quota_limit := l.signal_validations_day;
        r.quota_used := o.signal_validation_used + o.signal_validation_held;
        r.quota_resets_at := o.day_end;
    END IF;

    -- Every limit is looked at; of those that refuse, the one that lasts longest is told. What the plan's allowance
    -- refuses is `spent`: it alone may be covered by credits, and where these may, it is no reason to refuse.
    IF r.quota_used >= r.quota_limit THEN
        spent := ROW('quota_exceeded', r.quota_metric,
            CASE WHEN validation = 1 OR l.pools THEN 'organisation' ELSE 'user' END,
            r.quota_limit, r.quota_used, r.quota_resets_at);
    END IF;
    IF counts AND m.request_used + m.request_held + x.request >= l.requests_month + m.request_carry THEN
        spent := later_denial(spent, ROW('quota_exceeded', 'requests_month',
            CASE WHEN l.pools THEN 'organisation' ELSE 'user' END, l.requests_month + m.request_carry,
            m.request_used + m.request_held + x.request, m.month_end)::denial);
    END IF;
    IF counts AND minute_used >= l.requests_minute THEN
        d := later_denial(d, ROW('rate_limited', 'requests_minute', 'user', l.requests_minute, minute_used,
            to_timestamp(second + rate_wait(m.minute_counts, second, l.requests_minute)))::denial);
    END IF;
    IF counts AND hour_used >= l.requests_hour THEN
        d := later_denial(d, ROW('rate_limited', 'requests_hour', 'user', l.requests_hour, hour_used,
            to_timestamp(60 * (minute + rate_wait(m.hour_counts, minute, l.requests_hour))))::denial);
    END IF;
    IF validation = 1 AND batch = 0 AND rate_sum(m.validation_counts) >= l.signal_validations_minute THEN
        d := later_denial(d, ROW('rate_limited', 'signal_validations_minute', 'user', l.signal_validations_minute,
            rate_sum(m.validation_counts),
            to_timestamp(second + rate_wait(m.validation_counts, second, l.signal_validations_minute)))::denial);
    END IF;
    IF batch = 1 AND o.open_batch_holds >= 8 THEN  -- written here as it is no plan's
        d := later_denial(d, ROW('too_many_concurrent', 'concurrent_batch_requests', 'organisation', 8,
            o.open_batch_holds, at + interval '1 second')::denial);
    END IF;
    IF batch = 0 AND m.open_holds >= l.concurrent_requests THEN
        d := later_denial(d, ROW('too_many_concurrent', 'concurrent_requests', 'user', l.concurrent_requests,
            m.open_holds, at + interval '1 second')::denial);
    END IF;
    IF batch = 0 AND m.charge_usd_used + m.charge_usd_held + charge > l.user_budget THEN
        d := later_denial(d, ROW('budget_exceeded', 'user_budget_usd_month', 'user', l.user_budget,
            m.charge_usd_used + m.charge_usd_held, m.month_end)::denial);
    END IF;
    IF o.charge_usd_used + o.charge_usd_held + charge > l.org_budget THEN
        d := later_denial(d, ROW('budget_exceeded', 'org_budget_usd_month', 'organisation', l.org_budget,
            o.charge_usd_used + o.charge_usd_held, o.month_end)::denial);
    END IF;
    IF key_used + key_held + p_held_usd > key_limit THEN
        d := later_denial(d, ROW('budget_exceeded', 'key_limit_usd_month', key_scope, key_limit, key_used + key_held,
            key_month.ends_at)::denial);
    END IF;
    IF charge > l.request_ceiling_usd THEN
        d := later_denial(d, ROW('cost_ceiling', 'request_ceiling_usd', 'request', l.request_ceiling_usd, charge,
            NULL)::denial);
    END IF;
    IF spent.code IS NOT NULL THEN
        IF NOT (p_credits > 0 AND analysis + filing + batch = 0 AND NOT p_own_key AND l.uses_credits) THEN
            d := CASE WHEN d.code IS NULL THEN spent ELSE later_denial(spent, d) END;
        ELSIF d.code IS NULL THEN
            has_credits := true;
            c := credit_cover(p_org, p_user, p_credits, m.credits_used + m.credits_held, m.month_end,
                (spent).resets_at, l.free_credits_day);
            d := c.denial;
        END IF;
    END IF;
    IF d.code IS NOT NULL THEN
        r.outcome := 'denied';
        r.denial := d;
        r.denied_at := at;
        IF NOT has_moved THEN
            RETURN r;  -- nothing changed, nothing is written
        END IF;
        has_credits := false;
        chat := 0; analysis := 0; filing := 0; validation := 0; request := 0; charge := 0; batch := 0;
    ELSE
        r.outcome := 'granted';
        r.hold_id := p_hold;
        r.lifetime_s := p_lifetime_s;
        r.cover := CASE WHEN has_credits THEN 'credits' ELSE 'plan' END;
        r.rate_used := minute_used + request;
        IF counts THEN
            m.minute_counts[second % 60 + 1] := m.minute_counts[second % 60 + 1] + 1;
            m.hour_counts[minute % 60 + 1] := m.hour_counts[minute % 60 + 1] + 1;
        END IF;
        IF validation = 1 AND batch = 0 THEN
            m.validation_counts[second % 60 + 1] := m.validation_counts[second % 60 + 1] + 1;
        END IF;
        IF has_credits THEN
            chat := 0; validation := 0;
        ELSE
            r.quota_used := r.quota_used + 1;
        END IF;
    END IF;

    UPDATE member_meters SET day_start = m.day_start, day_end = m.day_end, month_start = m.month_start,
        month_end = m.month_end, chat_query_used = m.chat_query_used, chat_query_held = m.chat_query_held + chat,
        portfolio_analysis_used = m.portfolio_analysis_used,
        portfolio_analysis_held = m.portfolio_analysis_held + analysis, sec_filing_used = m.sec_filing_used,
        sec_filing_held = m.sec_filing_held + filing, request_used = m.request_used,
        request_held = m.request_held + request, charge_usd_used = m.charge_usd_used,
        charge_usd_held = m.charge_usd_held + CASE batch WHEN 0 THEN charge ELSE 0 END, early_cuts = m.early_cuts,
        open_holds = m.open_holds + (r.outcome = 'granted')::integer - batch,
        minute_at = m.minute_at, minute_counts = m.minute_counts, hour_at = m.hour_at, hour_counts = m.hour_counts,
        validation_at = m.validation_at, validation_counts = m.validation_counts, credits_used = m.credits_used,
        credits_held = m.credits_held + CASE WHEN has_credits THEN c.taken ELSE 0 END, request_carry = m.request_carry,
        sec_filing_carry = m.sec_filing_carry
        WHERE org_id = p_org AND user_id = p_user;
    UPDATE org_meters SET day_start = o.day_start, day_end = o.day_end, month_start = o.month_start,
        month_end = o.month_end, signal_validation_used = o.signal_validation_used,
        signal_validation_held = o.signal_validation_held + validation, charge_usd_used = o.charge_usd_used,
        charge_usd_held = o.charge_usd_held + charge, open_batch_holds = o.open_batch_holds + batch
        WHERE org_id = p_org;
    IF r.outcome = 'granted' THEN
        IF p_key IS NOT NULL THEN
            UPDATE provider_keys SET month_start = key_month.starts_at, month_end = key_month.ends_at,
                used_usd = key_used, held_usd = key_held + p_held_usd, last_used_at = at WHERE id = p_key;
        END IF;
        IF p_flight_key IS NOT NULL THEN  -- its leader is overdue or has followers enough; now others follow this one
            UPDATE holds SET flight_key = NULL WHERE flight_key = p_flight_key AND state IN ('reserved', 'in_flight');
        END IF;
        INSERT INTO holds (id, org_id, user_id, acts_as, feature, provider, model, price_version, own_key, quota_held,
                request_held, held_usd, credits_held, day_start, month_start, org_day_start, org_month_start, created_at,
                expires_at, request_id, conversation_id, idempotency_route, idempotency_key, body_sha256, flight_key,
                bound_usd, key_id, key_month_start, plan, cover, free_held, free_day)
            VALUES (p_hold, p_org, p_user, p_acts_as, p_feature, p_provider, p_model, p_price_version, p_own_key,
                (p_feature IS NOT NULL AND NOT has_credits)::integer, request, charge,
                CASE WHEN has_credits THEN p_credits ELSE 0 END, m.day_start, m.month_start, o.day_start,
                o.month_start, at, at + make_interval(secs => p_lifetime_s), p_request, p_conversation,
                p_idempotency_route, p_idempotency_key, p_body_sha256, p_flight_key, p_held_usd, p_key,
                key_month.starts_at, l.plan, r.cover, coalesce(c.free, 0), c.free_day);
        IF has_credits THEN
            PERFORM hold_credits(p_hold, p_org, p_user, c.free, c.taken, c.free_day, p_hold::text);
        END IF;
    END IF;
    RETURN r;
END $$;

-- Raises a hold before a dearer model is tried, under the same money limits, and in credits where they cover it. False where
-- it cannot be: then that model is not called. Only while the hold is in flight, and in the month it was reserved in.
CREATE OR REPLACE FUNCTION top_up(p_hold uuid, p_held_usd numeric, p_credits numeric DEFAULT 0) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    h holds := locked_hold(p_hold);
    more numeric;
    needs_credits boolean;
    l record;
BEGIN
    IF h.state IS DISTINCT FROM 'in_flight' OR h.expires_at <= assay_now() THEN
        RETURN false;
    END IF;
    more := greatest(p_held_usd - h.bound_usd, 0);
    needs_credits := h.cover = 'credits' AND p_credits > h.credits_held;
    IF more = 0 AND NOT needs_credits THEN
        RETURN true;
    END IF;
    IF h.key_id IS NOT NULL THEN
        UPDATE provider_keys SET held_usd = held_usd + more
            WHERE id = h.key_id AND month_start = h.key_month_start AND revoked_at IS NULL
                AND coalesce(used_usd + held_usd + more <= limit_usd_month, true);
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    IF h.own_key THEN
        UPDATE holds SET bound_usd = p_held_usd WHERE id = p_hold;
        RETURN true;
    END IF;
    SELECT p.request_ceiling_usd, s.budget_usd_month - m.charge_usd_used - m.charge_usd_held AS user_left,
            g.budget_usd_month - o.charge_usd_used - o.charge_usd_held AS org_left INTO l
        FROM memberships s JOIN organisations g ON g.id = s.org_id JOIN plan_limits p ON p.plan = g.plan
            JOIN member_meters m ON m.org_id = s.org_id AND m.user_id = s.user_id
            JOIN org_meters o ON o.org_id = s.org_id
        WHERE s.org_id = h.org_id AND s.user_id = h.user_id
            AND m.month_start = h.month_start AND o.month_start = h.org_month_start;
    IF NOT FOUND OR h.held_usd + more > l.request_ceiling_usd OR more > l.org_left
            OR (h.acts_as = 'member' AND more > l.user_left) THEN
        RETURN false;
    END IF;
    IF needs_credits AND NOT top_up_credits(h, p_credits) THEN
        RETURN false;
    END IF;
    UPDATE holds SET held_usd = held_usd + more, bound_usd = bound_usd + more WHERE id = p_hold;
    IF h.acts_as = 'member' THEN
        UPDATE member_meters SET charge_usd_held = charge_usd_held + more WHERE org_id = h.org_id AND user_id = h.user_id;
    END IF;
    UPDATE org_meters SET charge_usd_held = charge_usd_held + more WHERE org_id = h.org_id;
    RETURN true;
END $$;
