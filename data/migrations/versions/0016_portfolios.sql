-- Portfolios: what was bought, sold and paid, as facts that are only added to; all else is derived from them.

CREATE TABLE portfolios (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    currency text NOT NULL,
    cost_method text NOT NULL,
    has_cash boolean NOT NULL,
    benchmark text,
    shared_with text,
    edited_with text,
    made_by text NOT NULL,
    number integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_portfolios PRIMARY KEY (id),
    CONSTRAINT uq_portfolios_org_id UNIQUE (org_id, user_id, name),
    CONSTRAINT fk_portfolios_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_portfolios_name_length CHECK (length(name) BETWEEN 1 AND 80),
    CONSTRAINT ck_portfolios_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ck_portfolios_cost_method CHECK (cost_method IN ('fifo', 'average')),
    CONSTRAINT ck_portfolios_benchmark CHECK (length(benchmark) BETWEEN 1 AND 40),
    CONSTRAINT ck_portfolios_shared_with CHECK (shared_with IN ('viewer', 'analyst', 'admin')),
    CONSTRAINT ck_portfolios_edited_with CHECK (edited_with IS NULL OR edited_with IN ('analyst', 'admin')
        AND shared_with IS NOT NULL AND role_place(edited_with) >= role_place(shared_with)),
    CONSTRAINT ck_portfolios_number CHECK (number >= 0)
);
COMMENT ON COLUMN portfolios.currency IS 'In which it is valued.';
COMMENT ON COLUMN portfolios.has_cash IS 'Whether its cash is kept; otherwise money for purchases comes from outside, and receipts go there.';
COMMENT ON COLUMN portfolios.benchmark IS 'NULL: the organisation''s.';
COMMENT ON COLUMN portfolios.shared_with IS 'The least role that sees it in the organisation; NULL: its maker alone.';
COMMENT ON COLUMN portfolios.edited_with IS 'The least role that may enter transactions; NULL: its maker alone.';
COMMENT ON COLUMN portfolios.number IS 'Of its last transaction: with the id, the version of all that is derived.';

