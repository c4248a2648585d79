-- What analysts keep: watchlists, theses, checklists; and the date that a session works as of.

ALTER TABLE sessions ADD COLUMN as_of date;
COMMENT ON COLUMN sessions.as_of IS 'The date that its user chose to see the market as of; NULL: none.';

CREATE FUNCTION role_place(role text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT array_position(ARRAY['viewer', 'analyst', 'admin', 'owner'], role) $$;
COMMENT ON FUNCTION role_place IS 'What a role may do, the more the higher.';
GRANT EXECUTE ON FUNCTION role_place(text) TO assay_app, assay_service;

CREATE TABLE watchlists (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    shared_with text,
    made_by text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_watchlists PRIMARY KEY (id),
    CONSTRAINT uq_watchlists_org_id UNIQUE (org_id, user_id, name),
    CONSTRAINT fk_watchlists_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_watchlists_name_length CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT ck_watchlists_shared_with CHECK (shared_with IN ('viewer', 'analyst', 'admin'))
);
COMMENT ON COLUMN watchlists.shared_with IS 'The least role that sees it in the organisation; NULL: its maker alone.';
COMMENT ON COLUMN watchlists.made_by IS 'The name, then, of its maker.';

CREATE TABLE watchlist_symbols (
    watchlist_id uuid NOT NULL,
    org_id uuid NOT NULL,
    symbol text NOT NULL,
    place integer NOT NULL,
    CONSTRAINT pk_watchlist_symbols PRIMARY KEY (watchlist_id, symbol),
    CONSTRAINT fk_watchlist_symbols_watchlist_id_watchlists FOREIGN KEY (watchlist_id)
        REFERENCES watchlists (id) ON DELETE CASCADE,
    CONSTRAINT ck_watchlist_symbols_symbol_length CHECK (length(symbol) BETWEEN 1 AND 20)
);

CREATE TABLE thesis_versions (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    symbol text NOT NULL,
    is_shared boolean NOT NULL,
    number integer NOT NULL,
    text text NOT NULL,
    author text NOT NULL,
    as_of date NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_thesis_versions PRIMARY KEY (id),
    CONSTRAINT fk_thesis_versions_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_thesis_versions_symbol_length CHECK (length(symbol) BETWEEN 1 AND 20),
    CONSTRAINT ck_thesis_versions_text_length CHECK (length(text) BETWEEN 0 AND 20000),
    CONSTRAINT ck_thesis_versions_number CHECK (number BETWEEN 1 AND 1000)
);
CREATE UNIQUE INDEX uq_thesis_versions_own ON thesis_versions (org_id, user_id, symbol, number) WHERE NOT is_shared;
CREATE UNIQUE INDEX uq_thesis_versions_shared ON thesis_versions (org_id, symbol, number) WHERE is_shared;
COMMENT ON TABLE thesis_versions IS 'Every text that was ever kept of a thesis; nothing is overwritten. An empty text withdraws it.';
COMMENT ON COLUMN thesis_versions.is_shared IS 'Whether it is the organisation''s thesis; otherwise its author''s own.';
COMMENT ON COLUMN thesis_versions.as_of IS 'The date of the market that its author saw.';

CREATE TABLE checklist_templates (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    title text NOT NULL,
    items jsonb NOT NULL,
    updated_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    CONSTRAINT pk_checklist_templates PRIMARY KEY (id),
    CONSTRAINT fk_checklist_templates_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_checklist_templates_title_length CHECK (length(title) BETWEEN 1 AND 80),
    CONSTRAINT ck_checklist_templates_items CHECK (jsonb_array_length(items) BETWEEN 1 AND 50)
);
COMMENT ON TABLE checklist_templates IS 'Checklists of an organisation''s own; what was ticked stays when one is changed or withdrawn.';
COMMENT ON COLUMN checklist_templates.items IS 'A list of {id, text}, in order; an id is never given to another item.';

CREATE TABLE checklist_ticks (
    org_id uuid NOT NULL,
    symbol text NOT NULL,
    template text NOT NULL,
    item text NOT NULL,
    text text NOT NULL,
    user_id uuid NOT NULL,
    ticked_by text NOT NULL,
    ticked_at timestamptz NOT NULL,
    as_of date NOT NULL,
    CONSTRAINT pk_checklist_ticks PRIMARY KEY (org_id, symbol, template, item),
    CONSTRAINT fk_checklist_ticks_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_checklist_ticks_symbol_length CHECK (length(symbol) BETWEEN 1 AND 20)
);
COMMENT ON TABLE checklist_ticks IS 'What was ticked of a checklist for a symbol, by the organisation together.';
COMMENT ON COLUMN checklist_ticks.template IS 'Id of a shipped or of an own template.';
COMMENT ON COLUMN checklist_ticks.text IS 'What the item said when it was ticked.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['watchlists', 'watchlist_symbols', 'thesis_versions', 'checklist_templates',
        'checklist_ticks']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

