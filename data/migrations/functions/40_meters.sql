-- The two meter rows of a request: made when missing, locked member first, brought into the running period.

-- Makes the rows of a membership. False where there is no such membership.
CREATE OR REPLACE FUNCTION make_meters(p_org uuid, p_user uuid) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    zone text;
    day meter_span;
    month meter_span;
BEGIN
    SELECT o.zone INTO zone FROM memberships m JOIN organisations o ON o.id = m.org_id
        WHERE m.org_id = p_org AND m.user_id = p_user;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    day := meter_period('day', NULL, assay_now(), zone);
    month := meter_period('month', NULL, assay_now(), zone);
    INSERT INTO member_meters (org_id, user_id, day_start, day_end, month_start, month_end)
        VALUES (p_org, p_user, day.starts_at, day.ends_at, month.starts_at, month.ends_at) ON CONFLICT DO NOTHING;
    INSERT INTO org_meters (org_id, day_start, day_end, month_start, month_end)
        VALUES (p_org, day.starts_at, day.ends_at, month.starts_at, month.ends_at) ON CONFLICT DO NOTHING;
    RETURN true;
END $$;

-- Closes the member's periods that ended by p_now, keeps them in meter_periods, and opens the running ones.
CREATE OR REPLACE FUNCTION member_meter_at(m member_meters, p_now timestamptz, p_zone text, p_keep boolean)
RETURNS member_meters LANGUAGE plpgsql AS $$
DECLARE
    span meter_span;
    c carried;
BEGIN
    IF p_now >= m.day_end THEN
        IF p_keep THEN
            INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at, chat_query_used, chat_query_held,
                    portfolio_analysis_used, portfolio_analysis_held)
                VALUES (m.org_id, m.user_id, 'day', m.day_start, m.day_end, m.chat_query_used, m.chat_query_held,
                    m.portfolio_analysis_used, m.portfolio_analysis_held);
        END IF;
        span := meter_period('day', m.day_end, p_now, p_zone);
        m.day_start := span.starts_at;
        m.day_end := span.ends_at;
        m.chat_query_used := 0;
        m.chat_query_held := 0;
        m.portfolio_analysis_used := 0;
        m.portfolio_analysis_held := 0;
        m.early_cuts := 0;
    END IF;
    IF p_now >= m.month_end THEN
        IF p_keep THEN
            INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at, sec_filing_used, sec_filing_held,
                    request_used, request_held, charge_usd_used, charge_usd_held, credits_used, credits_held)
                VALUES (m.org_id, m.user_id, 'month', m.month_start, m.month_end, m.sec_filing_used, m.sec_filing_held,
                    m.request_used, m.request_held, m.charge_usd_used, m.charge_usd_held, m.credits_used,
                    m.credits_held);
        END IF;
        span := meter_period('month', m.month_end, p_now, p_zone);
        c := carried_over(m.org_id, m.month_end, span.starts_at, m.request_used + m.request_held,
            m.sec_filing_used + m.sec_filing_held);
        m.request_carry := c.requests;
        m.sec_filing_carry := c.filings;
        m.credits_used := 0;
        m.credits_held := 0;
        m.month_start := span.starts_at;
        m.month_end := span.ends_at;
        m.sec_filing_used := 0;
        m.sec_filing_held := 0;
        m.request_used := 0;
        m.request_held := 0;
        m.charge_usd_used := 0;
        m.charge_usd_held := 0;
    END IF;
    RETURN m;
END $$;