CREATE TABLE portfolio_imports (
    id uuid NOT NULL,
    portfolio_id uuid NOT NULL,
    org_id uuid NOT NULL,
    file_name text NOT NULL,
    sha256 bytea NOT NULL,
    preset text NOT NULL,
    rows integer NOT NULL,
    added integer NOT NULL,
    author text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_portfolio_imports PRIMARY KEY (id),
    CONSTRAINT uq_portfolio_imports_id UNIQUE (id, portfolio_id),
    CONSTRAINT fk_portfolio_imports_portfolio_id_portfolios FOREIGN KEY (portfolio_id) REFERENCES portfolios (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_portfolio_imports_rows CHECK (added BETWEEN 0 AND rows)
);
CREATE INDEX ix_portfolio_imports_portfolio ON portfolio_imports (portfolio_id, created_at DESC);

CREATE TABLE portfolio_transactions (
    id uuid NOT NULL,
    portfolio_id uuid NOT NULL,
    org_id uuid NOT NULL,
    number integer NOT NULL,
    kind text NOT NULL,
    day date NOT NULL,
    currency text NOT NULL,
    symbol text,
    quantity numeric(28, 10),
    price numeric(28, 10),
    amount numeric(28, 10),
    fees numeric(28, 10) NOT NULL,
    taxes numeric(28, 10) NOT NULL,
    fx_rate numeric(28, 14),
    ratio numeric(28, 14),
    other_symbol text,
    cost_share numeric(16, 14),
    note text NOT NULL,
    identity bytea NOT NULL,
    import_id uuid,
    reverses uuid,
    author text NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_portfolio_transactions PRIMARY KEY (id),
    CONSTRAINT uq_portfolio_transactions_portfolio_id UNIQUE (portfolio_id, number),
    CONSTRAINT uq_portfolio_transactions_id UNIQUE (id, portfolio_id),
    CONSTRAINT fk_portfolio_transactions_portfolio_id_portfolios FOREIGN KEY (portfolio_id) REFERENCES portfolios (id)
        ON DELETE CASCADE,
    CONSTRAINT fk_portfolio_transactions_import_id_portfolio_imports FOREIGN KEY (import_id, portfolio_id)
        REFERENCES portfolio_imports (id, portfolio_id) ON DELETE CASCADE,
    CONSTRAINT fk_portfolio_transactions_reverses_portfolio_transactions FOREIGN KEY (reverses, portfolio_id)
        REFERENCES portfolio_transactions (id, portfolio_id) ON DELETE CASCADE,
    CONSTRAINT ck_portfolio_transactions_kind CHECK (kind IN ('buy', 'sell', 'dividend', 'interest', 'fee', 'tax',
        'deposit', 'withdrawal', 'transfer_in', 'transfer_out', 'split', 'reverse_split', 'spin_off', 'merger')),
    CONSTRAINT ck_portfolio_transactions_number CHECK (number >= 1),
    CONSTRAINT ck_portfolio_transactions_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ck_portfolio_transactions_quantity CHECK (quantity > 0),
    CONSTRAINT ck_portfolio_transactions_price CHECK (price >= 0),
    CONSTRAINT ck_portfolio_transactions_fx_rate CHECK (fx_rate > 0),
    CONSTRAINT ck_portfolio_transactions_ratio CHECK (ratio > 0),
    CONSTRAINT ck_portfolio_transactions_cost_share CHECK (cost_share BETWEEN 0 AND 1),
    CONSTRAINT ck_portfolio_transactions_note CHECK (length(note) <= 500)
);
CREATE UNIQUE INDEX ux_portfolio_transactions_reverses ON portfolio_transactions (reverses) WHERE reverses IS NOT NULL;
CREATE INDEX ix_portfolio_transactions_identity ON portfolio_transactions (portfolio_id, identity);
CREATE INDEX ix_portfolio_transactions_import ON portfolio_transactions (import_id) WHERE import_id IS NOT NULL;
COMMENT ON TABLE portfolio_transactions IS 'Facts, only ever added to: one is corrected by a row that reverses it.';
COMMENT ON COLUMN portfolio_transactions.number IS 'From 1 on, in the order of entry.';
COMMENT ON COLUMN portfolio_transactions.fx_rate IS 'Portfolio''s currency for one unit of currency, as the broker said; NULL: the market''s of the day.';
COMMENT ON COLUMN portfolio_transactions.ratio IS 'New shares for one old.';
COMMENT ON COLUMN portfolio_transactions.identity IS 'Hash of its content: an import finds what is there already.';
COMMENT ON COLUMN portfolio_transactions.reverses IS 'What this row takes back.';

CREATE TABLE portfolio_mappings (
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    headings bytea NOT NULL,
    mapping jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_portfolio_mappings PRIMARY KEY (org_id, user_id, headings),
    CONSTRAINT fk_portfolio_mappings_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_portfolio_mappings_mapping CHECK (
        jsonb_typeof(mapping) = 'object' AND length(mapping::text) <= 20000)
);
COMMENT ON TABLE portfolio_mappings IS 'How a person read files with certain headings, for the next such file.';
COMMENT ON COLUMN portfolio_mappings.headings IS 'SHA-256 of the file''s headings.';

CREATE TABLE portfolio_targets (
    portfolio_id uuid NOT NULL,
    org_id uuid NOT NULL,
    symbol text NOT NULL,
    weight numeric(9, 8) NOT NULL,
    CONSTRAINT pk_portfolio_targets PRIMARY KEY (portfolio_id, symbol),
    CONSTRAINT fk_portfolio_targets_portfolio_id_portfolios FOREIGN KEY (portfolio_id) REFERENCES portfolios (id)
        ON DELETE CASCADE,
    CONSTRAINT ck_portfolio_targets_weight CHECK (weight BETWEEN 0 AND 1)
);

CREATE TABLE portfolio_days (
    portfolio_id uuid NOT NULL,
    org_id uuid NOT NULL,
    key text NOT NULL,
    content bytea NOT NULL,
    computed_at timestamptz NOT NULL,
    CONSTRAINT pk_portfolio_days PRIMARY KEY (portfolio_id),
    CONSTRAINT fk_portfolio_days_portfolio_id_portfolios FOREIGN KEY (portfolio_id) REFERENCES portfolios (id)
        ON DELETE CASCADE
);
COMMENT ON TABLE portfolio_days IS 'Values by day as they were last computed; may be lost, and is computed again.';
COMMENT ON COLUMN portfolio_days.key IS 'Of what they were computed from: transactions, bars, rates.';

CREATE TABLE portfolio_analyses (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    portfolio_id uuid,
    key bytea NOT NULL,
    content jsonb NOT NULL,
    author text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_portfolio_analyses PRIMARY KEY (id),
    CONSTRAINT uq_portfolio_analyses_org_id UNIQUE (org_id, key),
    CONSTRAINT fk_portfolio_analyses_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_portfolio_analyses_portfolio_id_portfolios FOREIGN KEY (portfolio_id) REFERENCES portfolios (id)
        ON DELETE CASCADE
);
CREATE INDEX ix_portfolio_analyses_portfolio ON portfolio_analyses (portfolio_id, created_at DESC);
CREATE INDEX ix_portfolio_analyses_expires ON portfolio_analyses (expires_at);
COMMENT ON COLUMN portfolio_analyses.portfolio_id IS 'NULL: of returns that a caller brought.';
COMMENT ON COLUMN portfolio_analyses.key IS 'Hash of the data it came from: while it lasts, the same again is free.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['portfolios', 'portfolio_imports', 'portfolio_transactions', 'portfolio_mappings',
        'portfolio_targets', 'portfolio_days', 'portfolio_analyses']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;

