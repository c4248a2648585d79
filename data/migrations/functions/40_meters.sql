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
                    request_used, request_held, charge_usd_used, charge_usd_held)
                VALUES (m.org_id, m.user_id, 'month', m.month_start, m.month_end, m.sec_filing_used, m.sec_filing_held,
                    m.request_used, m.request_held, m.charge_usd_used, m.charge_usd_held);
        END IF;
        span := meter_period('month', m.month_end, p_now, p_zone);
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

-- Moves a hold's amounts from held to used, in the periods the hold names, closed or not. The rows are locked.
CREATE OR REPLACE FUNCTION count_resolution(h holds, p_quota integer, p_request integer, p_charge numeric)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    nobody uuid := '00000000-0000-0000-0000-000000000000';
    chat integer := (h.feature IS NOT DISTINCT FROM 'chat_query')::integer;
    analysis integer := (h.feature IS NOT DISTINCT FROM 'portfolio_analysis')::integer;
    filing integer := (h.feature IS NOT DISTINCT FROM 'sec_filing')::integer;
    validation integer := (h.feature IS NOT DISTINCT FROM 'signal_validation')::integer;
    m member_meters;
    o org_meters;
    day integer;
    month integer;
BEGIN
    SELECT * INTO m FROM member_meters WHERE org_id = h.org_id AND user_id = h.user_id;
    SELECT * INTO o FROM org_meters WHERE org_id = h.org_id;
    day := (m.day_start = h.day_start)::integer;
    month := (m.month_start = h.month_start)::integer;
    UPDATE member_meters SET
        open_holds = open_holds - 1,
        chat_query_held = chat_query_held - day * chat * h.quota_held,
        chat_query_used = chat_query_used + day * chat * p_quota,
        portfolio_analysis_held = portfolio_analysis_held - day * analysis * h.quota_held,
        portfolio_analysis_used = portfolio_analysis_used + day * analysis * p_quota,
        sec_filing_held = sec_filing_held - month * filing * h.quota_held,
        sec_filing_used = sec_filing_used + month * filing * p_quota,
        request_held = request_held - month * h.request_held,
        request_used = request_used + month * p_request,
        charge_usd_held = charge_usd_held - month * h.held_usd,
        charge_usd_used = charge_usd_used + month * p_charge
        WHERE org_id = h.org_id AND user_id = h.user_id;
    IF day = 0 THEN
        UPDATE meter_periods SET
            chat_query_held = chat_query_held - chat * h.quota_held,
            chat_query_used = chat_query_used + chat * p_quota,
            portfolio_analysis_held = portfolio_analysis_held - analysis * h.quota_held,
            portfolio_analysis_used = portfolio_analysis_used + analysis * p_quota
            WHERE org_id = h.org_id AND user_id = h.user_id AND period = 'day' AND starts_at = h.day_start;
    END IF;
    IF month = 0 THEN
        UPDATE meter_periods SET
            sec_filing_held = sec_filing_held - filing * h.quota_held,
            sec_filing_used = sec_filing_used + filing * p_quota,
            request_held = request_held - h.request_held,
            request_used = request_used + p_request,
            charge_usd_held = charge_usd_held - h.held_usd,
            charge_usd_used = charge_usd_used + p_charge
            WHERE org_id = h.org_id AND user_id = h.user_id AND period = 'month' AND starts_at = h.month_start;
    END IF;
    day := (o.day_start = h.org_day_start)::integer;
    month := (o.month_start = h.org_month_start)::integer;
    UPDATE org_meters SET
        signal_validation_held = signal_validation_held - day * validation * h.quota_held,
        signal_validation_used = signal_validation_used + day * validation * p_quota,
        charge_usd_held = charge_usd_held - month * h.held_usd,
        charge_usd_used = charge_usd_used + month * p_charge
        WHERE org_id = h.org_id;
    IF day = 0 THEN
        UPDATE meter_periods SET
            signal_validation_held = signal_validation_held - validation * h.quota_held,
            signal_validation_used = signal_validation_used + validation * p_quota
            WHERE org_id = h.org_id AND user_id = nobody AND period = 'day' AND starts_at = h.org_day_start;
    END IF;
    IF month = 0 THEN
        UPDATE meter_periods SET
            charge_usd_held = charge_usd_held - h.held_usd, charge_usd_used = charge_usd_used + p_charge
            WHERE org_id = h.org_id AND user_id = nobody AND period = 'month' AND starts_at = h.org_month_start;
    END IF;
END $$;
