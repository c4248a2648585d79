-- The log of usage by month, and its rollups.

-- The log --------------------------------------------------------------------------------------------------------------

-- A key of a partitioned table holds its time: one usage row for a hold is kept by naming the moment at which the hold
-- was resolved, of which it has one.
ALTER TABLE holds ADD CONSTRAINT uq_holds_id UNIQUE (id, resolved_at);

ALTER TABLE usage_log RENAME TO usage_log_before;
ALTER TABLE usage_log_before RENAME CONSTRAINT pk_usage_log TO pk_usage_log_before;
ALTER TABLE usage_log_before RENAME CONSTRAINT uq_usage_log_hold_id TO uq_usage_log_before_hold_id;
DROP INDEX ix_usage_log_org_user_at, ix_usage_log_org_at, ix_usage_log_experiment;

CREATE TABLE usage_log (
    LIKE usage_log_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS,
    CONSTRAINT pk_usage_log PRIMARY KEY (id, at),
    CONSTRAINT uq_usage_log_hold_id UNIQUE (hold_id, at),
    CONSTRAINT fk_usage_log_hold_id_holds FOREIGN KEY (hold_id, at) REFERENCES holds (id, resolved_at)
) PARTITION BY RANGE (at);
COMMENT ON TABLE usage_log IS 'One row per request: each call with exactly one hold, each cached answer and each denial with none. A partition holds a month of UTC.';
CREATE INDEX ix_usage_log_at ON usage_log USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX ix_usage_log_org_at ON usage_log (org_id, at DESC);
CREATE INDEX ix_usage_log_user_at ON usage_log (user_id, at DESC);
CREATE INDEX ix_usage_log_experiment ON usage_log (experiment_id, arm) WHERE experiment_id IS NOT NULL;

CREATE TABLE usage_log_rest PARTITION OF usage_log DEFAULT;
COMMENT ON TABLE usage_log_rest IS 'Rows of months that have no partition yet, so that no row is ever refused.';

ALTER TABLE usage_log_before NO FORCE ROW LEVEL SECURITY;
ALTER TABLE holds NO FORCE ROW LEVEL SECURITY;
DO $$
DECLARE
    month timestamp;
BEGIN
    FOR month IN SELECT DISTINCT date_trunc('month', at AT TIME ZONE 'UTC') FROM usage_log_before LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF usage_log FOR VALUES FROM (%L) TO (%L)',
            to_char(month, '"usage_log_"YYYY"_"MM'), month AT TIME ZONE 'UTC',
            (month + interval '1 month') AT TIME ZONE 'UTC');
    END LOOP;
END $$;
INSERT INTO usage_log SELECT * FROM usage_log_before ORDER BY at;
ALTER TABLE holds FORCE ROW LEVEL SECURITY;
DROP TABLE usage_log_before;

CREATE TABLE usage_progress (
    is_only boolean NOT NULL DEFAULT true,
    rolled_until timestamptz NOT NULL,
    kept_from timestamptz,
    cleared_from timestamptz,
    CONSTRAINT pk_usage_progress PRIMARY KEY (is_only),
    CONSTRAINT ck_usage_progress_only CHECK (is_only),
    CONSTRAINT ck_usage_progress_hour CHECK (rolled_until = date_trunc('hour', rolled_until, 'UTC')),
    CONSTRAINT ck_usage_progress_kept CHECK (kept_from = date_trunc('month', kept_from, 'UTC') AND kept_from <= rolled_until)
);
COMMENT ON TABLE usage_progress IS 'One row: how far the log is rolled up, and from when on it is kept.';
COMMENT ON COLUMN usage_progress.rolled_until IS 'The first moment that is in no rollup, the start of an hour.';
COMMENT ON COLUMN usage_progress.kept_from IS 'Months before it were exported and dropped; NULL: none.';
COMMENT ON COLUMN usage_progress.cleared_from IS 'Holds, attempts and closed periods of before it are gone, too; they follow kept_from.';
INSERT INTO usage_progress (rolled_until)
    SELECT date_trunc('hour', coalesce(min(at), clock_timestamp()), 'UTC') FROM usage_log;
GRANT SELECT ON usage_progress TO assay_service;
GRANT UPDATE (rolled_until, cleared_from) ON usage_progress TO assay_service;

