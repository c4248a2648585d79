-- Notifications of a member, and alerts on new matches of a saved screen.

CREATE TABLE notifications (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    link text,
    created_at timestamptz NOT NULL,
    read_at timestamptz,
    CONSTRAINT pk_notifications PRIMARY KEY (id),
    CONSTRAINT fk_notifications_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_notifications_title_length CHECK (length(title) BETWEEN 1 AND 200),
    CONSTRAINT ck_notifications_body_length CHECK (length(body) <= 4000),
    CONSTRAINT ck_notifications_link CHECK (link ~ '^/[a-z]' AND length(link) <= 500)
);
CREATE INDEX ix_notifications_user ON notifications (org_id, user_id, created_at DESC, id DESC);
CREATE INDEX ix_notifications_created_at ON notifications (created_at);
COMMENT ON TABLE notifications IS 'What the workbench tells a member in its pages; the oldest go once there are too many.';
COMMENT ON COLUMN notifications.link IS 'An address within the workbench.';

CREATE TABLE alerts (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    screen_id uuid NOT NULL,
    universe_id text NOT NULL,
    tells_in_app boolean NOT NULL,
    tells_by_mail boolean NOT NULL,
    webhook_url text,
    webhook_secret text,
    is_paused boolean NOT NULL,
    created_at timestamptz NOT NULL,
    silent_because text,
    screen_version integer,
    scan_id uuid,
    as_of date,
    scanned_at timestamptz,
    own_as_of date,
    matching integer,
    told_at timestamptz,
    CONSTRAINT pk_alerts PRIMARY KEY (id),
    CONSTRAINT fk_alerts_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_alerts_name_length CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT ck_alerts_channels CHECK (tells_in_app OR tells_by_mail OR webhook_url IS NOT NULL),
    CONSTRAINT ck_alerts_webhook CHECK ((webhook_url IS NULL) = (webhook_secret IS NULL)),
    CONSTRAINT ck_alerts_webhook_url CHECK (webhook_url ~* '^https://' AND length(webhook_url) <= 2000)
);
CREATE INDEX ix_alerts_universe_id ON alerts (universe_id) WHERE NOT is_paused;
CREATE INDEX ix_alerts_user ON alerts (org_id, user_id);
COMMENT ON COLUMN alerts.screen_id IS 'A saved screen; where it is deleted or shared no more, the alert is silent.';
COMMENT ON COLUMN alerts.webhook_secret IS 'What messages are signed with; the app role cannot read it.';
COMMENT ON COLUMN alerts.silent_because IS 'Why it was not told at the last scan; NULL: it was, or had nothing to tell.';
COMMENT ON COLUMN alerts.screen_version IS 'Of the screen, at the scan that its known matches are of.';
COMMENT ON COLUMN alerts.scan_id IS 'The scan that its known matches are of; NULL: the next scan is its first.';
COMMENT ON COLUMN alerts.own_as_of IS 'Day of the last scan of the organisation''s own; shared ones soon after are passed over.';
COMMENT ON COLUMN alerts.matching IS 'Symbols that matched at that scan.';

CREATE TABLE alert_matches (
    alert_id uuid NOT NULL,
    symbol text NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    scan_id uuid NOT NULL,
    since date NOT NULL,
    CONSTRAINT pk_alert_matches PRIMARY KEY (alert_id, symbol),
    CONSTRAINT fk_alert_matches_alert_id_alerts FOREIGN KEY (alert_id) REFERENCES alerts (id) ON DELETE CASCADE
);
COMMENT ON TABLE alert_matches IS 'What matched at an alert''s last scan: told, or known from its first.';
COMMENT ON COLUMN alert_matches.since IS 'The day from which on it has matched without a break.';

CREATE TABLE alert_deliveries (
    id uuid NOT NULL,
    alert_id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    scan_id uuid NOT NULL,
    channel text NOT NULL,
    message jsonb NOT NULL,
    status text NOT NULL,
    attempts integer NOT NULL,
    due_at timestamptz,
    said text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT pk_alert_deliveries PRIMARY KEY (id),
    CONSTRAINT uq_alert_deliveries_alert_id UNIQUE (alert_id, scan_id, channel),
    CONSTRAINT fk_alert_deliveries_alert_id_alerts FOREIGN KEY (alert_id) REFERENCES alerts (id) ON DELETE CASCADE,
    CONSTRAINT ck_alert_deliveries_channel CHECK (channel IN ('app', 'mail', 'webhook')),
    CONSTRAINT ck_alert_deliveries_status CHECK (status IN ('pending', 'delivered', 'failed')),
    CONSTRAINT ck_alert_deliveries_due CHECK ((status = 'pending') = (due_at IS NOT NULL))
);
CREATE INDEX ix_alert_deliveries_due_at ON alert_deliveries (due_at) WHERE status = 'pending';
CREATE INDEX ix_alert_deliveries_created_at ON alert_deliveries (created_at);
COMMENT ON TABLE alert_deliveries IS 'New matches of an alert at a scan on one channel, recorded before anything is sent.';
COMMENT ON COLUMN alert_deliveries.due_at IS 'When it is tried next; while it is being tried, when that is given up as lost.';
COMMENT ON COLUMN alert_deliveries.said IS 'What went wrong at the last attempt.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['notifications', 'alerts', 'alert_matches', 'alert_deliveries']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY own ON %I TO assay_app USING (org_id = bound_org() AND user_id = bound_user()) '
            'WITH CHECK (org_id = bound_org() AND user_id = bound_user())', name);
    END LOOP;
END $$;

GRANT SELECT, UPDATE (read_at) ON notifications TO assay_app;
GRANT SELECT (id, org_id, user_id, name, screen_id, universe_id, tells_in_app, tells_by_mail, webhook_url, is_paused,
    created_at, silent_because, screen_version, scan_id, as_of, scanned_at, own_as_of, matching, told_at) ON alerts
    TO assay_app;
GRANT INSERT, DELETE ON alerts TO assay_app;
GRANT UPDATE (name, screen_id, universe_id, tells_in_app, tells_by_mail, webhook_url, webhook_secret, is_paused,
    silent_because, screen_version, scan_id, as_of, scanned_at, matching) ON alerts TO assay_app;
GRANT SELECT, INSERT, DELETE ON alert_matches TO assay_app;
GRANT SELECT ON alert_deliveries TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON notifications, alerts, alert_matches, alert_deliveries TO assay_service;
