-- Saved screens, a person's own or shared in the organisation, and every version that there ever was of them.

CREATE TABLE screens (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    shared_with text,
    made_by text NOT NULL,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_screens PRIMARY KEY (id),
    CONSTRAINT uq_screens_org_id UNIQUE (org_id, user_id, name),
    CONSTRAINT fk_screens_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_screens_name_length CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT ck_screens_shared_with CHECK (shared_with IN ('viewer', 'analyst', 'admin')),
    CONSTRAINT ck_screens_version CHECK (version BETWEEN 1 AND 1000)
);
COMMENT ON COLUMN screens.shared_with IS 'The least role that sees it in the organisation; NULL: its maker alone.';
COMMENT ON COLUMN screens.made_by IS 'The name, then, of its maker.';
COMMENT ON COLUMN screens.version IS 'Number of the version that holds.';

CREATE TABLE screen_versions (
    screen_id uuid NOT NULL,
    org_id uuid NOT NULL,
    number integer NOT NULL,
    name text NOT NULL,
    criteria jsonb NOT NULL,
    author text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_screen_versions PRIMARY KEY (screen_id, number),
    CONSTRAINT fk_screen_versions_screen_id_screens FOREIGN KEY (screen_id) REFERENCES screens (id) ON DELETE CASCADE,
    CONSTRAINT ck_screen_versions_name_length CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT ck_screen_versions_number CHECK (number BETWEEN 1 AND 1000),
    CONSTRAINT ck_screen_versions_criteria CHECK (
        jsonb_typeof(criteria) = 'object' AND length(criteria::text) <= 100000)
);
COMMENT ON TABLE screen_versions IS 'What a screen was called and asked for, change by change; nothing is overwritten.';
COMMENT ON COLUMN screen_versions.criteria IS 'The outermost group, as core.screener.criteria writes it.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['screens', 'screen_versions']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

CREATE POLICY own_or_shared ON screens FOR SELECT TO assay_app
    USING (org_id = bound_org()
        AND (user_id = bound_user() OR role_place(bound_role()) >= role_place(shared_with)));
CREATE POLICY made ON screens FOR INSERT TO assay_app
    WITH CHECK (org_id = bound_org() AND user_id = bound_user() AND bound_role() <> 'viewer');
CREATE POLICY changed ON screens FOR UPDATE TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer'
        AND (user_id = bound_user() OR role_place(bound_role()) >= role_place(shared_with)))
    WITH CHECK (org_id = bound_org() AND bound_role() <> 'viewer');
CREATE POLICY deleted ON screens FOR DELETE TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer' AND (user_id = bound_user()
        OR bound_role() IN ('owner', 'admin') AND shared_with IS NOT NULL));
CREATE POLICY of_seen_screens ON screen_versions FOR SELECT TO assay_app
    USING (org_id = bound_org() AND EXISTS (SELECT FROM screens s WHERE s.id = screen_id));
CREATE POLICY by_analysts ON screen_versions FOR INSERT TO assay_app
    WITH CHECK (org_id = bound_org() AND bound_role() <> 'viewer'
        AND EXISTS (SELECT FROM screens s WHERE s.id = screen_id));

GRANT SELECT, INSERT, DELETE ON screens TO assay_app;
-- Who may change a shared screen does so by the policy above; whose it is cannot be changed.
GRANT UPDATE (name, shared_with, version, updated_at) ON screens TO assay_app;
GRANT SELECT, INSERT ON screen_versions TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON screens, screen_versions TO assay_service;