-- Whether a portfolio is the principal's: its maker's or, where the maker has left, each owner's and admin's.
CREATE FUNCTION owns_portfolio(org uuid, maker uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT maker = bound_user() OR (bound_role() IN ('owner', 'admin') AND EXISTS (
        SELECT FROM memberships m WHERE m.org_id = org AND m.user_id = maker AND m.ended_at IS NOT NULL))
$$;
GRANT EXECUTE ON FUNCTION owns_portfolio(uuid, uuid) TO assay_app, assay_service;

CREATE POLICY own_or_shared ON portfolios FOR SELECT TO assay_app
    USING (org_id = bound_org()
        AND (owns_portfolio(org_id, user_id) OR role_place(bound_role()) >= role_place(shared_with)));
CREATE POLICY changed ON portfolios FOR UPDATE TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer'
        AND (owns_portfolio(org_id, user_id) OR role_place(bound_role()) >= role_place(edited_with)))
    WITH CHECK (org_id = bound_org() AND bound_role() <> 'viewer');
CREATE POLICY deleted ON portfolios FOR DELETE TO assay_app
    USING (org_id = bound_org() AND bound_role() <> 'viewer' AND owns_portfolio(org_id, user_id));

-- Whoever enters transactions counts them; all else that is said of a portfolio is its owner's.
CREATE FUNCTION keep_portfolio_settings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.number < OLD.number THEN
        RAISE insufficient_privilege USING MESSAGE = 'transactions are only ever added';
    END IF;
    IF current_user = 'assay_app' AND NOT owns_portfolio(OLD.org_id, OLD.user_id)
        AND (NEW.name, NEW.currency, NEW.cost_method, NEW.has_cash, NEW.benchmark, NEW.shared_with, NEW.edited_with)
            IS DISTINCT FROM
            (OLD.name, OLD.currency, OLD.cost_method, OLD.has_cash, OLD.benchmark, OLD.shared_with, OLD.edited_with)
    THEN
        RAISE insufficient_privilege USING MESSAGE = 'the settings of a portfolio are its owner''s';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep_settings BEFORE UPDATE ON portfolios FOR EACH ROW EXECUTE FUNCTION keep_portfolio_settings();

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['portfolio_imports', 'portfolio_transactions', 'portfolio_targets', 'portfolio_days']
    LOOP
        EXECUTE format('CREATE POLICY of_seen_portfolios ON %I FOR SELECT TO assay_app
            USING (org_id = bound_org() AND EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id))', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['portfolio_imports', 'portfolio_transactions', 'portfolio_targets']
    LOOP
        EXECUTE format('CREATE POLICY by_editors ON %I FOR INSERT TO assay_app
            WITH CHECK (org_id = bound_org() AND portfolio_id IN (SELECT p.id FROM portfolios p
                WHERE bound_role() <> ''viewer'' AND (owns_portfolio(p.org_id, p.user_id)
                    OR role_place(bound_role()) >= role_place(p.edited_with))))', name);
    END LOOP;
END $$;
CREATE POLICY removed ON portfolio_targets FOR DELETE TO assay_app
    USING (org_id = bound_org() AND portfolio_id IN (SELECT p.id FROM portfolios p
        WHERE bound_role() <> 'viewer' AND (owns_portfolio(p.org_id, p.user_id)
            OR role_place(bound_role()) >= role_place(p.edited_with))));
-- What is derived may be kept by whoever sees the portfolio: it says no more than what it comes from.
CREATE POLICY kept ON portfolio_days FOR INSERT TO assay_app
    WITH CHECK (org_id = bound_org() AND EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id));
CREATE POLICY kept_again ON portfolio_days FOR UPDATE TO assay_app
    USING (org_id = bound_org() AND EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id))
    WITH CHECK (org_id = bound_org() AND EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id));
CREATE POLICY own ON portfolio_mappings TO assay_app
    USING (org_id = bound_org() AND user_id = bound_user()) WITH CHECK (org_id = bound_org() AND user_id = bound_user());
CREATE POLICY of_seen_portfolios ON portfolio_analyses FOR SELECT TO assay_app
    USING (org_id = bound_org()
        AND (portfolio_id IS NULL OR EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id)));
CREATE POLICY made ON portfolio_analyses FOR INSERT TO assay_app
    WITH CHECK (org_id = bound_org()
        AND (portfolio_id IS NULL OR EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id)));
CREATE POLICY made_again ON portfolio_analyses FOR UPDATE TO assay_app
    USING (org_id = bound_org() AND (portfolio_id IS NULL OR EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id)))
    WITH CHECK (org_id = bound_org()
        AND (portfolio_id IS NULL OR EXISTS (SELECT FROM portfolios p WHERE p.id = portfolio_id)));

-- It is the service that makes one, since it counts them against the plan; whose it is cannot be changed.
GRANT SELECT, DELETE ON portfolios TO assay_app;
GRANT UPDATE (name, currency, cost_method, has_cash, benchmark, shared_with, edited_with, number, updated_at)
    ON portfolios TO assay_app;
GRANT SELECT, INSERT ON portfolio_imports, portfolio_transactions TO assay_app;
GRANT SELECT, INSERT, DELETE ON portfolio_targets TO assay_app;
GRANT SELECT, INSERT, UPDATE ON portfolio_days, portfolio_mappings, portfolio_analyses TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON portfolios, portfolio_imports, portfolio_transactions, portfolio_mappings,
    portfolio_targets, portfolio_days, portfolio_analyses TO assay_service;
