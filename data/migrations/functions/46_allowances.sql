-- What changes a plan's limits for a time: plans in time, what is carried over, boosts, pools.

-- The plan of an organisation at a moment; before its first one, that.
CREATE OR REPLACE FUNCTION plan_at(p_org uuid, p_moment timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT plan FROM organisation_plans WHERE org_id = p_org
        ORDER BY starts_at > p_moment, abs(extract(epoch FROM starts_at - p_moment)) LIMIT 1
$$;

-- Whether the quotas of an organisation's members are one at a moment: one that was switched off is so until its month ends.
CREATE OR REPLACE FUNCTION pools_at(g organisations, p_at timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE
    AS $$ SELECT g.pools_allowances OR coalesce(p_at < g.pools_until, false) $$;

-- What the month that begins at p_starts gets of the month before it: a share of what its plan allowed at its end and
-- was not used. The figures are those of the month that ended at p_ended; where that was an earlier one, the month
-- before was not used at all. A month in which a pool held carries nothing over; none is shorter than 27 days.
CREATE OR REPLACE FUNCTION carried_over(p_org uuid, p_ended timestamptz, p_starts timestamptz, p_requests integer,
    p_filings integer) RETURNS carried LANGUAGE plpgsql STABLE AS $$
DECLARE
    c carried;
BEGIN
    IF p_starts > p_ended THEN
        p_requests := 0;
        p_filings := 0;
    END IF;
    SELECT floor(l.carry_over_share * greatest(0, l.requests_month - p_requests)),
            floor(l.carry_over_share * greatest(0, l.sec_filings_month - p_filings)) INTO c.requests, c.filings
        FROM organisations g JOIN plan_limits l ON l.plan = plan_at(p_org, p_starts - interval '1 microsecond')
        WHERE g.id = p_org AND NOT pools_at(g, p_starts - interval '27 days');
    c.requests := coalesce(c.requests, 0);
    c.filings := coalesce(c.filings, 0);
    RETURN c;
END $$;

-- What raises the limits of a member: the boosts that are in force; and, where the organisation pools its allowances,
-- how many share them, what the others have used and hold in their running periods, and what was carried over to them.
CREATE OR REPLACE FUNCTION raised_limits(p_org uuid, p_user uuid, p_at timestamptz, p_pools boolean) RETURNS raised
LANGUAGE plpgsql STABLE AS $$
DECLARE
    x raised;
BEGIN
    SELECT coalesce(sum(amount) FILTER (WHERE metric = 'chat_queries_day'), 0),
            coalesce(sum(amount) FILTER (WHERE metric = 'portfolio_analyses_day'), 0),
            coalesce(sum(amount) FILTER (WHERE metric = 'sec_filings_month'), 0),
            coalesce(sum(amount) FILTER (WHERE metric = 'requests_month'), 0),
            coalesce(sum(amount) FILTER (WHERE metric = 'signal_validations_day'), 0)
        INTO x.chat_boost, x.analysis_boost, x.filing_boost, x.request_boost, x.validation_boost
        FROM boosts WHERE org_id = p_org AND state = 'granted' AND starts_at <= p_at AND ends_at > p_at
            AND (p_pools OR user_id IS NULL OR user_id = p_user);
    x.members := 1;
    IF p_pools THEN
        SELECT count(*) INTO x.members FROM memberships s JOIN users u ON u.id = s.user_id
            WHERE s.org_id = p_org AND s.ended_at IS NULL AND s.role <> 'viewer' AND u.deactivated_at IS NULL;
        SELECT sum(chat_query_used + chat_query_held) FILTER (WHERE day_end > p_at),
                sum(portfolio_analysis_used + portfolio_analysis_held) FILTER (WHERE day_end > p_at),
                sum(sec_filing_used + sec_filing_held) FILTER (WHERE month_end > p_at),
                sum(request_used + request_held) FILTER (WHERE month_end > p_at),
                sum(sec_filing_carry) FILTER (WHERE month_end > p_at), sum(request_carry) FILTER (WHERE month_end > p_at)
            INTO x.chat, x.analysis, x.filing, x.request, x.filing_carry, x.request_carry
            FROM member_meters WHERE org_id = p_org AND user_id <> p_user;
    END IF;
    x.chat := coalesce(x.chat, 0);
    x.analysis := coalesce(x.analysis, 0);
    x.filing := coalesce(x.filing, 0);
    x.request := coalesce(x.request, 0);
    x.filing_carry := coalesce(x.filing_carry, 0);
    x.request_carry := coalesce(x.request_carry, 0);
    RETURN x;
END $$;

-- The same for the bound member; others' rows are summed up, and none is shown.
CREATE OR REPLACE FUNCTION own_raised_limits(p_at timestamptz) RETURNS raised LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = assay, pg_temp AS $$
    SELECT raised_limits(g.id, bound_user(), p_at, pools_at(g, p_at)) FROM organisations g WHERE g.id = bound_org()
$$;

-- Pools the quotas of an organisation's members, or no longer; then the pool lasts until the month of each has ended, so
-- that nobody is granted a period's allowance again.
CREATE OR REPLACE FUNCTION set_pooling(p_org uuid, p_pools boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz;
BEGIN
    IF NOT p_pools THEN
        SELECT greatest((meter_period('month', NULL, assay_now(), g.zone)).ends_at, max(m.day_end), max(m.month_end))
            INTO until FROM organisations g LEFT JOIN member_meters m ON m.org_id = g.id WHERE g.id = p_org GROUP BY g.id;
    END IF;
    UPDATE organisations SET pools_allowances = p_pools,
        pools_until = CASE WHEN pools_allowances OR p_pools THEN until ELSE pools_until END WHERE id = p_org;
END $$;

-- Grants a boost from now on, as it was asked for or otherwise, or refuses it; NULL where there is no such request.
CREATE OR REPLACE FUNCTION decide_boost(p_id uuid, p_org uuid, p_grants boolean, p_by uuid, p_note text,
    p_amount integer, p_life_s double precision) RETURNS boosts LANGUAGE plpgsql AS $$
DECLARE
    b boosts;
    at timestamptz := assay_now();
    day meter_span;
    month meter_span;
BEGIN
    UPDATE boosts SET state = CASE WHEN p_grants THEN 'granted' ELSE 'refused' END, amount = coalesce(p_amount, amount),
            starts_at = at, ends_at = at + coalesce(make_interval(secs => p_life_s), ends_at - starts_at),
            decided_by = p_by, decided_at = at, note = p_note
        WHERE id = p_id AND state = 'requested' AND (p_org IS NULL OR org_id = p_org) RETURNING * INTO b;
    IF b.state = 'granted' THEN
        SELECT p.* INTO day FROM organisations g CROSS JOIN LATERAL meter_period('day', NULL, at, g.zone) p
            WHERE g.id = b.org_id;
        SELECT p.* INTO month FROM organisations g CROSS JOIN LATERAL meter_period('month', NULL, at, g.zone) p
            WHERE g.id = b.org_id;
        INSERT INTO org_meters AS o (org_id, day_start, day_end, month_start, month_end, boosts_until)
            VALUES (b.org_id, day.starts_at, day.ends_at, month.starts_at, month.ends_at, b.ends_at)
            ON CONFLICT (org_id) DO UPDATE SET boosts_until = greatest(o.boosts_until, excluded.boosts_until);
    END IF;
    RETURN b;
END $$;

-- Ends a boost that is in force, now; NULL where there is none.
CREATE OR REPLACE FUNCTION end_boost(p_id uuid, p_org uuid, p_by uuid, p_note text) RETURNS boosts LANGUAGE plpgsql AS $$
DECLARE
    b boosts;
    at timestamptz := assay_now();
BEGIN
    UPDATE boosts SET state = 'ended', ends_at = greatest(at, starts_at + interval '1 microsecond'), decided_by = p_by,
            decided_at = at, note = coalesce(p_note, note)
        WHERE id = p_id AND state = 'granted' AND ends_at > at AND (p_org IS NULL OR org_id = p_org) RETURNING * INTO b;
    RETURN b;
END $$;