-- What a dropped month leaves may be deleted, and nothing newer.
GRANT DELETE ON holds, attempts, meter_periods TO assay_service;
CREATE POLICY dropped_alone ON holds AS RESTRICTIVE FOR DELETE TO assay_service
    USING (resolved_at < (SELECT kept_from FROM usage_progress));
CREATE POLICY dropped_alone ON attempts AS RESTRICTIVE FOR DELETE TO assay_service
    USING (EXISTS (SELECT FROM holds h WHERE h.id = hold_id AND h.resolved_at < (SELECT kept_from FROM usage_progress)));
CREATE POLICY dropped_alone ON meter_periods AS RESTRICTIVE FOR DELETE TO assay_service
    USING (ends_at <= (SELECT kept_from FROM usage_progress));

ALTER TABLE usage_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE usage_log FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON usage_log TO assay_service USING (true) WITH CHECK (true);
CREATE POLICY own_usage ON usage_log FOR SELECT TO assay_app
    USING (org_id = bound_org() AND (user_id = bound_user() OR bound_role() IN ('owner', 'admin')));
GRANT SELECT ON usage_log TO assay_app;
GRANT SELECT, INSERT ON usage_log TO assay_service;

-- Rollups --------------------------------------------------------------------------------------------------------------

CREATE TABLE usage_late_hours (
    hour timestamptz NOT NULL,
    written_by bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    CONSTRAINT pk_usage_late_hours PRIMARY KEY (hour, written_by)
);
COMMENT ON TABLE usage_late_hours IS 'Hours to which rows were written after they had ended, by each transaction that did: they are rolled up again.';

-- A key that a request does not have is empty; latency_ms is summed over the answered.

CREATE TABLE usage_hours (
    hour timestamptz NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    feature text NOT NULL,
    channel text NOT NULL,
    plan text NOT NULL,
    requests bigint NOT NULL,
    answered bigint NOT NULL,
    cached bigint NOT NULL,
    denied bigint NOT NULL,
    failed bigint NOT NULL,
    broken bigint NOT NULL,
    cut bigint NOT NULL,
    unresolved bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cost_usd numeric(20, 9) NOT NULL,
    charged_usd numeric(20, 9) NOT NULL,
    saved_usd numeric(20, 9) NOT NULL,
    credits numeric(18, 6) NOT NULL,
    latency_ms bigint NOT NULL,
    CONSTRAINT pk_usage_hours PRIMARY KEY (hour, provider, model, feature, channel, plan)
);
COMMENT ON TABLE usage_hours IS 'The log by hour, of all organisations together.';

