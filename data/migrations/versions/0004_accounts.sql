-- Accounts: joining, belonging and leaving; what a user and an organisation set for themselves.

-- Organisations of strangers may have the same name; commands that name one refuse where there are several.
ALTER TABLE organisations DROP CONSTRAINT uq_organisations_name;
CREATE INDEX ix_organisations_name ON organisations (name);
ALTER TABLE organisations
    ADD COLUMN risk_free_rate numeric(7, 6) NOT NULL DEFAULT 0.04,
    ADD COLUMN benchmark text NOT NULL DEFAULT 'SP500',
    ADD COLUMN allowed_models text[],
    ADD CONSTRAINT ck_organisations_risk_free_rate CHECK (risk_free_rate BETWEEN -0.5 AND 1),
    ADD CONSTRAINT ck_organisations_benchmark_length CHECK (length(benchmark) BETWEEN 1 AND 40);
COMMENT ON COLUMN organisations.risk_free_rate IS 'A year, as a fraction: 0.04 is 4 %.';
COMMENT ON COLUMN organisations.allowed_models IS 'Ids of the models its members may ask; NULL: all.';

ALTER TABLE users
    ADD COLUMN default_model text,
    ADD COLUMN uses_router boolean NOT NULL DEFAULT true,
    ADD COLUMN uses_credits boolean NOT NULL DEFAULT false,
    ADD COLUMN gets_notices boolean NOT NULL DEFAULT true,
    ADD CONSTRAINT ck_users_model_without_router CHECK (uses_router OR default_model IS NOT NULL);
COMMENT ON COLUMN users.default_model IS 'Model of a question that names none; NULL: that of the installation.';
COMMENT ON COLUMN users.uses_router IS 'Whether auto chooses; otherwise auto means default_model.';
COMMENT ON COLUMN users.uses_credits IS 'Whether credits of the organisation may be spent after the plan''s allowance.';
COMMENT ON COLUMN users.gets_notices IS 'Whether mails come that are neither asked for nor about safety.';

ALTER TABLE memberships ADD COLUMN ended_at timestamptz;
COMMENT ON COLUMN memberships.ended_at IS 'When the member left or was removed; NULL: belongs to it. Their usage stays.';

ALTER TABLE sign_in_tickets ADD COLUMN method text NOT NULL DEFAULT 'password',
    ADD CONSTRAINT ck_sign_in_tickets_method CHECK (method IN ('password', 'openid', 'link'));
ALTER TABLE sessions ADD COLUMN method text NOT NULL DEFAULT 'password',
    ADD CONSTRAINT ck_sessions_method CHECK (method IN ('password', 'openid', 'link'));
COMMENT ON COLUMN sessions.method IS 'What opened it: a password, a provider of OpenID Connect, or a one-time link.';

ALTER TABLE access_tokens ADD COLUMN scopes text[] NOT NULL DEFAULT '{read,ask,admin}',
    ADD CONSTRAINT ck_access_tokens_scopes CHECK (scopes <@ '{read,ask,admin}' AND cardinality(scopes) > 0),
    ADD CONSTRAINT ck_access_tokens_name_length CHECK (length(name) BETWEEN 1 AND 200);
ALTER TABLE access_tokens ALTER COLUMN scopes DROP DEFAULT;
GRANT SELECT (scopes) ON access_tokens TO assay_app;
GRANT SELECT (id, user_id, org_id, created_at, seen_at, expires_at, revoked_at, address, agent, method) ON sessions
    TO assay_app;
GRANT SELECT (default_model, uses_router, uses_credits, gets_notices, deactivated_at) ON users TO assay_app;

CREATE INDEX ix_attempt_buckets_bucket ON attempt_buckets (bucket);

CREATE TABLE sign_in_delays (
    subject text NOT NULL,
    failures integer NOT NULL,
    blocked_until timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    CONSTRAINT pk_sign_in_delays PRIMARY KEY (subject)
);
CREATE INDEX ix_sign_in_delays_seen_at ON sign_in_delays (seen_at);
COMMENT ON TABLE sign_in_delays IS 'Wrong passwords of an account or an address, all processes together, and when the next may be tried; subject is a hash.';

CREATE TABLE one_time_links (
    token_hash bytea NOT NULL,
    purpose text NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    user_id uuid,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_one_time_links PRIMARY KEY (token_hash),
    CONSTRAINT fk_one_time_links_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT ck_one_time_links_purpose CHECK (purpose IN ('join', 'reset')),
    CONSTRAINT ck_one_time_links_user CHECK ((user_id IS NOT NULL) = (purpose = 'reset'))
);
CREATE INDEX ix_one_time_links_email ON one_time_links (email);
CREATE INDEX ix_one_time_links_expires_at ON one_time_links (expires_at);
COMMENT ON TABLE one_time_links IS 'Links that were mailed and not yet followed, deleted when they are; email is as the account will have it.';

CREATE TABLE invitations (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    email text NOT NULL,
    role text NOT NULL,
    token_hash bytea NOT NULL,
    invited_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_invitations PRIMARY KEY (id),
    CONSTRAINT uq_invitations_org_id UNIQUE (org_id, email),
    CONSTRAINT uq_invitations_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_invitations_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_invitations_invited_by_users FOREIGN KEY (invited_by) REFERENCES users (id),
    CONSTRAINT ck_invitations_role CHECK (role IN ('owner', 'admin', 'analyst', 'viewer'))
);
COMMENT ON TABLE invitations IS 'Invitations that are open or late; deleted when accepted or taken back.';

CREATE TABLE openid_identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    CONSTRAINT pk_openid_identities PRIMARY KEY (issuer, subject),
    CONSTRAINT fk_openid_identities_user_id_users FOREIGN KEY (user_id) REFERENCES users (id)
);
CREATE INDEX ix_openid_identities_user_id ON openid_identities (user_id);
COMMENT ON TABLE openid_identities IS 'Who a provider''s subject is here.';

CREATE TABLE openid_answers (
    fingerprint bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_openid_answers PRIMARY KEY (fingerprint)
);
COMMENT ON TABLE openid_answers IS 'Answers of providers that opened a session: none opens a second one.';

CREATE INDEX ix_usage_log_conversation_id ON usage_log (conversation_id) WHERE conversation_id IS NOT NULL;

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['one_time_links', 'invitations', 'openid_identities']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

CREATE POLICY own_sessions ON sessions FOR SELECT TO assay_app USING (user_id = bound_user());
CREATE POLICY of_own_organisation ON invitations FOR SELECT TO assay_app
    USING (org_id = bound_org() AND bound_role() IN ('owner', 'admin'));
CREATE POLICY colleagues ON users FOR SELECT TO assay_app
    USING (bound_role() IN ('owner', 'admin')
        AND EXISTS (SELECT FROM memberships m WHERE m.org_id = bound_org() AND m.user_id = users.id));
GRANT SELECT (id, org_id, email, role, invited_by, created_at, expires_at) ON invitations TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_delays, one_time_links, invitations, openid_identities, openid_answers
    TO assay_service;
