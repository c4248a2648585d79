-- The house: tenants, sign-in, plans, metering, conversations, cache.
-- Every table with an org_id or a user_id is a tenant's: row-level security is enabled and forced, the role of pages
-- and routes (assay_app) sees what the transaction is bound to and nothing when unbound, the role of metering, jobs
-- and administration (assay_service) has policies of its own.

CREATE FUNCTION bound_user() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$;
CREATE FUNCTION bound_org() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.org_id', true), '')::uuid $$;
CREATE FUNCTION bound_role() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT nullif(current_setting('app.role', true), '') $$;

CREATE TABLE function_version (
    sha256 text NOT NULL
);
COMMENT ON TABLE function_version IS 'The SQL function files as last applied: one row.';
GRANT SELECT ON function_version TO assay_app, assay_service;

-- Plans -------------------------------------------------------------------------------------------------------------

CREATE TABLE plan_limits (
    plan text NOT NULL,
    chat_queries_day integer,
    portfolio_analyses_day integer,
    sec_filings_month integer,
    signal_validations_day integer,
    requests_month integer,
    requests_minute integer,
    requests_hour integer,
    signal_validations_minute integer,
    concurrent_requests integer,
    request_ceiling_usd numeric(20, 9),
    checksum text NOT NULL,
    CONSTRAINT pk_plan_limits PRIMARY KEY (plan)
);
COMMENT ON TABLE plan_limits IS 'The limits of each plan as last loaded from the plans file; NULL is unlimited.';

-- Tenants -----------------------------------------------------------------------------------------------------------

CREATE TABLE organisations (
    id uuid NOT NULL,
    name text NOT NULL,
    plan text NOT NULL,
    zone text NOT NULL DEFAULT 'UTC',
    budget_usd_month numeric(20, 9),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_organisations PRIMARY KEY (id),
    CONSTRAINT uq_organisations_name UNIQUE (name),
    CONSTRAINT fk_organisations_plan_plan_limits FOREIGN KEY (plan) REFERENCES plan_limits (plan),
    CONSTRAINT ck_organisations_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_organisations_budget_not_negative CHECK (budget_usd_month >= 0)
);
COMMENT ON COLUMN organisations.zone IS 'IANA zone of the calendar periods of all its limits.';

CREATE TABLE users (
    id uuid NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    password_hash text,
    zone text,
    is_operator boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    deactivated_at timestamptz,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_email UNIQUE (email),
    CONSTRAINT ck_users_email_normal CHECK (email = lower(btrim(email)) AND length(email) BETWEEN 3 AND 320),
    CONSTRAINT ck_users_name_length CHECK (length(name) BETWEEN 1 AND 200)
);
COMMENT ON COLUMN users.password_hash IS 'bcrypt; NULL where no password was set.';
COMMENT ON COLUMN users.zone IS 'IANA zone in which this user is shown times; NULL is that of the organisation.';

CREATE TABLE memberships (
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    budget_usd_month numeric(20, 9),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_memberships PRIMARY KEY (org_id, user_id),
    CONSTRAINT fk_memberships_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_memberships_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT ck_memberships_role CHECK (role IN ('owner', 'admin', 'analyst', 'viewer')),
    CONSTRAINT ck_memberships_budget_not_negative CHECK (budget_usd_month >= 0)
);
CREATE INDEX ix_memberships_user_id ON memberships (user_id, created_at);

-- Sign-in -----------------------------------------------------------------------------------------------------------

CREATE TABLE sign_in_tickets (
    ticket_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    org_id uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_sign_in_tickets PRIMARY KEY (ticket_hash),
    CONSTRAINT fk_sign_in_tickets_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id)
);
COMMENT ON TABLE sign_in_tickets IS 'One-time proofs of a checked password, deleted when redeemed.';

CREATE TABLE sessions (
    id uuid NOT NULL,
    session_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    org_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    address text NOT NULL,
    agent text NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (id),
    CONSTRAINT uq_sessions_session_hash UNIQUE (session_hash),
    CONSTRAINT fk_sessions_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id)
);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);

CREATE TABLE access_tokens (
    id uuid NOT NULL,
    token_hash bytea NOT NULL,
    user_id uuid NOT NULL,
    org_id uuid NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT pk_access_tokens PRIMARY KEY (id),
    CONSTRAINT uq_access_tokens_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_access_tokens_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id)
);
CREATE INDEX ix_access_tokens_user_id ON access_tokens (user_id);