CREATE TABLE usage_all_days (
    day timestamptz NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    feature text NOT NULL,
    plan text NOT NULL,
    requests bigint NOT NULL,
    answered bigint NOT NULL,
    cached bigint NOT NULL,
    denied bigint NOT NULL,
    failed bigint NOT NULL,
    broken bigint NOT NULL,
    cut bigint NOT NULL,
    unresolved bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cost_usd numeric(20, 9) NOT NULL,
    charged_usd numeric(20, 9) NOT NULL,
    saved_usd numeric(20, 9) NOT NULL,
    credits numeric(18, 6) NOT NULL,
    latency_ms bigint NOT NULL,
    -- Answered requests by latency: under 10 ms, then 62 steps of 18 %, then the rest (core/db/usage_tables.py).
    ms_0 integer NOT NULL, ms_1 integer NOT NULL, ms_2 integer NOT NULL, ms_3 integer NOT NULL, ms_4 integer NOT NULL,
    ms_5 integer NOT NULL, ms_6 integer NOT NULL, ms_7 integer NOT NULL, ms_8 integer NOT NULL, ms_9 integer NOT NULL,
    ms_10 integer NOT NULL, ms_11 integer NOT NULL, ms_12 integer NOT NULL, ms_13 integer NOT NULL, ms_14 integer NOT NULL,
    ms_15 integer NOT NULL, ms_16 integer NOT NULL, ms_17 integer NOT NULL, ms_18 integer NOT NULL, ms_19 integer NOT NULL,
    ms_20 integer NOT NULL, ms_21 integer NOT NULL, ms_22 integer NOT NULL, ms_23 integer NOT NULL, ms_24 integer NOT NULL,
    ms_25 integer NOT NULL, ms_26 integer NOT NULL, ms_27 integer NOT NULL, ms_28 integer NOT NULL, ms_29 integer NOT NULL,
    ms_30 integer NOT NULL, ms_31 integer NOT NULL, ms_32 integer NOT NULL, ms_33 integer NOT NULL, ms_34 integer NOT NULL,
    ms_35 integer NOT NULL, ms_36 integer NOT NULL, ms_37 integer NOT NULL, ms_38 integer NOT NULL, ms_39 integer NOT NULL,
    ms_40 integer NOT NULL, ms_41 integer NOT NULL, ms_42 integer NOT NULL, ms_43 integer NOT NULL, ms_44 integer NOT NULL,
    ms_45 integer NOT NULL, ms_46 integer NOT NULL, ms_47 integer NOT NULL, ms_48 integer NOT NULL, ms_49 integer NOT NULL,
    ms_50 integer NOT NULL, ms_51 integer NOT NULL, ms_52 integer NOT NULL, ms_53 integer NOT NULL, ms_54 integer NOT NULL,
    ms_55 integer NOT NULL, ms_56 integer NOT NULL, ms_57 integer NOT NULL, ms_58 integer NOT NULL, ms_59 integer NOT NULL,
    ms_60 integer NOT NULL, ms_61 integer NOT NULL, ms_62 integer NOT NULL, ms_63 integer NOT NULL,
    CONSTRAINT pk_usage_all_days PRIMARY KEY (day, provider, model, feature, plan)
);
COMMENT ON TABLE usage_all_days IS 'The log by day of UTC, of all organisations together, with the spread of latencies.';

CREATE TABLE usage_org_days (
    day timestamptz NOT NULL,
    org_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    feature text NOT NULL,
    plan text NOT NULL,
    requests bigint NOT NULL,
    answered bigint NOT NULL,
    cached bigint NOT NULL,
    denied bigint NOT NULL,
    failed bigint NOT NULL,
    broken bigint NOT NULL,
    cut bigint NOT NULL,
    unresolved bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cost_usd numeric(20, 9) NOT NULL,
    charged_usd numeric(20, 9) NOT NULL,
    saved_usd numeric(20, 9) NOT NULL,
    credits numeric(18, 6) NOT NULL,
    latency_ms bigint NOT NULL,
    -- Answered requests by latency: under 10 ms, then 62 steps of 18 %, then the rest (core/db/usage_tables.py).
    ms_0 integer NOT NULL, ms_1 integer NOT NULL, ms_2 integer NOT NULL, ms_3 integer NOT NULL, ms_4 integer NOT NULL,
    ms_5 integer NOT NULL, ms_6 integer NOT NULL, ms_7 integer NOT NULL, ms_8 integer NOT NULL, ms_9 integer NOT NULL,
    ms_10 integer NOT NULL, ms_11 integer NOT NULL, ms_12 integer NOT NULL, ms_13 integer NOT NULL, ms_14 integer NOT NULL,
    ms_15 integer NOT NULL, ms_16 integer NOT NULL, ms_17 integer NOT NULL, ms_18 integer NOT NULL, ms_19 integer NOT NULL,
    ms_20 integer NOT NULL, ms_21 integer NOT NULL, ms_22 integer NOT NULL, ms_23 integer NOT NULL, ms_24 integer NOT NULL,
    ms_25 integer NOT NULL, ms_26 integer NOT NULL, ms_27 integer NOT NULL, ms_28 integer NOT NULL, ms_29 integer NOT NULL,
    ms_30 integer NOT NULL, ms_31 integer NOT NULL, ms_32 integer NOT NULL, ms_33 integer NOT NULL, ms_34 integer NOT NULL,
    ms_35 integer NOT NULL, ms_36 integer NOT NULL, ms_37 integer NOT NULL, ms_38 integer NOT NULL, ms_39 integer NOT NULL,
    ms_40 integer NOT NULL, ms_41 integer NOT NULL, ms_42 integer NOT NULL, ms_43 integer NOT NULL, ms_44 integer NOT NULL,
    ms_45 integer NOT NULL, ms_46 integer NOT NULL, ms_47 integer NOT NULL, ms_48 integer NOT NULL, ms_49 integer NOT NULL,
    ms_50 integer NOT NULL, ms_51 integer NOT NULL, ms_52 integer NOT NULL, ms_53 integer NOT NULL, ms_54 integer NOT NULL,
    ms_55 integer NOT NULL, ms_56 integer NOT NULL, ms_57 integer NOT NULL, ms_58 integer NOT NULL, ms_59 integer NOT NULL,
    ms_60 integer NOT NULL, ms_61 integer NOT NULL, ms_62 integer NOT NULL, ms_63 integer NOT NULL,
    CONSTRAINT pk_usage_org_days PRIMARY KEY (day, org_id, provider, model, feature, plan)
);
COMMENT ON TABLE usage_org_days IS 'The log by day of UTC and organisation, with the spread of latencies.';
CREATE INDEX ix_usage_org_days_org ON usage_org_days (org_id, day);

