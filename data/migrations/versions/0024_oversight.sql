-- Alerts of oversight: what fires, what organisations and operators set, where it is told, and what is on its way there.

CREATE TABLE oversight_alerts (
    id uuid NOT NULL,
    rule text NOT NULL,
    level text NOT NULL,
    org_id uuid,
    user_id uuid,
    subject text NOT NULL,
    period text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    advice text NOT NULL,
    value numeric(20, 9) NOT NULL,
    threshold numeric(20, 9) NOT NULL,
    is_muted boolean NOT NULL,
    told_at timestamptz,
    raised_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    cleared_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    CONSTRAINT pk_oversight_alerts PRIMARY KEY (id),
    CONSTRAINT fk_oversight_alerts_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_oversight_alerts_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT fk_oversight_alerts_acknowledged_by_users FOREIGN KEY (acknowledged_by) REFERENCES users (id),
    CONSTRAINT ck_oversight_alerts_level CHECK (level IN ('warning', 'critical')),
    CONSTRAINT ck_oversight_alerts_member CHECK (user_id IS NULL OR org_id IS NOT NULL),
    CONSTRAINT ck_oversight_alerts_told CHECK (is_muted = (told_at IS NULL)),
    CONSTRAINT ck_oversight_alerts_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
    CONSTRAINT ck_oversight_alerts_texts CHECK (length(title) BETWEEN 1 AND 200 AND length(body) <= 2000
        AND length(advice) <= 1000 AND length(subject) <= 200 AND length(period) <= 80)
) WITH (fillfactor = 80);
-- What has a period is told once in it, what has none once while it lasts, however many processes find it at once.
CREATE UNIQUE INDEX uq_oversight_alerts_period ON oversight_alerts (rule, org_id, user_id, subject, period)
    NULLS NOT DISTINCT WHERE period <> '';
CREATE UNIQUE INDEX uq_oversight_alerts_open ON oversight_alerts (rule, org_id, user_id, subject)
    NULLS NOT DISTINCT WHERE period = '' AND cleared_at IS NULL;
CREATE INDEX ix_oversight_alerts_scope ON oversight_alerts (org_id, raised_at DESC, id DESC);
CREATE INDEX ix_oversight_alerts_firing ON oversight_alerts (rule) WHERE cleared_at IS NULL;
CREATE INDEX ix_oversight_alerts_raised_at ON oversight_alerts (raised_at);
COMMENT ON TABLE oversight_alerts IS 'What a rule found, from when it was raised until it cleared; kept for a while after.';
COMMENT ON COLUMN oversight_alerts.org_id IS 'Whose it is; NULL: the installation''s.';
COMMENT ON COLUMN oversight_alerts.user_id IS 'The member whom it concerns; NULL: their organisation, or the installation, as a whole.';
COMMENT ON COLUMN oversight_alerts.subject IS 'What it is about: a metric, a provider, a key, a kind of jobs.';
COMMENT ON COLUMN oversight_alerts.period IS 'The day or month that it holds for; empty: it holds until it clears.';
COMMENT ON COLUMN oversight_alerts.is_muted IS 'Whether nobody was told of it yet, as its rule is muted; they are once that is over, if it still holds.';
COMMENT ON COLUMN oversight_alerts.told_at IS 'When it was told in the app and recorded for channels.';
COMMENT ON COLUMN oversight_alerts.seen_at IS 'When its rule was last found to hold.';

CREATE TABLE oversight_rules (
    id uuid NOT NULL,
    org_id uuid,
    rule text NOT NULL,
    is_on boolean NOT NULL,
    threshold numeric(20, 9),
    muted_until timestamptz,
    changed_at timestamptz NOT NULL,
    changed_by uuid NOT NULL,
    CONSTRAINT pk_oversight_rules PRIMARY KEY (id),
    CONSTRAINT fk_oversight_rules_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_oversight_rules_changed_by_users FOREIGN KEY (changed_by) REFERENCES users (id),
    CONSTRAINT ck_oversight_rules_rule CHECK (rule ~ '^[a-z][a-z0-9_]{0,59}$'),
    CONSTRAINT ck_oversight_rules_threshold CHECK (threshold > 0)
);
CREATE UNIQUE INDEX uq_oversight_rules_rule ON oversight_rules (org_id, rule) NULLS NOT DISTINCT;
COMMENT ON TABLE oversight_rules IS 'What an organisation, or the installation (org_id NULL), set for a rule; without a row the rule''s own hold.';
COMMENT ON COLUMN oversight_rules.threshold IS 'In the rule''s unit; NULL: the rule''s own.';

