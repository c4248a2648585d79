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
COMMENT ON COLUMN signal_records.figures IS 'By signal type, then by horizon in sessions.';

ALTER TABLE signal_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE signal_records FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON signal_records TO assay_service USING (true) WITH CHECK (true);
CREATE POLICY everyones_or_own ON signal_records FOR SELECT TO assay_app
    USING (org_id IS NULL OR org_id = bound_org());
GRANT SELECT ON signal_records TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON signal_records TO assay_service;
