-- The audit log and its sealed blocks.
-- Events and rows of usage share one order, `seq`. A transaction has its number before it takes a place in that order, so
-- that whoever seals knows by a snapshot up to which place nothing can appear any more: nothing waits for the chain.

CREATE SEQUENCE audit_order CACHE 1;
GRANT USAGE, SELECT ON SEQUENCE audit_order TO assay_service;
GRANT USAGE ON SEQUENCE audit_order TO assay_app;

CREATE TABLE audit_events (
    id uuid NOT NULL,
    seq bigint NOT NULL DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('audit_order') END,
    at timestamptz NOT NULL,
    org_id uuid,
    actor uuid,
    actor_kind text NOT NULL,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    before jsonb,
    after jsonb,
    request_id uuid,
    address_hash bytea,
    CONSTRAINT pk_audit_events PRIMARY KEY (id),
    CONSTRAINT ck_audit_events_actor_kind CHECK (actor_kind IN ('member', 'operator', 'command', 'system', 'stripe')),
    CONSTRAINT ck_audit_events_actor CHECK (actor IS NOT NULL OR actor_kind NOT IN ('member', 'operator')),
    CONSTRAINT ck_audit_events_action CHECK (action ~ '^[a-z_]+\.[a-z_]+$'),
    CONSTRAINT ck_audit_events_subject CHECK (length(subject_kind) BETWEEN 1 AND 40 AND length(subject_id) BETWEEN 1 AND 200),
    CONSTRAINT ck_audit_events_before CHECK (jsonb_typeof(before) = 'object' AND length(before::text) <= 16384),
    CONSTRAINT ck_audit_events_after CHECK (jsonb_typeof(after) = 'object' AND length(after::text) <= 16384)
);
CREATE INDEX ix_audit_events_org ON audit_events (org_id, at DESC, id DESC);
CREATE INDEX ix_audit_events_at ON audit_events (at DESC, id DESC);
CREATE INDEX ix_audit_events_actor ON audit_events (actor, at DESC) WHERE actor IS NOT NULL;
CREATE INDEX ix_audit_events_seq ON audit_events (seq);
COMMENT ON TABLE audit_events IS 'What was done to organisations, people and the installation: never changed, never deleted.';
COMMENT ON COLUMN audit_events.seq IS 'The place in the order that is sealed.';
COMMENT ON COLUMN audit_events.org_id IS 'NULL: the installation''s. No foreign key: a line outlives what it is about.';
COMMENT ON COLUMN audit_events.actor IS 'The user; whose name it is, is looked up when it is shown. NULL: nobody is known.';
COMMENT ON COLUMN audit_events.before IS 'The changed fields alone, as they were; never a secret, a prompt, a name or an address.';
COMMENT ON COLUMN audit_events.address_hash IS 'The address that it came from, as a keyed hash.';

CREATE TABLE audit_blocks (
    id uuid NOT NULL,
    org_id uuid,
    number bigint NOT NULL,
    kind text NOT NULL,
    previous bytea NOT NULL,
    hash bytea NOT NULL,
    from_seq bigint NOT NULL,
    to_seq bigint NOT NULL,
    events integer NOT NULL,
    requests integer NOT NULL,
    leaves bytea NOT NULL,
    statement jsonb,
    sealed_at timestamptz NOT NULL,
    CONSTRAINT pk_audit_blocks PRIMARY KEY (id),
    CONSTRAINT ck_audit_blocks_number CHECK (number >= 1),
    CONSTRAINT ck_audit_blocks_kind CHECK (kind IN ('rows', 'pruned')),
    CONSTRAINT ck_audit_blocks_hashes CHECK (length(previous) = 32 AND length(hash) = 32),
    CONSTRAINT ck_audit_blocks_range CHECK (from_seq <= to_seq AND events >= 0 AND requests >= 0),
    CONSTRAINT ck_audit_blocks_leaves CHECK (length(leaves) = 42 * (events + requests))
);
CREATE UNIQUE INDEX ix_audit_blocks_number ON audit_blocks (org_id, number) NULLS NOT DISTINCT;
CREATE INDEX ix_audit_blocks_heads ON audit_blocks USING gin ((statement -> 'heads')) WHERE org_id IS NULL;
CREATE INDEX ix_audit_blocks_pruned ON audit_blocks (number) WHERE kind = 'pruned';
ALTER TABLE audit_blocks ALTER COLUMN leaves SET STORAGE EXTERNAL;
COMMENT ON TABLE audit_blocks IS 'Seals over events and rows of usage: one chain for each organisation, and the installation''s over all.';
COMMENT ON COLUMN audit_blocks.from_seq IS 'It seals the places after this one, up to to_seq.';
COMMENT ON COLUMN audit_blocks.leaves IS 'For each row its place (8 bytes), month (2; 0: an event) and SHA-256 (32), in order.';
COMMENT ON COLUMN audit_blocks.statement IS 'Of the installation: the newest block of every chain. Of pruned: the month before which usage was dropped.';

CREATE TABLE audit_address_keys (
    key bytea NOT NULL
);
INSERT INTO audit_address_keys
    VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
COMMENT ON TABLE audit_address_keys IS 'One row, which no role but the owner reads: without it no address can be found by its hash.';

ALTER TABLE usage_log ADD COLUMN seq bigint NOT NULL
    DEFAULT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('audit_order') END;
CREATE INDEX ix_usage_log_seq ON usage_log USING brin (seq) WITH (pages_per_range = 32, autosummarize = on);
COMMENT ON COLUMN usage_log.seq IS 'The place in the order that the audit log seals.';

CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: its rows are never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_blocks
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

DO $$
DECLARE name text;
BEGIN
    -- A trigger of a statement holds on the table that it names: on the log, and on each of its months.
    FOR name IN SELECT relid::regclass FROM pg_partition_tree('usage_log') LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['audit_events', 'audit_blocks'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY of_managers ON %I FOR SELECT TO assay_app'
            ' USING (org_id = bound_org() AND bound_role() IN (''owner'', ''admin''))', name);
        EXECUTE format('GRANT SELECT ON %I TO assay_app', name);
        EXECUTE format('GRANT SELECT, INSERT ON %I TO assay_service', name);
    END LOOP;
END $$;
-- What members change under their own role leaves its line in the same transaction: in their name and organisation alone.
CREATE POLICY own_lines ON audit_events FOR INSERT TO assay_app
    WITH CHECK (org_id = bound_org() AND actor = bound_user());
GRANT INSERT ON audit_events TO assay_app;
