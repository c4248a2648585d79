-- The gateway: how models fare, keys of organisations and users, flags, experiments, and what guards found.

ALTER TABLE organisations ADD COLUMN allowed_providers text[], ADD COLUMN default_model text,
    ADD COLUMN asks_models boolean NOT NULL DEFAULT true,
    ADD CONSTRAINT ck_organisations_allowed_providers CHECK (cardinality(allowed_providers) BETWEEN 1 AND 100),
    ADD CONSTRAINT ck_organisations_default_model CHECK (length(default_model) BETWEEN 1 AND 100);
COMMENT ON COLUMN organisations.allowed_providers IS 'Providers that members may ask; NULL is all.';
COMMENT ON COLUMN organisations.default_model IS 'Model of a question that names none, where its asker has no default; NULL is the installation''s.';
COMMENT ON COLUMN organisations.asks_models IS 'Whether members may ask models of providers at all; what answers offline is not switched off.';

CREATE TABLE model_states (
    provider text NOT NULL,
    model text NOT NULL DEFAULT '',
    failures integer NOT NULL DEFAULT 0,
    rests integer NOT NULL DEFAULT 0,
    rests_until timestamptz,
    probed_until timestamptz,
    blocked_until timestamptz,
    answered_at timestamptz,
    first_token_ms integer,
    calls bigint NOT NULL DEFAULT 0,
    failed_calls bigint NOT NULL DEFAULT 0,
    failed_at timestamptz,
    failure text,
    CONSTRAINT pk_model_states PRIMARY KEY (provider, model),
    CONSTRAINT ck_model_states_rests CHECK ((rests = 0) = (rests_until IS NULL)),
    CONSTRAINT ck_model_states_not_negative CHECK (least(failures, rests, calls, failed_calls) >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE model_states IS 'How each provider and model fares, all processes together; an own key''s troubles are not in it.';
COMMENT ON COLUMN model_states.model IS 'Empty: the provider as a whole.';
COMMENT ON COLUMN model_states.failures IS 'Failures since its last answer.';
COMMENT ON COLUMN model_states.rests IS 'How often its circuit was opened since it was last closed; each time for longer.';
COMMENT ON COLUMN model_states.rests_until IS 'The circuit is open until then, and half open after it; NULL: it is closed.';
COMMENT ON COLUMN model_states.probed_until IS 'Until then one call finds out whether a half open circuit can be closed.';
COMMENT ON COLUMN model_states.blocked_until IS 'It said itself that it takes nothing before (Retry-After).';
COMMENT ON COLUMN model_states.first_token_ms IS 'Of its latest answers, a moving mean.';
COMMENT ON COLUMN model_states.failure IS 'Kind of its last failure, at failed_at: the name of an error class.';

CREATE TABLE provider_keys (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    is_shared boolean NOT NULL,
    provider text NOT NULL,
    name text NOT NULL,
    secret bytea,
    last_four text NOT NULL,
    limit_usd_month numeric(20, 9),
    month_start timestamptz NOT NULL,
    month_end timestamptz NOT NULL,
    used_usd numeric(20, 9) NOT NULL DEFAULT 0,
    held_usd numeric(20, 9) NOT NULL DEFAULT 0,
    expires_at timestamptz,
    warned_at timestamptz,
    last_used_at timestamptz,
    refused_at timestamptz,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT pk_provider_keys PRIMARY KEY (id),
    CONSTRAINT uq_provider_keys_id UNIQUE (id, org_id),
    CONSTRAINT fk_provider_keys_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_provider_keys_name CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT ck_provider_keys_last_four CHECK (length(last_four) <= 4),
    CONSTRAINT ck_provider_keys_secret CHECK ((secret IS NULL) = (revoked_at IS NOT NULL)),
    CONSTRAINT ck_provider_keys_not_negative CHECK (least(used_usd, held_usd) >= 0 AND limit_usd_month >= 0)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX uq_provider_keys_own ON provider_keys (org_id, user_id, provider)
    WHERE NOT is_shared AND revoked_at IS NULL;
CREATE UNIQUE INDEX uq_provider_keys_shared ON provider_keys (org_id, provider) WHERE is_shared AND revoked_at IS NULL;
COMMENT ON TABLE provider_keys IS 'Keys with which an organisation or a user pays a provider themselves.';
COMMENT ON COLUMN provider_keys.user_id IS 'Whose it is; of a shared one, who gave it.';
COMMENT ON COLUMN provider_keys.is_shared IS 'Whether it is the organisation''s, used for all its members; a user''s own goes first.';
COMMENT ON COLUMN provider_keys.secret IS 'Encrypted under ENCRYPTION_KEYS (Fernet); gone with a revoked key. The app role cannot read it.';
COMMENT ON COLUMN provider_keys.month_start IS 'The calendar month, in the organisation''s zone, that used_usd and held_usd count.';
COMMENT ON COLUMN provider_keys.refused_at IS 'When its provider last said that it does not accept it; NULL: it did not, or it was mended.';

COMMENT ON COLUMN alerts.webhook_secret IS 'What messages are signed with, encrypted under ENCRYPTION_KEYS (Fernet) after
"fernet:", or as it is from before there was a key; the app role cannot read it.';

ALTER TABLE holds ADD COLUMN key_id uuid, ADD COLUMN key_month_start timestamptz,
    ADD CONSTRAINT fk_holds_key_id_provider_keys FOREIGN KEY (key_id, org_id) REFERENCES provider_keys (id, org_id),
    ADD CONSTRAINT ck_holds_key CHECK ((key_id IS NULL) = (key_month_start IS NULL)),
    ADD CONSTRAINT ck_holds_own_key CHECK (own_key OR key_id IS NULL);
CREATE INDEX ix_holds_key ON holds (key_id) WHERE key_id IS NOT NULL;
COMMENT ON COLUMN holds.key_id IS 'The own key that the call is made with, which is held for its cost; NULL: the platform''s.';

ALTER TABLE usage_log ADD COLUMN own_key boolean NOT NULL DEFAULT false, ADD COLUMN intent text,
    ADD COLUMN complexity text, ADD COLUMN prompt_version text, ADD COLUMN experiment_id uuid, ADD COLUMN arm text,
    ADD CONSTRAINT ck_usage_log_arm CHECK ((experiment_id IS NULL) = (arm IS NULL));
CREATE INDEX ix_usage_log_experiment ON usage_log (experiment_id, arm) WHERE experiment_id IS NOT NULL;
COMMENT ON COLUMN usage_log.own_key IS 'Whether the asker''s own key or their organisation''s paid for it.';
COMMENT ON COLUMN usage_log.intent IS 'What the router took the question for; NULL: it was not routed.';

CREATE TABLE flags (
    name text NOT NULL,
    description text NOT NULL,
    is_on boolean NOT NULL,
    plans text[] NOT NULL DEFAULT '{}',
    org_ids uuid[] NOT NULL DEFAULT '{}',
    user_ids uuid[] NOT NULL DEFAULT '{}',
    percentage numeric(5, 2) NOT NULL DEFAULT 100,
    changed_at timestamptz NOT NULL,
    changed_by uuid NOT NULL,
    CONSTRAINT pk_flags PRIMARY KEY (name),
    CONSTRAINT fk_flags_changed_by_users FOREIGN KEY (changed_by) REFERENCES users (id),
    CONSTRAINT ck_flags_name CHECK (name ~ '^[a-z][a-z0-9._:/-]{0,119}$'),
    CONSTRAINT ck_flags_percentage CHECK (percentage BETWEEN 0 AND 100)
);
COMMENT ON TABLE flags IS 'Switches of the installation; one named model:ID or provider:NAME decides who is offered that.';
COMMENT ON COLUMN flags.plans IS 'It is on for these plans, organisations and users; all three empty: for everyone.';
COMMENT ON COLUMN flags.percentage IS 'The share of those users for whom it is on; a user is always on the same side.';

CREATE TABLE experiments (
    id uuid NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    task text NOT NULL,
    variant text NOT NULL,
    percentage numeric(5, 2) NOT NULL,
    plans text[] NOT NULL DEFAULT '{}',
    org_ids uuid[] NOT NULL DEFAULT '{}',
    started_at timestamptz NOT NULL,
    ended_at timestamptz,
    started_by uuid NOT NULL,
    CONSTRAINT pk_experiments PRIMARY KEY (id),
    CONSTRAINT fk_experiments_started_by_users FOREIGN KEY (started_by) REFERENCES users (id),
    CONSTRAINT ck_experiments_kind CHECK (kind IN ('model', 'prompt')),
    CONSTRAINT ck_experiments_name CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT ck_experiments_percentage CHECK (percentage > 0 AND percentage < 100)
);
CREATE UNIQUE INDEX uq_experiments_running ON experiments (task) WHERE ended_at IS NULL;
COMMENT ON TABLE experiments IS 'A share of calls answered by another model or prompt, compared with the rest.';
COMMENT ON COLUMN experiments.variant IS 'Id of the model, or name of the prompt, that the share gets.';

CREATE TABLE guard_events (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    request_id uuid,
    guard text NOT NULL,
    action text NOT NULL,
    detail text NOT NULL,
    score double precision,
    found integer NOT NULL DEFAULT 1,
    CONSTRAINT pk_guard_events PRIMARY KEY (id),
    CONSTRAINT fk_guard_events_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_guard_events_action CHECK (action IN ('refused', 'redacted', 'withheld', 'noted')),
    CONSTRAINT ck_guard_events_detail CHECK (length(detail) <= 200)
);
CREATE INDEX ix_guard_events_org ON guard_events (org_id, at DESC);
COMMENT ON TABLE guard_events IS 'What guards found, and did; never the text that they found it in.';
COMMENT ON COLUMN guard_events.detail IS 'Kinds and rules, as in "email, iban" or "override"; nothing that a user wrote.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['provider_keys', 'guard_events']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

CREATE POLICY own_or_shared ON provider_keys TO assay_app
    USING (org_id = bound_org() AND (user_id = bound_user() OR is_shared))
    WITH CHECK (org_id = bound_org() AND user_id = bound_user());
CREATE POLICY seen ON guard_events FOR SELECT TO assay_app
    USING (org_id = bound_org() AND (user_id = bound_user() OR bound_role() IN ('owner', 'admin')));

GRANT SELECT (id, org_id, user_id, is_shared, provider, name, last_four, limit_usd_month, month_start, month_end, used_usd,
    held_usd, expires_at, last_used_at, refused_at, created_at, revoked_at) ON provider_keys TO assay_app;
GRANT SELECT ON model_states, flags, experiments, guard_events TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON model_states, provider_keys, flags, experiments, guard_events TO assay_service;
