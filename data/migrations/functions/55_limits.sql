-- The limits themselves: what a request may still take, and which of them refuses it.

-- The quota of one feature: its plan limit (NULL: unlimited), what is used and held, and when it resets.
CREATE OR REPLACE FUNCTION feature_quota(m member_meters, o org_meters, l plan_limits, p_feature text,
    OUT metric text, OUT maximum integer, OUT used integer, OUT resets_at timestamptz) LANGUAGE sql IMMUTABLE AS $$
    SELECT q.metric, q.maximum, q.used, q.resets_at FROM (VALUES
        ('chat_query', 'chat_queries_day', l.chat_queries_day, m.chat_query_used + m.chat_query_held, m.day_end),
        ('portfolio_analysis', 'portfolio_analyses_day', l.portfolio_analyses_day,
            m.portfolio_analysis_used + m.portfolio_analysis_held, m.day_end),
        ('sec_filing', 'sec_filings_month', l.sec_filings_month, m.sec_filing_used + m.sec_filing_held, m.month_end),
        ('signal_validation', 'signal_validations_day', l.signal_validations_day,
            o.signal_validation_used + o.signal_validation_held, o.day_end)
    ) AS q (feature, metric, maximum, used, resets_at) WHERE q.feature = p_feature
$$;

-- Of the member's limits that refuse, the one with the latest reset; a NULL code where none does.
CREATE OR REPLACE FUNCTION plan_denial(m member_meters, l plan_limits, p_feature text, p_held_usd numeric,
    p_counts_request boolean, p_budget numeric, p_now timestamptz) RETURNS denial LANGUAGE plpgsql AS $$
DECLARE
    d denial;
    q record;
    o org_meters;
BEGIN
    IF p_held_usd > l.request_ceiling_usd THEN
        d := ROW('cost_ceiling', 'request_ceiling_usd', 'request', l.request_ceiling_usd, p_held_usd, NULL);
        RETURN d;
    END IF;
    IF p_counts_request AND rate_sum(m.minute_counts) >= l.requests_minute THEN
        d := later_denial(d, ROW('rate_limited', 'requests_minute', 'user', l.requests_minute, rate_sum(m.minute_counts),
            to_timestamp(m.minute_at + rate_wait(m.minute_counts, m.minute_at, l.requests_minute)))::denial);
    END IF;
    IF p_counts_request AND rate_sum(m.hour_counts) >= l.requests_hour THEN
        d := later_denial(d, ROW('rate_limited', 'requests_hour', 'user', l.requests_hour, rate_sum(m.hour_counts),
            to_timestamp(60 * (m.hour_at + rate_wait(m.hour_counts, m.hour_at, l.requests_hour))))::denial);
    END IF;
    IF p_feature = 'signal_validation' AND rate_sum(m.validation_counts) >= l.signal_validations_minute THEN
        d := later_denial(d, ROW('rate_limited', 'signal_validations_minute', 'user', l.signal_validations_minute,
            rate_sum(m.validation_counts), to_timestamp(m.validation_at
                + rate_wait(m.validation_counts, m.validation_at, l.signal_validations_minute)))::denial);
    END IF;
    IF m.open_holds >= l.concurrent_requests THEN
        d := later_denial(d, ROW('too_many_concurrent', 'concurrent_requests', 'user', l.concurrent_requests,
            m.open_holds, p_now + interval '1 second')::denial);
    END IF;
    SELECT * INTO q FROM feature_quota(m, o, l, p_feature) WHERE p_feature <> 'signal_validation';
    IF q.used >= q.maximum THEN
        d := later_denial(d, ROW('quota_exceeded', q.metric, 'user', q.maximum, q.used, q.resets_at)::denial);
    END IF;
    IF p_counts_request AND m.request_used + m.request_held >= l.requests_month THEN
        d := later_denial(d, ROW('quota_exceeded', 'requests_month', 'user', l.requests_month,
            m.request_used + m.request_held, m.month_end)::denial);
    END IF;
    IF m.charge_usd_used + m.charge_usd_held + p_held_usd > p_budget THEN
        d := later_denial(d, ROW('budget_exceeded', 'user_budget_usd_month', 'user', p_budget,
            m.charge_usd_used + m.charge_usd_held, m.month_end)::denial);
    END IF;
    RETURN d;
END $$;

-- The same for the organisation's own limits.
CREATE OR REPLACE FUNCTION org_denial(o org_meters, l plan_limits, p_feature text, p_held_usd numeric, p_budget numeric)
RETURNS denial LANGUAGE plpgsql AS $$
DECLARE
    d denial;
BEGIN
    IF p_feature = 'signal_validation'
            AND o.signal_validation_used + o.signal_validation_held >= l.signal_validations_day THEN
        d := ROW('quota_exceeded', 'signal_validations_day', 'organisation', l.signal_validations_day,
            o.signal_validation_used + o.signal_validation_held, o.day_end);
    END IF;
    IF o.charge_usd_used + o.charge_usd_held + p_held_usd > p_budget THEN
        d := later_denial(d, ROW('budget_exceeded', 'org_budget_usd_month', 'organisation', p_budget,
            o.charge_usd_used + o.charge_usd_held, o.month_end)::denial);
    END IF;
    RETURN d;
END $$;

-- Writes both meter rows as they stand after a grant.
CREATE OR REPLACE FUNCTION keep_meters(m member_meters, o org_meters) RETURNS void LANGUAGE sql AS $$
    UPDATE member_meters SET day_start = m.day_start, day_end = m.day_end, month_start = m.month_start,
        month_end = m.month_end, chat_query_used = m.chat_query_used, chat_query_held = m.chat_query_held,
        portfolio_analysis_used = m.portfolio_analysis_used, portfolio_analysis_held = m.portfolio_analysis_held,
        sec_filing_used = m.sec_filing_used, sec_filing_held = m.sec_filing_held, request_used = m.request_used,
        request_held = m.request_held, charge_usd_used = m.charge_usd_used, charge_usd_held = m.charge_usd_held,
        early_cuts = m.early_cuts, open_holds = m.open_holds, minute_at = m.minute_at, minute_counts = m.minute_counts,
        hour_at = m.hour_at, hour_counts = m.hour_counts, validation_at = m.validation_at,
        validation_counts = m.validation_counts
        WHERE org_id = m.org_id AND user_id = m.user_id;
    UPDATE org_meters SET day_start = o.day_start, day_end = o.day_end, month_start = o.month_start,
        month_end = o.month_end, signal_validation_used = o.signal_validation_used,
        signal_validation_held = o.signal_validation_held, charge_usd_used = o.charge_usd_used,
        charge_usd_held = o.charge_usd_held
        WHERE org_id = o.org_id
$$;
