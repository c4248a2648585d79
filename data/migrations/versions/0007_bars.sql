-- Bars: the catalogue of their Parquet files, and corporate actions. Only the market service reads it, under the
-- service role: the files themselves know no roles, so the app role is given nothing of it.

CREATE TABLE bar_datasets (
    id uuid NOT NULL,
    kind text NOT NULL,
    org_id uuid,
    name text NOT NULL,
    source text NOT NULL,
    is_generated boolean NOT NULL,
    fingerprint text NOT NULL,
    version bigint NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_bar_datasets PRIMARY KEY (id),
    CONSTRAINT fk_bar_datasets_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_bar_datasets_kind CHECK (kind IN ('shipped', 'fetched', 'own')),
    CONSTRAINT ck_bar_datasets_owner CHECK ((kind = 'own') = (org_id IS NOT NULL)),
    CONSTRAINT ck_bar_datasets_name_length CHECK (length(name) BETWEEN 1 AND 100)
);
CREATE UNIQUE INDEX ux_bar_datasets_name ON bar_datasets (kind, org_id, name) NULLS NOT DISTINCT;
COMMENT ON TABLE bar_datasets IS 'Sets of daily bars that are written together: a shipped file, what one source gave, or what an organisation brought for a universe.';
COMMENT ON COLUMN bar_datasets.source IS 'Where its bars come from, as pages show it.';
COMMENT ON COLUMN bar_datasets.fingerprint IS 'sha256 of the shipped file it was last loaded from; empty for others.';
COMMENT ON COLUMN bar_datasets.version IS 'Counts its writes: a writer that read an older one writes nothing, and begins again.';

CREATE TABLE bar_files (
    path text NOT NULL,
    dataset_id uuid NOT NULL,
    year integer NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    version bigint NOT NULL,
    added_at timestamptz NOT NULL,
    retired_at timestamptz,
    CONSTRAINT pk_bar_files PRIMARY KEY (path),
    CONSTRAINT fk_bar_files_dataset_id_bar_datasets FOREIGN KEY (dataset_id) REFERENCES bar_datasets (id),
    CONSTRAINT ck_bar_files_year CHECK (year BETWEEN 1900 AND 2200),
    CONSTRAINT ck_bar_files_rows CHECK (rows > 0)
);
CREATE UNIQUE INDEX ux_bar_files_year ON bar_files (dataset_id, year) WHERE retired_at IS NULL;
CREATE INDEX ix_bar_files_retired_at ON bar_files (retired_at) WHERE retired_at IS NOT NULL;
COMMENT ON TABLE bar_files IS 'The Parquet file of each year of a dataset, below the folder of bars. A file is never changed: a new one takes its place.';
COMMENT ON COLUMN bar_files.retired_at IS 'When another file took its place; readers that began before may still read it for a while.';

CREATE TABLE bar_series (
    dataset_id uuid NOT NULL,
    symbol text NOT NULL,
    currency text,
    exchange text,
    adjustment text NOT NULL,
    adjusted_through date,
    first_day date NOT NULL,
    last_day date NOT NULL,
    rows integer NOT NULL,
    CONSTRAINT pk_bar_series PRIMARY KEY (dataset_id, symbol),
    CONSTRAINT fk_bar_series_dataset_id_bar_datasets FOREIGN KEY (dataset_id) REFERENCES bar_datasets (id),
    CONSTRAINT ck_bar_series_adjustment CHECK (adjustment IN ('raw', 'split')),
    CONSTRAINT ck_bar_series_adjusted_through CHECK ((adjustment = 'split') = (adjusted_through IS NOT NULL)),
    CONSTRAINT ck_bar_series_days CHECK (first_day <= last_day AND rows > 0)
);
CREATE INDEX ix_bar_series_symbol ON bar_series (symbol);
COMMENT ON TABLE bar_series IS 'What a dataset holds of each symbol.';
COMMENT ON COLUMN bar_series.exchange IS 'Whose sessions it has, as a MIC; NULL where nobody said.';
COMMENT ON COLUMN bar_series.adjustment IS 'How its bars are kept: raw, or as they came, already adjusted for splits.';
COMMENT ON COLUMN bar_series.adjusted_through IS 'In whose day''s shares adjusted bars are; NULL for raw ones.';

CREATE TABLE corporate_actions (
    dataset_id uuid NOT NULL,
    symbol text NOT NULL,
    ex_date date NOT NULL,
    kind text NOT NULL,
    value numeric NOT NULL,
    source text NOT NULL,
    CONSTRAINT pk_corporate_actions PRIMARY KEY (dataset_id, symbol, ex_date, kind),
    CONSTRAINT fk_corporate_actions_dataset_id_bar_datasets FOREIGN KEY (dataset_id) REFERENCES bar_datasets (id),
    CONSTRAINT ck_corporate_actions_kind CHECK (kind IN ('split', 'dividend')),
    CONSTRAINT ck_corporate_actions_value CHECK (value > 0)
);
COMMENT ON TABLE corporate_actions IS 'Splits and dividends as the source of the bars told them.';
COMMENT ON COLUMN corporate_actions.value IS 'Of a split, new shares for one old; of a dividend, money a share as it was paid.';

ALTER TABLE bar_datasets ENABLE ROW LEVEL SECURITY;
ALTER TABLE bar_datasets FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON bar_datasets TO assay_service USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON bar_datasets, bar_files, bar_series, corporate_actions TO assay_service;
