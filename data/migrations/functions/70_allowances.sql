-- What the bound user and organisation may still use, as it stands now; reads only. For the role of pages and routes:
-- user and organisation come from the transaction, never as arguments.
CREATE OR REPLACE FUNCTION allowances()
RETURNS TABLE (metric text, scope text, period text, maximum numeric, used numeric, starts_at timestamptz,
    ends_at timestamptz) LANGUAGE plpgsql AS $$
DECLARE
    m member_meters;
    o org_meters;
    g organisations;
    l plan_limits;
    f free_days;
    cap numeric;
    today date := free_day_now();
    x raised := ROW(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    at timestamptz := assay_now();
    second bigint := floor(extract(epoch FROM at))::bigint;
    minute_used integer := 0;
    pools boolean;
    whose text;
BEGIN
    SELECT * INTO g FROM organisations WHERE id = bound_org();
    IF NOT FOUND THEN
        RETURN;
    END IF;
    pools := pools_at(g, at);
    whose := CASE WHEN pools THEN 'organisation' ELSE 'user' END;
    SELECT * INTO l FROM plan_limits WHERE plan = g.plan;
    SELECT * INTO m FROM member_meters WHERE org_id = bound_org() AND user_id = bound_user();
    IF NOT FOUND THEN
        SELECT s.starts_at, s.ends_at INTO m.day_start, m.day_end FROM meter_period('day', NULL, at, g.zone) s;
        SELECT s.starts_at, s.ends_at INTO m.month_start, m.month_end FROM meter_period('month', NULL, at, g.zone) s;
    ELSE
        minute_used := rate_sum(rate_moved(m.minute_counts, m.minute_at, second));
    END IF;
    SELECT * INTO o FROM org_meters WHERE org_id = bound_org();
    IF NOT FOUND THEN
        o.day_start := m.day_start; o.day_end := m.day_end; o.month_start := m.month_start; o.month_end := m.month_end;
    END IF;
    m := member_meter_at(m, at, g.zone, false);
    o := org_meter_at(o, at, g.zone, false);
    IF pools OR at < o.boosts_until THEN
        x := own_raised_limits(at);
    END IF;
    SELECT * INTO f FROM free_days d WHERE d.user_id = bound_user() AND d.day = today;
    SELECT s.credits_cap_month INTO cap FROM memberships s WHERE s.org_id = bound_org() AND s.user_id = bound_user();
    RETURN QUERY SELECT v.* FROM (VALUES
        ('chat_queries_day', whose, 'day', (l.chat_queries_day * x.members + x.chat_boost)::numeric,
            (coalesce(m.chat_query_used + m.chat_query_held, 0) + x.chat)::numeric, m.day_start, m.day_end),
        ('portfolio_analyses_day', whose, 'day', l.portfolio_analyses_day * x.members + x.analysis_boost,
            coalesce(m.portfolio_analysis_used + m.portfolio_analysis_held, 0) + x.analysis, m.day_start, m.day_end),
        ('signal_validations_day', 'organisation', 'day', l.signal_validations_day + x.validation_boost,
            coalesce(o.signal_validation_used + o.signal_validation_held, 0), o.day_start, o.day_end),
        ('sec_filings_month', whose, 'month',
            l.sec_filings_month * x.members + x.filing_boost + x.filing_carry + coalesce(m.sec_filing_carry, 0),
            coalesce(m.sec_filing_used + m.sec_filing_held, 0) + x.filing, m.month_start, m.month_end),
        ('requests_month', whose, 'month',
            l.requests_month * x.members + x.request_boost + x.request_carry + coalesce(m.request_carry, 0),
            coalesce(m.request_used + m.request_held, 0) + x.request, m.month_start, m.month_end),
        ('requests_minute', 'user', 'minute', l.requests_minute,
            minute_used, at - interval '1 minute', to_timestamp(second + 60)),
        ('charge_usd_month', 'user', 'month', NULL,
            coalesce(m.charge_usd_used, 0), m.month_start, m.month_end),
        ('credits_free_day', 'user', 'day', coalesce(f.granted, l.free_credits_day), coalesce(f.used + f.held, 0),
            today::timestamp AT TIME ZONE 'UTC', (today + 1)::timestamp AT TIME ZONE 'UTC'),
        ('credits_cap_month', 'user', 'month', cap,
            coalesce(m.credits_used + m.credits_held, 0), m.month_start, m.month_end)
    ) AS v (metric, scope, period, maximum, used, starts_at, ends_at);
END $$;
