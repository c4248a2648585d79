-- Verdicts: what a model was shown of a signal, what it said, what became of it, and what it cost.

CREATE TABLE verdict_snapshots (
    id uuid NOT NULL,
    org_id uuid,
    signal_id uuid,
    hash bytea NOT NULL,
    content jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_verdict_snapshots PRIMARY KEY (id),
    CONSTRAINT fk_verdict_snapshots_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_verdict_snapshots_signal_id_signals FOREIGN KEY (signal_id) REFERENCES signals (id),
    CONSTRAINT ck_verdict_snapshots_hash CHECK (length(hash) = 32),
    CONSTRAINT ck_verdict_snapshots_public CHECK (org_id IS NOT NULL OR signal_id IS NOT NULL)
);
CREATE INDEX ix_verdict_snapshots_signal ON verdict_snapshots (signal_id, created_at DESC);
CREATE INDEX ix_verdict_snapshots_hash ON verdict_snapshots (org_id, hash);
COMMENT ON TABLE verdict_snapshots IS 'Everything that a model was shown of one signal; never changed.';
COMMENT ON COLUMN verdict_snapshots.org_id IS 'Whose it is; NULL: built by the server from what everybody has, and shared by all.';
COMMENT ON COLUMN verdict_snapshots.signal_id IS 'NULL: a caller brought the snapshot.';
COMMENT ON COLUMN verdict_snapshots.hash IS 'SHA-256 of the content in canonical form.';

CREATE TABLE verdicts (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid,
    job_id uuid,
    purpose text NOT NULL,
    snapshot_id uuid NOT NULL,
    signal_id uuid,
    universe_id text,
    symbol text NOT NULL,
    signal_type text NOT NULL,
    direction text NOT NULL,
    signal_day date,
    own_confidence double precision,
    base_rate double precision,
    decided_on date,
    is_retrospective boolean NOT NULL,
    is_generated boolean NOT NULL,
    verdict text NOT NULL,
    confidence double precision NOT NULL,
    answer jsonb NOT NULL,
    numbers integer NOT NULL,
    numbers_verified integer NOT NULL,
    model text NOT NULL,
    provider text NOT NULL,
    is_offline boolean NOT NULL,
    prompt_version text NOT NULL,
    price_version text NOT NULL,
    charged_usd numeric(20, 9) NOT NULL,
    call_usd numeric(20, 9) NOT NULL,
    prompt_tokens integer NOT NULL,
    completion_tokens integer NOT NULL,
    request_id uuid NOT NULL,
    is_cached boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_verdicts PRIMARY KEY (id),
    CONSTRAINT fk_verdicts_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_verdicts_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT fk_verdicts_snapshot_id_verdict_snapshots FOREIGN KEY (snapshot_id) REFERENCES verdict_snapshots (id),
    CONSTRAINT fk_verdicts_signal_id_signals FOREIGN KEY (signal_id) REFERENCES signals (id),
    CONSTRAINT uq_verdicts_request_id UNIQUE (org_id, request_id, snapshot_id),
    CONSTRAINT ck_verdicts_purpose CHECK (purpose IN ('asked', 'batch', 'replay')),
    CONSTRAINT ck_verdicts_direction CHECK (direction IN ('bullish', 'bearish')),
    CONSTRAINT ck_verdicts_verdict CHECK (verdict IN ('BUY', 'SELL', 'HOLD', 'AVOID')),
    CONSTRAINT ck_verdicts_confidence CHECK (confidence BETWEEN 0 AND 1),
    CONSTRAINT ck_verdicts_numbers CHECK (numbers_verified BETWEEN 0 AND numbers),
    CONSTRAINT ck_verdicts_money CHECK (charged_usd >= 0 AND call_usd >= 0)
);
CREATE UNIQUE INDEX ux_verdicts_job ON verdicts (job_id, snapshot_id) WHERE job_id IS NOT NULL;
CREATE INDEX ix_verdicts_snapshot ON verdicts (snapshot_id);
CREATE INDEX ix_verdicts_org_created ON verdicts (org_id, created_at DESC, id DESC);
CREATE INDEX ix_verdicts_signal ON verdicts (org_id, signal_id, created_at DESC);
CREATE INDEX ix_verdicts_day ON verdicts (org_id, universe_id, signal_day);
CREATE INDEX ix_verdicts_unscored ON verdicts (decided_on) WHERE decided_on IS NOT NULL;
COMMENT ON COLUMN verdicts.job_id IS 'Of the batch or replay that asked: it has one verdict of a snapshot, however often it begins again.';
COMMENT ON COLUMN verdicts.user_id IS 'Who asked; NULL: a batch of the organisation.';
COMMENT ON COLUMN verdicts.signal_day IS 'With universe, symbol and type it names the signal, also where a scan was made again.';
COMMENT ON COLUMN verdicts.own_confidence IS 'Of the signal by its own record, as the model was shown it; NULL: too few signals before it.';
COMMENT ON COLUMN verdicts.decided_on IS 'It is scored from the first session after this day; NULL: of a caller''s own snapshot, and never scored.';
COMMENT ON COLUMN verdicts.is_retrospective IS 'Given of a day whose next session had opened: the model may know what happened.';
COMMENT ON COLUMN verdicts.is_generated IS 'Of generated bars.';
COMMENT ON COLUMN verdicts.charged_usd IS 'What this request was charged; zero for a cached answer.';
COMMENT ON COLUMN verdicts.call_usd IS 'What the call cost that brought the answer, whoever paid for it.';

