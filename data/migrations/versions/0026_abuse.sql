-- Where tokens are used from, and files of bulk changes that were applied.

CREATE TABLE token_uses (
    token_id uuid NOT NULL,
    day date NOT NULL,
    address_hash bytea NOT NULL,
    agent text NOT NULL,
    minutes integer NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT pk_token_uses PRIMARY KEY (token_id, day, address_hash, agent),
    CONSTRAINT fk_token_uses_token_id_access_tokens FOREIGN KEY (token_id) REFERENCES access_tokens (id),
    CONSTRAINT ck_token_uses_agent CHECK (length(agent) <= 80),
    CONSTRAINT ck_token_uses_minutes CHECK (minutes > 0)
) WITH (fillfactor = 80);
CREATE INDEX ix_token_uses_day ON token_uses (day);
COMMENT ON TABLE token_uses IS 'From how many places an access token was used on a day of UTC; what shows that it is shared.';
COMMENT ON COLUMN token_uses.address_hash IS 'HMAC-SHA256 of the address under the token itself, which nobody keeps: it tells the places of one token apart, and nothing else.';
COMMENT ON COLUMN token_uses.agent IS 'The program, as it calls itself, without what stands in brackets.';
COMMENT ON COLUMN token_uses.minutes IS 'Minutes of a process in which it was used from there.';

CREATE TABLE bulk_changes (
    digest bytea NOT NULL,
    reach uuid NOT NULL,
    lines integer NOT NULL,
    applied_by uuid NOT NULL,
    applied_at timestamptz NOT NULL,
    CONSTRAINT pk_bulk_changes PRIMARY KEY (digest, reach),
    CONSTRAINT fk_bulk_changes_applied_by_users FOREIGN KEY (applied_by) REFERENCES users (id),
    CONSTRAINT ck_bulk_changes_lines CHECK (lines > 0)
);
COMMENT ON TABLE bulk_changes IS 'Files of changes that were applied, so that none is applied twice.';
COMMENT ON COLUMN bulk_changes.digest IS 'SHA-256 of the file.';
COMMENT ON COLUMN bulk_changes.reach IS 'The organisation that it was applied to; the nil id: to all.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['token_uses', 'bulk_changes']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON token_uses TO assay_service;
GRANT SELECT, INSERT ON bulk_changes TO assay_service;
