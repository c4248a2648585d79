-- What signals turned out to be worth: figures of each universe as of a day, computed by the service alone.

CREATE TABLE signal_records (
    id uuid NOT NULL,
    org_id uuid,
    universe_id text NOT NULL,
    as_of date NOT NULL,
    formula_version integer NOT NULL,
    bars_version text NOT NULL,
    computed_at timestamptz NOT NULL,
    figures jsonb NOT NULL,
    CONSTRAINT pk_signal_records PRIMARY KEY (id),
    CONSTRAINT fk_signal_records_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_signal_records_universe_id_length CHECK (length(universe_id) BETWEEN 1 AND 100),
    CONSTRAINT ck_signal_records_formula_version CHECK (formula_version >= 1)
);
CREATE UNIQUE INDEX ux_signal_records_day ON signal_records (org_id, universe_id, formula_version, as_of)
    NULLS NOT DISTINCT;
COMMENT ON TABLE signal_records IS 'What the signals of each type were worth in a universe, as it was known on a day.';
COMMENT ON COLUMN signal_records.org_id IS 'Whose own universe it is; NULL: everyone''s.';
COMMENT ON COLUMN signal_records.as_of IS 'No bar later than this day was read.';
COMMENT ON COLUMN signal_records.bars_version IS 'Which bars they come from: sha256 of all that was read.';
COMMENT ON COLUMN signal_records.figures IS 'Benchmark, number of symbols, and the figures by signal type, then by horizon in sessions.';

ALTER TABLE signal_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE signal_records FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON signal_records TO assay_service USING (true) WITH CHECK (true);
CREATE POLICY everyones_or_own ON signal_records FOR SELECT TO assay_app
    USING (org_id IS NULL OR org_id = bound_org());
GRANT SELECT ON signal_records TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON signal_records TO assay_service;

-- Scans: one row a run. org_id NULL: of bars and universes that everybody has, and shared by all.
CREATE TABLE scans (
    id uuid NOT NULL,
    org_id uuid,
    universe_id text NOT NULL,
    exchange text,
    as_of date NOT NULL,
    formula_version integer NOT NULL,
    bars_version bigint NOT NULL,
    status text NOT NULL,
    parts integer NOT NULL,
    total integer NOT NULL,
    scanned integer,
    skipped jsonb,
    market jsonb,
    results bytea,
    failure text,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    stamped_at timestamptz,
    duration_ms integer,
    CONSTRAINT pk_scans PRIMARY KEY (id),
    CONSTRAINT fk_scans_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_scans_status CHECK (status IN ('running', 'done', 'failed')),
    CONSTRAINT ck_scans_done CHECK (
        (status = 'done') = (scanned IS NOT NULL AND skipped IS NOT NULL AND market IS NOT NULL)),
    CONSTRAINT ck_scans_ended CHECK ((status = 'running') = (finished_at IS NULL)),
    CONSTRAINT ck_scans_counts CHECK (parts >= 0 AND total >= 0 AND scanned BETWEEN 0 AND total)
);
ALTER TABLE scans ALTER COLUMN results SET STORAGE EXTERNAL;
CREATE INDEX ix_scans_universe ON scans (universe_id, as_of DESC, finished_at DESC) WHERE status = 'done';
COMMENT ON COLUMN scans.exchange IS 'Where most members are listed; NULL: no calendar is known.';
COMMENT ON COLUMN scans.stamped_at IS 'When its signals were given their confidences.';
COMMENT ON COLUMN scans.as_of IS 'The session whose bars are the last that were read.';
COMMENT ON COLUMN scans.bars_version IS 'How often bars had been written before this scan read them.';
COMMENT ON COLUMN scans.total IS 'Members of the universe.';
COMMENT ON COLUMN scans.skipped IS 'A list of [symbol, reason].';
COMMENT ON COLUMN scans.market IS 'Breadth and sectors.';
COMMENT ON COLUMN scans.results IS 'A row for each symbol, as Arrow; NULL once it is old or overtaken, and forgotten.';

CREATE TABLE scan_parts (
    scan_id uuid NOT NULL,
    number integer NOT NULL,
    symbols text[] NOT NULL,
    result bytea,
    CONSTRAINT pk_scan_parts PRIMARY KEY (scan_id, number),
    CONSTRAINT fk_scan_parts_scan_id_scans FOREIGN KEY (scan_id) REFERENCES scans (id) ON DELETE CASCADE
);
COMMENT ON TABLE scan_parts IS 'What is under way of a scan; gone once it is finished.';

CREATE TABLE signals (
    id uuid NOT NULL,
    scan_id uuid NOT NULL,
    org_id uuid,
    symbol text NOT NULL,
    type text NOT NULL,
    direction text NOT NULL,
    family text NOT NULL,
    state text NOT NULL,
    day date NOT NULL,
    confirmed_at date NOT NULL,
    close double precision NOT NULL,
    entry double precision,
    stop double precision,
    target double precision,
    reward_risk double precision,
    confidence double precision,
    confidence_n integer NOT NULL,
    base_rate double precision,
    shape jsonb,
    CONSTRAINT pk_signals PRIMARY KEY (id),
    CONSTRAINT uq_signals_scan_id UNIQUE (scan_id, symbol, type, confirmed_at),
    CONSTRAINT fk_signals_scan_id_scans FOREIGN KEY (scan_id) REFERENCES scans (id) ON DELETE CASCADE,
    CONSTRAINT ck_signals_direction CHECK (direction IN ('bullish', 'bearish')),
    CONSTRAINT ck_signals_state CHECK (state IN ('signal', 'forming')),
    CONSTRAINT ck_signals_confidence CHECK (confidence BETWEEN 0 AND 1)
);
CREATE INDEX ix_signals_symbol ON signals (symbol, day DESC);
COMMENT ON TABLE signals IS 'They stay, but for those of a scan that a newer one of its universe, day and organisation overtook.';
COMMENT ON COLUMN signals.confidence IS 'How likely it is right over 20 sessions: the hit rate of its type in this universe, drawn towards that of all entries; NULL: below 30 earlier signals.';
COMMENT ON COLUMN signals.shape IS 'The pivots and lines of a chart pattern.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['scans', 'signals', 'scan_parts']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;
CREATE POLICY shared_or_own ON scans FOR SELECT TO assay_app USING (org_id IS NULL OR org_id = bound_org());
CREATE POLICY shared_or_own ON signals FOR SELECT TO assay_app USING (org_id IS NULL OR org_id = bound_org());
GRANT SELECT ON scans, signals TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON scans, scan_parts, signals TO assay_service;