CREATE TABLE verdict_scores (
    verdict_id uuid NOT NULL,
    org_id uuid NOT NULL,
    entry_day date NOT NULL,
    benchmark text,
    exit_5 date,
    move_5 double precision,
    benchmark_5 double precision,
    exit_20 date,
    move_20 double precision,
    benchmark_20 double precision,
    scored_at timestamptz NOT NULL,
    CONSTRAINT pk_verdict_scores PRIMARY KEY (verdict_id),
    CONSTRAINT fk_verdict_scores_verdict_id_verdicts FOREIGN KEY (verdict_id) REFERENCES verdicts (id) ON DELETE CASCADE,
    CONSTRAINT fk_verdict_scores_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id)
);
COMMENT ON TABLE verdict_scores IS 'What became of a verdict: moves from the next session''s open, as shares, in the direction of the price.';
COMMENT ON COLUMN verdict_scores.move_5 IS 'To the close of the 5th session, that of the entry included; NULL until it is known.';

CREATE TABLE verdict_batches (
    job_id uuid NOT NULL,
    org_id uuid NOT NULL,
    started_by uuid NOT NULL,
    is_nightly boolean NOT NULL,
    parent_id uuid,
    universe_id text NOT NULL,
    signal_day date NOT NULL,
    model text NOT NULL,
    title text NOT NULL,
    stopped_code text,
    stopped_reason text,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT pk_verdict_batches PRIMARY KEY (job_id),
    CONSTRAINT fk_verdict_batches_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_verdict_batches_started_by_users FOREIGN KEY (started_by) REFERENCES users (id)
);
CREATE INDEX ix_verdict_batches_org ON verdict_batches (org_id, created_at DESC);
CREATE INDEX ix_verdict_batches_parent_id ON verdict_batches (parent_id) WHERE parent_id IS NOT NULL;
COMMENT ON COLUMN verdict_batches.started_by IS 'Who asked for it, or switched the nightly one on.';
COMMENT ON COLUMN verdict_batches.parent_id IS 'The job that started those of all organisations, and counts this one''s signals.';
COMMENT ON COLUMN verdict_batches.signal_day IS 'Of its signals: a universe has one nightly batch for each.';
COMMENT ON COLUMN verdict_batches.stopped_reason IS 'Why it ended before its last signal: quota or money ran out, or a member stopped it.';

CREATE TABLE verdict_batch_items (
    job_id uuid NOT NULL,
    org_id uuid NOT NULL,
    number integer NOT NULL,
    signal_id uuid NOT NULL,
    symbol text NOT NULL,
    status text NOT NULL,
    verdict_id uuid,
    problem text,
    CONSTRAINT pk_verdict_batch_items PRIMARY KEY (job_id, number),
    CONSTRAINT uq_verdict_batch_items_signal_id UNIQUE (job_id, signal_id),
    CONSTRAINT fk_verdict_batch_items_job_id_verdict_batches FOREIGN KEY (job_id) REFERENCES verdict_batches (job_id)
        ON DELETE CASCADE,
    CONSTRAINT fk_verdict_batch_items_signal_id_signals FOREIGN KEY (signal_id) REFERENCES signals (id) ON DELETE CASCADE,
    CONSTRAINT fk_verdict_batch_items_verdict_id_verdicts FOREIGN KEY (verdict_id) REFERENCES verdicts (id),
    CONSTRAINT ck_verdict_batch_items_status CHECK (status IN ('waiting', 'done', 'failed', 'abstained')),
    CONSTRAINT ck_verdict_batch_items_done CHECK ((status = 'done') = (verdict_id IS NOT NULL)),
    CONSTRAINT ck_verdict_batch_items_problem CHECK ((status IN ('failed', 'abstained')) = (problem IS NOT NULL))
);
COMMENT ON COLUMN verdict_batch_items.status IS 'abstained: there was not enough data, and no model was asked.';

CREATE TABLE verdict_settings (
    org_id uuid NOT NULL,
    is_nightly boolean NOT NULL,
    universe_id text,
    most integer NOT NULL,
    model text NOT NULL,
    switched_on_by uuid,
    uses_quality boolean NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_verdict_settings PRIMARY KEY (org_id),
    CONSTRAINT fk_verdict_settings_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_verdict_settings_switched_on_by_users FOREIGN KEY (switched_on_by) REFERENCES users (id),
    CONSTRAINT ck_verdict_settings_nightly CHECK (
        NOT is_nightly OR (universe_id IS NOT NULL AND switched_on_by IS NOT NULL)),
    CONSTRAINT ck_verdict_settings_most CHECK (most BETWEEN 1 AND 500)
);
COMMENT ON COLUMN verdict_settings.uses_quality IS 'Whether "auto" prefers models whose verdicts were right.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['verdict_snapshots', 'verdicts', 'verdict_scores', 'verdict_batches',
        'verdict_batch_items', 'verdict_settings']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['verdicts', 'verdict_scores', 'verdict_batches', 'verdict_batch_items', 'verdict_settings']
    LOOP
        EXECUTE format('CREATE POLICY own ON %I TO assay_app USING (org_id = bound_org()) WITH CHECK (org_id = bound_org())',
            name);
    END LOOP;
END $$;
CREATE POLICY shared_or_own ON verdict_snapshots FOR SELECT TO assay_app USING (org_id IS NULL OR org_id = bound_org());
CREATE POLICY own ON verdict_snapshots FOR INSERT TO assay_app WITH CHECK (org_id = bound_org());
GRANT SELECT, INSERT ON verdict_snapshots, verdicts TO assay_app;
GRANT SELECT ON verdict_scores, verdict_batches, verdict_batch_items TO assay_app;
GRANT SELECT, INSERT, UPDATE ON verdict_settings TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON verdict_snapshots, verdicts, verdict_scores, verdict_batches,
    verdict_batch_items, verdict_settings TO assay_service;
