-- Requests of strangers, counted by address for all processes; and what finds the attempts of the last hour.

-- Unlogged: a minute's counts need not outlive a crash, and cost no write-ahead log.
CREATE UNLOGGED TABLE address_meters (
    address_hash bytea NOT NULL,
    second_at bigint NOT NULL,
    counts integer[] NOT NULL DEFAULT array_fill(0, ARRAY[60]),
    CONSTRAINT pk_address_meters PRIMARY KEY (address_hash)
) WITH (fillfactor = 50);
COMMENT ON TABLE address_meters IS 'Requests without a valid token or session in the last 60 seconds, one row an address.';
COMMENT ON COLUMN address_meters.second_at IS 'Epoch second of the newest of the 60 buckets in counts.';
GRANT SELECT, INSERT, UPDATE, DELETE ON address_meters TO assay_service;

-- Attempts come in the order of their time, so that a summary of their blocks finds the last hour among millions.
CREATE INDEX ix_attempts_at ON attempts USING brin (at);