-- The same for the organisation's row; its closed periods carry the nil user.
CREATE OR REPLACE FUNCTION org_meter_at(o org_meters, p_now timestamptz, p_zone text, p_keep boolean)
RETURNS org_meters LANGUAGE plpgsql AS $$
DECLARE
    span meter_span;
    nobody uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    IF p_now >= o.day_end THEN
        IF p_keep THEN
            INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at, signal_validation_used,
                    signal_validation_held)
                VALUES (o.org_id, nobody, 'day', o.day_start, o.day_end, o.signal_validation_used,
                    o.signal_validation_held);
        END IF;
        span := meter_period('day', o.day_end, p_now, p_zone);
        o.day_start := span.starts_at;
        o.day_end := span.ends_at;
        o.signal_validation_used := 0;
        o.signal_validation_held := 0;
    END IF;
    IF p_now >= o.month_end THEN
        IF p_keep THEN
            INSERT INTO meter_periods (org_id, user_id, period, starts_at, ends_at, charge_usd_used, charge_usd_held)
                VALUES (o.org_id, nobody, 'month', o.month_start, o.month_end, o.charge_usd_used, o.charge_usd_held);
        END IF;
        span := meter_period('month', o.month_end, p_now, p_zone);
        o.month_start := span.starts_at;
        o.month_end := span.ends_at;
        o.charge_usd_used := 0;
        o.charge_usd_held := 0;
    END IF;
    RETURN o;
END $$;

-- Moves a hold's amounts from held to used, in the periods the hold names, closed or not; says what its feature has
-- used in the running period, by all who share it. Both meter rows are locked by the caller. p_credits are those of the
-- wallet. What an organisation did for itself counts in its own row alone.
CREATE OR REPLACE FUNCTION count_resolution(h holds, p_quota integer, p_request integer, p_charge numeric,
    p_credits numeric) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    nobody uuid := '00000000-0000-0000-0000-000000000000';
    chat integer := (h.feature = 'chat_query' IS TRUE)::integer;
    analysis integer := (h.feature = 'portfolio_analysis' IS TRUE)::integer;
    filing integer := (h.feature = 'sec_filing' IS TRUE)::integer;
    validation integer := (h.feature = 'signal_validation' IS TRUE)::integer;
    batch integer := (h.acts_as = 'organisation')::integer;
    member_usd numeric := CASE WHEN batch = 1 THEN 0 ELSE h.held_usd END;
    member_charge numeric := CASE WHEN batch = 1 THEN 0 ELSE p_charge END;
    m record;
    o record;
BEGIN
    UPDATE member_meters AS t SET
        open_holds = t.open_holds - 1 + batch,
        chat_query_held = t.chat_query_held - CASE t.day_start WHEN h.day_start THEN chat * h.quota_held ELSE 0 END,
        chat_query_used = t.chat_query_used + CASE t.day_start WHEN h.day_start THEN chat * p_quota ELSE 0 END,
        portfolio_analysis_held = t.portfolio_analysis_held
            - CASE t.day_start WHEN h.day_start THEN analysis * h.quota_held ELSE 0 END,
        portfolio_analysis_used = t.portfolio_analysis_used
            + CASE t.day_start WHEN h.day_start THEN analysis * p_quota ELSE 0 END,
        sec_filing_held = t.sec_filing_held
            - CASE t.month_start WHEN h.month_start THEN filing * h.quota_held ELSE 0 END,
        sec_filing_used = t.sec_filing_used
            + CASE t.month_start WHEN h.month_start THEN filing * p_quota ELSE 0 END,
        request_held = t.request_held - CASE t.month_start WHEN h.month_start THEN h.request_held ELSE 0 END,
        request_used = t.request_used + CASE t.month_start WHEN h.month_start THEN p_request ELSE 0 END,
        charge_usd_held = t.charge_usd_held - CASE t.month_start WHEN h.month_start THEN member_usd ELSE 0 END,
        charge_usd_used = t.charge_usd_used + CASE t.month_start WHEN h.month_start THEN member_charge ELSE 0 END,
        credits_held = t.credits_held
            - CASE t.month_start WHEN h.month_start THEN h.credits_held - h.free_held ELSE 0 END,
        credits_used = t.credits_used + CASE t.month_start WHEN h.month_start THEN p_credits ELSE 0 END
        WHERE t.org_id = h.org_id AND t.user_id = h.user_id
        RETURNING t.day_start, t.month_start, chat * (t.chat_query_used + t.chat_query_held)
            + analysis * (t.portfolio_analysis_used + t.portfolio_analysis_held)
            + filing * (t.sec_filing_used + t.sec_filing_held) AS used INTO m;
    UPDATE org_meters AS t SET
        open_batch_holds = t.open_batch_holds - batch,
        signal_validation_held = t.signal_validation_held
            - CASE t.day_start WHEN h.org_day_start THEN validation * h.quota_held ELSE 0 END,
        signal_validation_used = t.signal_validation_used
            + CASE t.day_start WHEN h.org_day_start THEN validation * p_quota ELSE 0 END,
        charge_usd_held = t.charge_usd_held - CASE t.month_start WHEN h.org_month_start THEN h.held_usd ELSE 0 END,
        charge_usd_used = t.charge_usd_used + CASE t.month_start WHEN h.org_month_start THEN p_charge ELSE 0 END
        WHERE t.org_id = h.org_id
        RETURNING t.day_start, t.month_start,
            validation * (t.signal_validation_used + t.signal_validation_held) AS used INTO o;
    IF m.day_start <> h.day_start AND batch = 0 THEN
        PERFORM count_closed(h, h.user_id, 'day', h.day_start, chat, analysis, 0, 0, p_quota, 0, 0, 0);
    END IF;
    IF m.month_start <> h.month_start AND batch = 0 THEN
        PERFORM count_closed(h, h.user_id, 'month', h.month_start, 0, 0, filing, 0, p_quota, p_request, p_charge,
            p_credits);
    END IF;
    IF o.day_start <> h.org_day_start THEN
        PERFORM count_closed(h, nobody, 'day', h.org_day_start, 0, 0, 0, validation, p_quota, 0, 0, 0);
    END IF;
    IF o.month_start <> h.org_month_start THEN
        PERFORM count_closed(h, nobody, 'month', h.org_month_start, 0, 0, 0, 0, 0, 0, p_charge, 0);
    END IF;
    RETURN CASE WHEN h.feature IS NOT NULL THEN m.used + o.used + used_by_others(h) END;
