-- Instruments: names, aliases, universes. What is shipped or listed is nobody's; what an organisation brings is its own.

CREATE TABLE instruments (
    symbol text NOT NULL,
    origin text NOT NULL,
    name text NOT NULL,
    market text NOT NULL,
    exchange text NOT NULL,
    currency text NOT NULL,
    kind text NOT NULL,
    sector text NOT NULL,
    cik bigint,
    valid_to date,
    delisted_on date,
    is_generated boolean NOT NULL,
    CONSTRAINT pk_instruments PRIMARY KEY (symbol, origin),
    CONSTRAINT ck_instruments_symbol_length CHECK (length(symbol) BETWEEN 1 AND 20),
    CONSTRAINT ck_instruments_origin CHECK (origin IN ('universe', 'listing')),
    CONSTRAINT ck_instruments_name_length CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_instruments_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ck_instruments_cik CHECK (cik BETWEEN 1 AND 9999999999)
);
COMMENT ON TABLE instruments IS 'Securities by symbol: those of the shipped universes, and those of a list of tickers. Never deleted.';
COMMENT ON COLUMN instruments.origin IS 'Who says so: a shipped universe, or a list of tickers. They may mean two companies that had one symbol.';
COMMENT ON COLUMN instruments.market IS 'What people call the market; exchange is the code of its calendar.';
COMMENT ON COLUMN instruments.valid_to IS 'The last day of which this is known to hold; NULL: until today.';
COMMENT ON COLUMN instruments.delisted_on IS 'The day from which the list of tickers no longer had it.';

CREATE TABLE former_names (
    symbol text NOT NULL,
    name text NOT NULL,
    until date NOT NULL,
    CONSTRAINT pk_former_names PRIMARY KEY (symbol, name)
);
COMMENT ON TABLE former_names IS 'What an instrument was called until a day.';

CREATE TABLE symbol_changes (
    former text NOT NULL,
    symbol text NOT NULL,
    changed_on date NOT NULL,
    CONSTRAINT pk_symbol_changes PRIMARY KEY (former, symbol),
    CONSTRAINT ck_symbol_changes_differ CHECK (former <> symbol)
);
COMMENT ON COLUMN symbol_changes.changed_on IS 'The first day on which the instrument had its new symbol.';

CREATE TABLE instrument_version (
    is_only boolean NOT NULL DEFAULT true,
    version bigint NOT NULL,
    shipped_sha256 text NOT NULL,
    listed_at timestamptz,
    CONSTRAINT pk_instrument_version PRIMARY KEY (is_only),
    CONSTRAINT ck_instrument_version_is_only CHECK (is_only)
);
INSERT INTO instrument_version (version, shipped_sha256) VALUES (0, '');
COMMENT ON TABLE instrument_version IS 'One row. version grows with every change of the tables above, so that a process knows whether its copy is old.';
COMMENT ON COLUMN instrument_version.shipped_sha256 IS 'Of the shipped files that were loaded last.';
COMMENT ON COLUMN instrument_version.listed_at IS 'When a list of tickers was taken over last; NULL: never.';

CREATE TABLE universes (
    id text NOT NULL,
    title text NOT NULL,
    place integer NOT NULL,
    source text NOT NULL,
    licence text NOT NULL,
    is_generated boolean NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    CONSTRAINT pk_universes PRIMARY KEY (id),
    CONSTRAINT ck_universes_days CHECK (first_day <= last_day)
);
COMMENT ON TABLE universes IS 'The shipped universes, the default one at place 0.';

CREATE TABLE universe_members (
    universe_id text NOT NULL,
    symbol text NOT NULL,
    place integer NOT NULL,
    first_day date,
    last_day date,
    CONSTRAINT pk_universe_members PRIMARY KEY (universe_id, symbol),
    CONSTRAINT fk_universe_members_universe_id_universes FOREIGN KEY (universe_id)
        REFERENCES universes (id) ON DELETE CASCADE
);
COMMENT ON COLUMN universe_members.last_day IS 'Of its bars.';

CREATE TABLE own_universes (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    title text NOT NULL,
    source text NOT NULL,
    licence text NOT NULL,
    is_generated boolean NOT NULL,
    first_day date,
    last_day date,
    updated_by text NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_own_universes PRIMARY KEY (id),
    CONSTRAINT uq_own_universes_org_id UNIQUE (org_id, title),
    CONSTRAINT fk_own_universes_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_own_universes_title_length CHECK (length(title) BETWEEN 1 AND 80),
    CONSTRAINT ck_own_universes_days CHECK (first_day <= last_day)
);
COMMENT ON COLUMN own_universes.updated_by IS 'The name, then, of whoever brought it.';

CREATE TABLE own_universe_members (
    universe_id uuid NOT NULL,
    org_id uuid NOT NULL,
    symbol text NOT NULL,
    place integer NOT NULL,
    name text NOT NULL,
    sector text NOT NULL,
    exchange text NOT NULL,
    currency text NOT NULL,
    first_day date,
    last_day date,
    CONSTRAINT pk_own_universe_members PRIMARY KEY (universe_id, symbol),
    CONSTRAINT fk_own_universe_members_universe_id_own_universes FOREIGN KEY (universe_id)
        REFERENCES own_universes (id) ON DELETE CASCADE,
    CONSTRAINT ck_own_universe_members_symbol_length CHECK (length(symbol) BETWEEN 1 AND 20),
    CONSTRAINT ck_own_universe_members_name_length CHECK (length(name) BETWEEN 1 AND 200)
);
CREATE INDEX ix_own_universe_members_symbol ON own_universe_members (org_id, symbol);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['own_universes', 'own_universe_members']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY of_own_organisation ON %I FOR SELECT TO assay_app USING (org_id = bound_org())', name);
        EXECUTE format('CREATE POLICY by_analysts ON %I TO assay_app
            USING (org_id = bound_org() AND bound_role() <> ''viewer'')
            WITH CHECK (org_id = bound_org() AND bound_role() <> ''viewer'')', name);
    END LOOP;
END $$;

GRANT SELECT ON instruments, former_names, symbol_changes, instrument_version, universes, universe_members TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON own_universes, own_universe_members TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON instruments, former_names, symbol_changes, instrument_version, universes,
    universe_members, own_universes, own_universe_members TO assay_service;