CREATE TABLE usage_org_quarters (
    quarter timestamptz NOT NULL,
    org_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    requests bigint NOT NULL,
    answered bigint NOT NULL,
    cached bigint NOT NULL,
    denied bigint NOT NULL,
    failed bigint NOT NULL,
    broken bigint NOT NULL,
    cut bigint NOT NULL,
    unresolved bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cost_usd numeric(20, 9) NOT NULL,
    charged_usd numeric(20, 9) NOT NULL,
    saved_usd numeric(20, 9) NOT NULL,
    credits numeric(18, 6) NOT NULL,
    latency_ms bigint NOT NULL,
    CONSTRAINT pk_usage_org_quarters PRIMARY KEY (quarter, org_id, provider, model)
);
COMMENT ON TABLE usage_org_quarters IS 'The log by quarter of an hour and organisation: the days of every zone are made of them.';
CREATE INDEX ix_usage_org_quarters_org ON usage_org_quarters (org_id, quarter);

CREATE TABLE usage_days (
    day timestamptz NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    feature text NOT NULL,
    plan text NOT NULL,
    requests bigint NOT NULL,
    answered bigint NOT NULL,
    cached bigint NOT NULL,
    denied bigint NOT NULL,
    failed bigint NOT NULL,
    broken bigint NOT NULL,
    cut bigint NOT NULL,
    unresolved bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cost_usd numeric(20, 9) NOT NULL,
    charged_usd numeric(20, 9) NOT NULL,
    saved_usd numeric(20, 9) NOT NULL,
    credits numeric(18, 6) NOT NULL,
    latency_ms bigint NOT NULL,
    CONSTRAINT pk_usage_days PRIMARY KEY (day, org_id, user_id, provider, model, feature, plan)
);
COMMENT ON TABLE usage_days IS 'The log by day of UTC, organisation and user.';
CREATE INDEX ix_usage_days_org ON usage_days (org_id, day);

CREATE TABLE usage_user_days (
    day timestamptz NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    plan text NOT NULL,
    requests bigint NOT NULL,
    answered bigint NOT NULL,
    cached bigint NOT NULL,
    denied bigint NOT NULL,
    failed bigint NOT NULL,
    broken bigint NOT NULL,
    cut bigint NOT NULL,
    unresolved bigint NOT NULL,
    prompt_tokens bigint NOT NULL,
    completion_tokens bigint NOT NULL,
    cost_usd numeric(20, 9) NOT NULL,
    charged_usd numeric(20, 9) NOT NULL,
    saved_usd numeric(20, 9) NOT NULL,
    credits numeric(18, 6) NOT NULL,
    latency_ms bigint NOT NULL,
    CONSTRAINT pk_usage_user_days PRIMARY KEY (day, org_id, user_id, plan)
);
COMMENT ON TABLE usage_user_days IS 'The log by day of UTC and user, whatever they asked.';
CREATE INDEX ix_usage_user_days_org ON usage_user_days (org_id, day);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['usage_org_days', 'usage_org_quarters', 'usage_days', 'usage_user_days'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;
GRANT SELECT, INSERT, DELETE ON usage_late_hours, usage_hours, usage_all_days, usage_org_days, usage_org_quarters, usage_days,
    usage_user_days TO assay_service;