END $$;

-- Moves what the own key of a hold held to what it was used for, in the month that the hold names; where that is closed
-- the hold itself is the record. An answer shows that its provider accepts the key. The key is locked by the caller.
CREATE OR REPLACE FUNCTION count_key(h holds, p_cost numeric, p_has_answered boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE provider_keys AS k SET
        held_usd = k.held_usd - CASE k.month_start WHEN h.key_month_start THEN h.bound_usd ELSE 0 END,
        used_usd = k.used_usd + CASE k.month_start WHEN h.key_month_start THEN p_cost ELSE 0 END,
        refused_at = CASE WHEN p_has_answered THEN NULL ELSE k.refused_at END
        WHERE k.id = h.key_id;
END $$;

-- The same in a period that is closed. A day keeps quotas alone; a month also requests and credits (the
-- member's) and charges.
CREATE OR REPLACE FUNCTION count_closed(h holds, p_user uuid, p_period text, p_start timestamptz, p_chat integer,
    p_analysis integer, p_filing integer, p_validation integer, p_quota integer, p_request integer, p_charge numeric,
    p_credits numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_month integer := (p_period = 'month')::integer;
    of_member integer := (p_user = h.user_id)::integer;
BEGIN
    UPDATE meter_periods SET
        chat_query_held = chat_query_held - p_chat * h.quota_held,
        chat_query_used = chat_query_used + p_chat * p_quota,
        portfolio_analysis_held = portfolio_analysis_held - p_analysis * h.quota_held,
        portfolio_analysis_used = portfolio_analysis_used + p_analysis * p_quota,
        sec_filing_held = sec_filing_held - p_filing * h.quota_held,
        sec_filing_used = sec_filing_used + p_filing * p_quota,
        signal_validation_held = signal_validation_held - p_validation * h.quota_held,
        signal_validation_used = signal_validation_used + p_validation * p_quota,
        request_held = request_held - of_month * of_member * h.request_held,
        request_used = request_used + p_request,
        charge_usd_held = charge_usd_held - of_month * h.held_usd,
        charge_usd_used = charge_usd_used + p_charge,
        credits_held = credits_held - of_month * of_member * (h.credits_held - h.free_held),
        credits_used = credits_used + p_credits
        WHERE org_id = h.org_id AND user_id = p_user AND period = p_period AND starts_at = p_start;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'hold % names the % of %, which is not kept', h.id, p_period, p_start;
    END IF;
END $$;
