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
    at timestamptz := assay_now();
    second bigint := floor(extract(epoch FROM at))::bigint;
    minute_used integer := 0;
BEGIN
    SELECT * INTO g FROM organisations WHERE id = bound_org();
    IF NOT FOUND THEN
        RETURN;
    END IF;
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
    RETURN QUERY SELECT v.* FROM (VALUES
        ('chat_queries_day', 'user', 'day', l.chat_queries_day::numeric,
            coalesce(m.chat_query_used + m.chat_query_held, 0)::numeric, m.day_start, m.day_end),
        ('portfolio_analyses_day', 'user', 'day', l.portfolio_analyses_day,
            coalesce(m.portfolio_analysis_used + m.portfolio_analysis_held, 0), m.day_start, m.day_end),
        ('signal_validations_day', 'organisation', 'day', l.signal_validations_day,
            coalesce(o.signal_validation_used + o.signal_validation_held, 0), o.day_start, o.day_end),
        ('sec_filings_month', 'user', 'month', l.sec_filings_month,
            coalesce(m.sec_filing_used + m.sec_filing_held, 0), m.month_start, m.month_end),
        ('requests_month', 'user', 'month', l.requests_month,
            coalesce(m.request_used + m.request_held, 0), m.month_start, m.month_end),
        ('requests_minute', 'user', 'minute', l.requests_minute,
            minute_used, at - interval '1 minute', to_timestamp(second + 60)),
        ('charge_usd_month', 'user', 'month', NULL,
            coalesce(m.charge_usd_used, 0), m.month_start, m.month_end)
    ) AS v (metric, scope, period, maximum, used, starts_at, ends_at);
END $$;