CREATE TABLE attempt_buckets (
    subject text NOT NULL,
    bucket timestamptz NOT NULL,
    attempts integer NOT NULL,
    CONSTRAINT pk_attempt_buckets PRIMARY KEY (subject, bucket)
);
COMMENT ON TABLE attempt_buckets IS 'Attempts in five seconds of an address or an account, all processes together; subject is a hash.';

-- Metering ----------------------------------------------------------------------------------------------------------

CREATE TABLE member_meters (
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    day_start timestamptz NOT NULL,
    day_end timestamptz NOT NULL,
    month_start timestamptz NOT NULL,
    month_end timestamptz NOT NULL,
    chat_query_used integer NOT NULL DEFAULT 0,
    chat_query_held integer NOT NULL DEFAULT 0,
    portfolio_analysis_used integer NOT NULL DEFAULT 0,
    portfolio_analysis_held integer NOT NULL DEFAULT 0,
    sec_filing_used integer NOT NULL DEFAULT 0,
    sec_filing_held integer NOT NULL DEFAULT 0,
    request_used integer NOT NULL DEFAULT 0,
    request_held integer NOT NULL DEFAULT 0,
    charge_usd_used numeric(20, 9) NOT NULL DEFAULT 0,
    charge_usd_held numeric(20, 9) NOT NULL DEFAULT 0,
    early_cuts integer NOT NULL DEFAULT 0,
    open_holds integer NOT NULL DEFAULT 0,
    minute_at bigint NOT NULL DEFAULT 0,
    minute_counts integer[] NOT NULL DEFAULT array_fill(0, ARRAY[60]),
    hour_at bigint NOT NULL DEFAULT 0,
    hour_counts integer[] NOT NULL DEFAULT array_fill(0, ARRAY[60]),
    validation_at bigint NOT NULL DEFAULT 0,
    validation_counts integer[] NOT NULL DEFAULT array_fill(0, ARRAY[60]),
    CONSTRAINT pk_member_meters PRIMARY KEY (org_id, user_id),
    CONSTRAINT fk_member_meters_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_member_meters_not_negative CHECK (
        least(chat_query_used, chat_query_held, portfolio_analysis_used, portfolio_analysis_held, sec_filing_used,
              sec_filing_held, request_used, request_held, early_cuts, open_holds) >= 0
        AND least(charge_usd_used, charge_usd_held) >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE member_meters IS 'What one membership used and holds in the running day and month; one row, locked first.';
COMMENT ON COLUMN member_meters.minute_at IS 'Epoch second of the newest of the 60 buckets in minute_counts.';
COMMENT ON COLUMN member_meters.hour_at IS 'Epoch minute of the newest of the 60 buckets in hour_counts.';
COMMENT ON COLUMN member_meters.early_cuts IS 'Streams the client cut before the first token today; the first five are free.';

CREATE TABLE org_meters (
    org_id uuid NOT NULL,
    day_start timestamptz NOT NULL,
    day_end timestamptz NOT NULL,
    month_start timestamptz NOT NULL,
    month_end timestamptz NOT NULL,
    signal_validation_used integer NOT NULL DEFAULT 0,
    signal_validation_held integer NOT NULL DEFAULT 0,
    charge_usd_used numeric(20, 9) NOT NULL DEFAULT 0,
    charge_usd_held numeric(20, 9) NOT NULL DEFAULT 0,
    CONSTRAINT pk_org_meters PRIMARY KEY (org_id),
    CONSTRAINT fk_org_meters_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_org_meters_not_negative CHECK (
        least(signal_validation_used, signal_validation_held) >= 0 AND least(charge_usd_used, charge_usd_held) >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE org_meters IS 'What one organisation used and holds in the running day and month; one row, locked after the member''s.';

CREATE TABLE meter_periods (
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    period text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    chat_query_used integer NOT NULL DEFAULT 0,
    chat_query_held integer NOT NULL DEFAULT 0,
    portfolio_analysis_used integer NOT NULL DEFAULT 0,
    portfolio_analysis_held integer NOT NULL DEFAULT 0,
    signal_validation_used integer NOT NULL DEFAULT 0,
    signal_validation_held integer NOT NULL DEFAULT 0,
    sec_filing_used integer NOT NULL DEFAULT 0,
    sec_filing_held integer NOT NULL DEFAULT 0,
    request_used integer NOT NULL DEFAULT 0,
    request_held integer NOT NULL DEFAULT 0,
    charge_usd_used numeric(20, 9) NOT NULL DEFAULT 0,
    charge_usd_held numeric(20, 9) NOT NULL DEFAULT 0,
    CONSTRAINT pk_meter_periods PRIMARY KEY (org_id, user_id, period, starts_at),
    CONSTRAINT fk_meter_periods_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_meter_periods_period CHECK (period IN ('day', 'month')),
    CONSTRAINT ck_meter_periods_order CHECK (starts_at < ends_at)
);
COMMENT ON TABLE meter_periods IS 'Closed periods, one row each; the nil user_id is the organisation itself.';

CREATE TABLE holds (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    acts_as text NOT NULL DEFAULT 'member',
    state text NOT NULL DEFAULT 'reserved',
    cover text NOT NULL DEFAULT 'plan',
    feature text,
    provider text NOT NULL,
    model text NOT NULL,
    price_version text NOT NULL,
    own_key boolean NOT NULL DEFAULT false,
    quota_held integer NOT NULL,
    request_held integer NOT NULL,
    held_usd numeric(20, 9) NOT NULL,
    credits_held numeric(18, 6) NOT NULL DEFAULT 0,
    quota_charged integer NOT NULL DEFAULT 0,
    request_charged integer NOT NULL DEFAULT 0,
    charged_usd numeric(20, 9) NOT NULL DEFAULT 0,
    credits_charged numeric(18, 6) NOT NULL DEFAULT 0,
    cost_usd numeric(20, 9) NOT NULL DEFAULT 0,
    day_start timestamptz NOT NULL,
    month_start timestamptz NOT NULL,
    org_day_start timestamptz NOT NULL,
    org_month_start timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    in_flight_at timestamptz,
    resolved_at timestamptz,
    resolution text,
    request_id uuid NOT NULL,
    conversation_id uuid,
    idempotency_route text,
    idempotency_key text,
    body_sha256 bytea,
    flight_key bytea,
    CONSTRAINT pk_holds PRIMARY KEY (id),
    CONSTRAINT fk_holds_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_holds_state CHECK (state IN ('reserved', 'in_flight', 'settled', 'released', 'expired')),
    CONSTRAINT ck_holds_acts_as CHECK (acts_as IN ('member', 'organisation')),
    CONSTRAINT ck_holds_cover CHECK (cover IN ('plan', 'credits')),
    CONSTRAINT ck_holds_feature CHECK (feature IN ('chat_query', 'signal_validation', 'portfolio_analysis', 'sec_filing')),
    CONSTRAINT ck_holds_not_negative CHECK (
        least(quota_held, request_held, quota_charged, request_charged) >= 0
        AND least(held_usd, charged_usd, cost_usd) >= 0 AND least(credits_held, credits_charged) >= 0),
    CONSTRAINT ck_holds_resolved_once CHECK ((state IN ('reserved', 'in_flight')) = (resolved_at IS NULL)),
    CONSTRAINT ck_holds_only_settled_charges CHECK (
        state = 'settled' OR (quota_charged = 0 AND request_charged = 0 AND charged_usd = 0 AND credits_charged = 0)),
    CONSTRAINT ck_holds_called_before_settled CHECK (state <> 'settled' OR in_flight_at IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON TABLE holds IS 'Amounts reserved for requests in flight; each resolves once: settled, released or expired.';
COMMENT ON COLUMN holds.day_start IS 'The member''s day in which it was reserved: the period it is counted in, closed or not.';
CREATE INDEX ix_holds_open ON holds (org_id, user_id, expires_at) WHERE state IN ('reserved', 'in_flight');
CREATE INDEX ix_holds_member ON holds (org_id, user_id, day_start);
CREATE UNIQUE INDEX uq_holds_idempotency ON holds (org_id, user_id, idempotency_route, idempotency_key)
    WHERE idempotency_key IS NOT NULL AND state IN ('reserved', 'in_flight', 'settled');

CREATE TABLE attempts (
    id uuid NOT NULL,
    hold_id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    number integer NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    price_version text NOT NULL,
    status text NOT NULL,
    error_code text,
    prompt_tokens integer NOT NULL DEFAULT 0,
    completion_tokens integer NOT NULL DEFAULT 0,
    cached_prompt_tokens integer NOT NULL DEFAULT 0,
    estimated boolean NOT NULL DEFAULT false,
    cost_usd numeric(20, 9) NOT NULL DEFAULT 0,
    latency_ms integer NOT NULL,
    at timestamptz NOT NULL,
    CONSTRAINT pk_attempts PRIMARY KEY (id),
    CONSTRAINT uq_attempts_hold_id UNIQUE (hold_id, number),
    CONSTRAINT fk_attempts_hold_id_holds FOREIGN KEY (hold_id) REFERENCES holds (id),
    CONSTRAINT ck_attempts_status CHECK (status IN ('success', 'cut', 'broken', 'failed')),
    CONSTRAINT ck_attempts_not_negative CHECK (
        least(prompt_tokens, completion_tokens, cached_prompt_tokens, latency_ms) >= 0 AND cost_usd >= 0)
);
COMMENT ON TABLE attempts IS 'Every call to a provider, with what it cost.';

CREATE TABLE usage_log (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    request_id uuid NOT NULL,
    hold_id uuid,
    conversation_id uuid,
    channel text NOT NULL,
    status text NOT NULL,
    feature text,
    provider text NOT NULL,
    model text NOT NULL,
    price_version text,
    prompt_tokens integer NOT NULL DEFAULT 0,
    completion_tokens integer NOT NULL DEFAULT 0,
    cached_prompt_tokens integer NOT NULL DEFAULT 0,
    estimated boolean NOT NULL DEFAULT false,
    quarantine text,
    cost_usd numeric(20, 9) NOT NULL DEFAULT 0,
    charged_usd numeric(20, 9) NOT NULL DEFAULT 0,
    latency_ms integer NOT NULL DEFAULT 0,
    first_token_ms integer,
    error_code text,
    CONSTRAINT pk_usage_log PRIMARY KEY (id),
    CONSTRAINT uq_usage_log_hold_id UNIQUE (hold_id),
    CONSTRAINT fk_usage_log_hold_id_holds FOREIGN KEY (hold_id) REFERENCES holds (id),
    CONSTRAINT ck_usage_log_status CHECK (
        status IN ('success', 'cut', 'broken', 'failed', 'unresolved', 'cached', 'denied')),
    CONSTRAINT ck_usage_log_hold CHECK ((hold_id IS NULL) = (status IN ('cached', 'denied'))),
    CONSTRAINT ck_usage_log_free_without_hold CHECK (hold_id IS NOT NULL OR (cost_usd = 0 AND charged_usd = 0)),
    CONSTRAINT ck_usage_log_not_negative CHECK (
        least(prompt_tokens, completion_tokens, cached_prompt_tokens, latency_ms) >= 0
        AND least(cost_usd, charged_usd) >= 0)
);
COMMENT ON TABLE usage_log IS 'One row per request: each call with exactly one hold, each cached answer and each denial with none.';
COMMENT ON COLUMN usage_log.quarantine IS 'Why the provider''s own figures were not believed; NULL where they were.';
CREATE INDEX ix_usage_log_org_user_at ON usage_log (org_id, user_id, at DESC);
CREATE INDEX ix_usage_log_org_at ON usage_log (org_id, at DESC);

-- Conversations -----------------------------------------------------------------------------------------------------

CREATE TABLE conversations (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    title text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_conversations PRIMARY KEY (id),
    CONSTRAINT fk_conversations_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_conversations_title_length CHECK (length(title) BETWEEN 1 AND 200)
);
CREATE INDEX ix_conversations_org_user_updated ON conversations (org_id, user_id, updated_at DESC);

CREATE TABLE messages (
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    role text NOT NULL,
    text text NOT NULL,
    state text NOT NULL,
    request_id uuid,
    provider text,
    model text,
    is_cached boolean NOT NULL DEFAULT false,
    is_offline boolean NOT NULL DEFAULT false,
    is_estimated boolean NOT NULL DEFAULT false,
    prompt_tokens integer,
    completion_tokens integer,
    cost_usd numeric(20, 9),
    note text,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_messages PRIMARY KEY (id),
    CONSTRAINT fk_messages_conversation_id_conversations FOREIGN KEY (conversation_id)
        REFERENCES conversations (id) ON DELETE CASCADE,
    CONSTRAINT ck_messages_role CHECK (role IN ('user', 'assistant')),
    CONSTRAINT ck_messages_state CHECK (state IN ('complete', 'partial', 'failed', 'replaced'))
);
COMMENT ON COLUMN messages.state IS 'partial: cut off; failed: no answer came; replaced: regenerated, no longer shown.';
CREATE INDEX ix_messages_conversation ON messages (conversation_id, created_at, id);
CREATE INDEX ix_messages_tenant ON messages (org_id, user_id);

-- The shared cache --------------------------------------------------------------------------------------------------

CREATE TABLE cache_entries (
    scope text NOT NULL,
    key bytea NOT NULL,
    org_id uuid,
    user_id uuid,
    task text NOT NULL,
    value jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_cache_entries PRIMARY KEY (scope, key),
    CONSTRAINT ck_cache_entries_scope CHECK (
        scope = CASE WHEN org_id IS NULL THEN 'public' WHEN user_id IS NULL THEN 'org:' || org_id
                     ELSE 'user:' || org_id || ':' || user_id END)
);
CREATE INDEX ix_cache_entries_expires_at ON cache_entries (expires_at);
CREATE INDEX ix_cache_entries_scope_created ON cache_entries (scope, created_at);

-- Row-level security ------------------------------------------------------------------------------------------------

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['organisations', 'users', 'memberships', 'sign_in_tickets', 'sessions', 'access_tokens',
        'member_meters', 'org_meters', 'meter_periods', 'holds', 'attempts', 'usage_log', 'conversations', 'messages',
        'cache_entries']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

CREATE POLICY own_organisation ON organisations FOR SELECT TO assay_app USING (id = bound_org());
CREATE POLICY own_row ON users FOR SELECT TO assay_app USING (id = bound_user());
CREATE POLICY own_membership ON memberships FOR SELECT TO assay_app
    USING (org_id = bound_org() AND (user_id = bound_user() OR bound_role() IN ('owner', 'admin')));
CREATE POLICY own_tokens ON access_tokens FOR SELECT TO assay_app
    USING (org_id = bound_org() AND user_id = bound_user());
CREATE POLICY own_meter ON member_meters FOR SELECT TO assay_app
    USING (org_id = bound_org() AND user_id = bound_user());
CREATE POLICY own_meter ON org_meters FOR SELECT TO assay_app USING (org_id = bound_org());
CREATE POLICY own_periods ON meter_periods FOR SELECT TO assay_app
    USING (org_id = bound_org() AND user_id IN (bound_user(), '00000000-0000-0000-0000-000000000000'));
CREATE POLICY own_usage ON usage_log FOR SELECT TO assay_app
    USING (org_id = bound_org() AND (user_id = bound_user() OR bound_role() IN ('owner', 'admin')));
CREATE POLICY own_conversations ON conversations TO assay_app
    USING (org_id = bound_org() AND user_id = bound_user())
    WITH CHECK (org_id = bound_org() AND user_id = bound_user());
CREATE POLICY own_messages ON messages TO assay_app
    USING (org_id = bound_org() AND user_id = bound_user())
    WITH CHECK (org_id = bound_org() AND user_id = bound_user()
        AND EXISTS (SELECT FROM conversations c WHERE c.id = conversation_id));

GRANT USAGE ON SCHEMA assay TO assay_app, assay_service;
GRANT SELECT ON plan_limits, organisations, memberships, member_meters, org_meters, meter_periods, usage_log TO assay_app;
GRANT SELECT (id, email, name, zone, is_operator, created_at) ON users TO assay_app;
GRANT SELECT (id, user_id, org_id, name, created_at, expires_at, last_used_at, revoked_at) ON access_tokens TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON conversations, messages TO assay_app;

GRANT SELECT, INSERT, UPDATE ON plan_limits, organisations, users, memberships, access_tokens, member_meters, org_meters,
    meter_periods, holds TO assay_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, sign_in_tickets, attempt_buckets, cache_entries TO assay_service;
GRANT SELECT, INSERT ON attempts, usage_log TO assay_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON conversations, messages TO assay_service;
