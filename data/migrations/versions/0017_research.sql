-- Research around holdings, and what answers rest on.

ALTER TABLE messages ADD COLUMN evidence jsonb;
COMMENT ON COLUMN messages.evidence IS 'Steps, figures and marks of an answer; NULL: it rests on no tool.';

ALTER TABLE portfolios ADD CONSTRAINT uq_portfolios_id UNIQUE (id, org_id);
ALTER TABLE conversations ADD COLUMN portfolio_id uuid,
    ADD CONSTRAINT fk_conversations_portfolio_id_portfolios FOREIGN KEY (portfolio_id, org_id)
        REFERENCES portfolios (id, org_id) ON DELETE SET NULL (portfolio_id);
CREATE INDEX ix_conversations_portfolio ON conversations (portfolio_id) WHERE portfolio_id IS NOT NULL;
COMMENT ON COLUMN conversations.portfolio_id IS 'The portfolio that its questions are about.';

CREATE TABLE research_parts (
    portfolio_id uuid NOT NULL,
    org_id uuid NOT NULL,
    part text NOT NULL,
    key bytea NOT NULL,
    claim uuid NOT NULL,
    state text NOT NULL,
    as_of date NOT NULL,
    symbols text[] NOT NULL,
    content jsonb NOT NULL,
    author text NOT NULL,
    begun_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_research_parts PRIMARY KEY (portfolio_id, part, key),
    CONSTRAINT fk_research_parts_portfolio_id_portfolios FOREIGN KEY (portfolio_id, org_id)
        REFERENCES portfolios (id, org_id) ON DELETE CASCADE,
    CONSTRAINT ck_research_parts_part CHECK (part IN ('news', 'filings', 'sentiment')),
    CONSTRAINT ck_research_parts_state CHECK (state IN ('making', 'ready', 'failed')),
    CONSTRAINT ck_research_parts_content CHECK (length(content::text) <= 4000000)
);
CREATE INDEX ix_research_parts_expires ON research_parts (expires_at);
COMMENT ON TABLE research_parts IS 'News, filings and sentiment of all holdings of a portfolio, each of one AI call; shared by all who see it.';
COMMENT ON COLUMN research_parts.key IS 'Hash of the holdings, whatever their order, and of the day that is seen.';
COMMENT ON COLUMN research_parts.claim IS 'Of whoever makes it: nobody else writes it while the claim lasts.';
COMMENT ON COLUMN research_parts.expires_at IS 'Of a part that is being made: when its claim ends.';

CREATE TABLE research_choices (
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    agreed_at timestamptz NOT NULL,
    CONSTRAINT pk_research_choices PRIMARY KEY (org_id, user_id),
    CONSTRAINT fk_research_choices_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id)
);
COMMENT ON TABLE research_choices IS 'Who was told that opening research uses three chat queries, and agreed.';

CREATE TABLE answer_checks (
    request_id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    steps integer NOT NULL,
    failed_steps integer NOT NULL,
    figures integer NOT NULL,
    verified integer NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_answer_checks PRIMARY KEY (request_id),
    CONSTRAINT fk_answer_checks_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_answer_checks_figures CHECK (verified BETWEEN 0 AND figures),
    CONSTRAINT ck_answer_checks_steps CHECK (failed_steps BETWEEN 0 AND steps)
);
CREATE INDEX ix_answer_checks_org ON answer_checks (org_id, created_at DESC);
COMMENT ON TABLE answer_checks IS 'How many figures of an answer were verified, by model; answers of the cache are not counted again.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['research_parts', 'research_choices', 'answer_checks']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

CREATE POLICY of_seen_portfolios ON research_parts TO assay_app
    USING (org_id = bound_org() AND EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id))
    WITH CHECK (org_id = bound_org() AND EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id));
CREATE POLICY own ON research_choices TO assay_app
    USING (org_id = bound_org() AND user_id = bound_user()) WITH CHECK (org_id = bound_org() AND user_id = bound_user());
CREATE POLICY seen ON answer_checks FOR SELECT TO assay_app
    USING (org_id = bound_org() AND (user_id = bound_user() OR bound_role() IN ('owner', 'admin')));
CREATE POLICY made ON answer_checks FOR INSERT TO assay_app
    WITH CHECK (org_id = bound_org() AND user_id = bound_user());

GRANT SELECT, INSERT, UPDATE, DELETE ON research_parts TO assay_app;
GRANT SELECT, INSERT, DELETE ON research_choices TO assay_app;
GRANT SELECT, INSERT ON answer_checks TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON research_parts, research_choices, answer_checks TO assay_service;