CREATE POLICY own_or_shared ON watchlists FOR SELECT TO assay_app
    USING (org_id = bound_org()
        AND (user_id = bound_user() OR role_place(bound_role()) >= role_place(shared_with)));
CREATE POLICY made ON watchlists FOR INSERT TO assay_app
    WITH CHECK (org_id = bound_org() AND user_id = bound_user() AND bound_role() <> 'viewer');
CREATE POLICY changed ON watchlists FOR UPDATE TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer'
        AND (user_id = bound_user() OR role_place(bound_role()) >= role_place(shared_with)))
    WITH CHECK (org_id = bound_org() AND bound_role() <> 'viewer');
CREATE POLICY deleted ON watchlists FOR DELETE TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer' AND (user_id = bound_user()
        OR bound_role() IN ('owner', 'admin') AND shared_with IS NOT NULL));
CREATE POLICY of_seen_lists ON watchlist_symbols FOR SELECT TO assay_app
    USING (org_id = bound_org() AND EXISTS (SELECT FROM watchlists w WHERE w.id = watchlist_id));
CREATE POLICY by_analysts ON watchlist_symbols TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer'
        AND EXISTS (SELECT FROM watchlists w WHERE w.id = watchlist_id))
    WITH CHECK (org_id = bound_org() AND bound_role() <> 'viewer'
        AND EXISTS (SELECT FROM watchlists w WHERE w.id = watchlist_id));
CREATE POLICY own_or_shared ON thesis_versions FOR SELECT TO assay_app
    USING (org_id = bound_org() AND (is_shared OR user_id = bound_user()));
CREATE POLICY written ON thesis_versions FOR INSERT TO assay_app
    WITH CHECK (org_id = bound_org() AND user_id = bound_user() AND bound_role() <> 'viewer');
CREATE POLICY of_own_organisation ON checklist_templates FOR SELECT TO assay_app USING (org_id = bound_org());
CREATE POLICY by_analysts ON checklist_templates TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer')
    WITH CHECK (org_id = bound_org() AND bound_role() <> 'viewer');
CREATE POLICY of_own_organisation ON checklist_ticks FOR SELECT TO assay_app USING (org_id = bound_org());
CREATE POLICY by_analysts ON checklist_ticks TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer')
    WITH CHECK (org_id = bound_org() AND user_id = bound_user() AND bound_role() <> 'viewer');

GRANT SELECT, INSERT, DELETE ON watchlists TO assay_app;
-- Who may put a symbol on a shared list locks it by the policy above; whose it is cannot be changed.
GRANT UPDATE (name, shared_with) ON watchlists TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON watchlist_symbols, checklist_ticks TO assay_app;
GRANT SELECT, INSERT, UPDATE ON checklist_templates TO assay_app;
GRANT SELECT, INSERT ON thesis_versions TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON watchlists, watchlist_symbols, thesis_versions, checklist_templates,
    checklist_ticks TO assay_service;
GRANT SELECT (as_of) ON sessions TO assay_app;