CREATE TABLE oversight_channels (
    id uuid NOT NULL,
    org_id uuid,
    kind text NOT NULL,
    name text NOT NULL,
    host text NOT NULL,
    url text NOT NULL,
    secret text,
    least_level text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by uuid NOT NULL,
    CONSTRAINT pk_oversight_channels PRIMARY KEY (id),
    CONSTRAINT fk_oversight_channels_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_oversight_channels_created_by_users FOREIGN KEY (created_by) REFERENCES users (id),
    CONSTRAINT ck_oversight_channels_kind CHECK (kind IN ('slack', 'discord', 'webhook')),
    CONSTRAINT ck_oversight_channels_secret CHECK ((kind = 'webhook') = (secret IS NOT NULL)),
    CONSTRAINT ck_oversight_channels_name CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT ck_oversight_channels_level CHECK (least_level IN ('warning', 'critical'))
);
CREATE INDEX ix_oversight_channels_scope ON oversight_channels (org_id, created_at);
COMMENT ON TABLE oversight_channels IS 'Where alerts are told beside the app and mail: addresses of Slack, Discord and other receivers.';
COMMENT ON COLUMN oversight_channels.host IS 'Of the address, to be shown.';
COMMENT ON COLUMN oversight_channels.url IS 'The address, which is a secret itself; encrypted under ENCRYPTION_KEYS (Fernet) after "fernet:" where there is
a key; the app role cannot read it.';
COMMENT ON COLUMN oversight_channels.secret IS 'What messages are signed with, encrypted under ENCRYPTION_KEYS as the address is.';
COMMENT ON COLUMN oversight_channels.least_level IS 'The least grave alerts that are told there.';

CREATE TABLE oversight_deliveries (
    id uuid NOT NULL,
    alert_id uuid,
    org_id uuid,
    user_id uuid,
    channel text NOT NULL,
    channel_id uuid,
    event text NOT NULL,
    message jsonb NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    due_at timestamptz,
    quiet_until timestamptz,
    said text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT pk_oversight_deliveries PRIMARY KEY (id),
    CONSTRAINT fk_oversight_deliveries_alert_id_oversight_alerts FOREIGN KEY (alert_id)
        REFERENCES oversight_alerts (id) ON DELETE CASCADE,
    CONSTRAINT fk_oversight_deliveries_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_oversight_deliveries_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT ck_oversight_deliveries_channel CHECK (channel IN ('mail', 'slack', 'discord', 'webhook')),
    CONSTRAINT ck_oversight_deliveries_to CHECK ((channel = 'mail') = (user_id IS NOT NULL)
        AND (channel <> 'webhook' OR channel_id IS NOT NULL)
        AND (channel = 'mail' OR channel_id IS NOT NULL OR org_id IS NULL)),
    CONSTRAINT ck_oversight_deliveries_event CHECK (event IN ('raised', 'cleared', 'test')),
    CONSTRAINT ck_oversight_deliveries_alert CHECK ((event = 'test') = (alert_id IS NULL)),
    CONSTRAINT ck_oversight_deliveries_status CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT ck_oversight_deliveries_due CHECK ((status = 'pending') = (due_at IS NOT NULL))
);
CREATE UNIQUE INDEX uq_oversight_deliveries_once ON oversight_deliveries (alert_id, event, channel, channel_id, user_id)
    NULLS NOT DISTINCT WHERE alert_id IS NOT NULL;
CREATE INDEX ix_oversight_deliveries_due_at ON oversight_deliveries (due_at) WHERE status = 'pending';
CREATE INDEX ix_oversight_deliveries_scope ON oversight_deliveries (org_id, created_at DESC, id DESC);
CREATE INDEX ix_oversight_deliveries_created_at ON oversight_deliveries (created_at);
COMMENT ON TABLE oversight_deliveries IS 'What is told of an alert, and to whom, recorded before anything is sent.';
COMMENT ON COLUMN oversight_deliveries.channel_id IS 'Which address; NULL: a person''s mail, or the one that the installation''s settings name.';
COMMENT ON COLUMN oversight_deliveries.due_at IS 'When it is tried next; while it is being tried, when that is given up as lost.';
COMMENT ON COLUMN oversight_deliveries.quiet_until IS 'Until when its receiver asked to be left alone, with everything that is for it.';
COMMENT ON COLUMN oversight_deliveries.said IS 'What went wrong at the last attempt.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['oversight_alerts', 'oversight_rules', 'oversight_channels', 'oversight_deliveries']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY managers ON %I FOR SELECT TO assay_app '
            'USING (org_id = bound_org() AND bound_role() IN (''owner'', ''admin''))', name);
    END LOOP;
END $$;

GRANT SELECT ON oversight_alerts, oversight_rules, oversight_deliveries TO assay_app;
GRANT SELECT (id, org_id, kind, name, host, least_level, created_at, created_by) ON oversight_channels TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON oversight_alerts, oversight_rules, oversight_channels, oversight_deliveries
    TO assay_service;
