-- Requests that join one another: flights, repeated requests, batches of an organisation; what a cached answer saved.

-- The functions return these; both are made again with the functions' files.
DROP TYPE IF EXISTS reservation CASCADE;
DROP TYPE IF EXISTS resolution CASCADE;

ALTER TABLE holds
    ADD COLUMN bound_usd numeric(20, 9),
    ADD COLUMN followers integer NOT NULL DEFAULT 0,
    ADD COLUMN followed_until timestamptz,
    ADD CONSTRAINT ck_holds_followers_not_negative CHECK (followers >= 0);
UPDATE holds SET bound_usd = greatest(held_usd, cost_usd);
ALTER TABLE holds
    ALTER COLUMN bound_usd SET NOT NULL,
    ADD CONSTRAINT ck_holds_bound_covers_charge CHECK (bound_usd >= held_usd);
COMMENT ON COLUMN holds.bound_usd IS 'The worst case at the provider''s price, also where nothing is charged: an own key.';
COMMENT ON COLUMN holds.followers IS 'Requests of other processes that wait for this one''s answer.';
COMMENT ON COLUMN holds.followed_until IS 'Until when a follower was last known to wait.';
CREATE UNIQUE INDEX uq_holds_flight ON holds (flight_key)
    WHERE flight_key IS NOT NULL AND state IN ('reserved', 'in_flight');

ALTER TABLE org_meters
    ADD COLUMN open_batch_holds integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT ck_org_meters_batch_not_negative CHECK (open_batch_holds >= 0);
COMMENT ON COLUMN org_meters.open_batch_holds IS 'Open holds of requests in which the organisation acts for itself.';

CREATE TABLE kept_answers (
    hold_id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    value jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_kept_answers PRIMARY KEY (hold_id),
    CONSTRAINT fk_kept_answers_hold_id_holds FOREIGN KEY (hold_id) REFERENCES holds (id)
);
COMMENT ON TABLE kept_answers IS 'Answers to requests with an Idempotency-Key, for a day: a repeat gets the same.';
CREATE INDEX ix_kept_answers_expires_at ON kept_answers (expires_at);
ALTER TABLE kept_answers ENABLE ROW LEVEL SECURITY;
ALTER TABLE kept_answers FORCE ROW LEVEL SECURITY;
CREATE POLICY service ON kept_answers TO assay_service USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, DELETE ON kept_answers TO assay_service;

ALTER TABLE usage_log
    ADD COLUMN cache_level text,
    ADD COLUMN saved_usd numeric(20, 9) NOT NULL DEFAULT 0,
    ADD CONSTRAINT ck_usage_log_cache_level CHECK (
        cache_level IN ('machine', 'shared', 'flight', 'replay') AND (status = 'cached' OR cache_level IS NULL)),
    ADD CONSTRAINT ck_usage_log_saved_not_negative CHECK (saved_usd >= 0 AND (saved_usd = 0 OR status = 'cached'));
COMMENT ON COLUMN usage_log.cache_level IS 'Where a free answer came from: this machine, the shared level, another request in flight, a repeated request.';
COMMENT ON COLUMN usage_log.saved_usd IS 'What the call cost whose answer was given again.';
