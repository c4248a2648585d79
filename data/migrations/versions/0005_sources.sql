-- Sources and quotes: allowances and breakers that all processes share, and the last quote of each symbol.

CREATE TABLE sources (
    name text NOT NULL,
    per_second integer,
    per_minute integer,
    per_day integer,
    second_tick bigint NOT NULL DEFAULT 0,
    second_counts integer[] NOT NULL DEFAULT array_fill(0, ARRAY[60]),
    minute_tick bigint NOT NULL DEFAULT 0,
    minute_counts integer[] NOT NULL DEFAULT array_fill(0, ARRAY[60]),
    day date NOT NULL DEFAULT '2000-01-01',
    day_used integer NOT NULL DEFAULT 0,
    blocked_until timestamptz,
    failures integer NOT NULL DEFAULT 0,
    rests integer NOT NULL DEFAULT 0,
    rests_until timestamptz,
    probed_until timestamptz,
    answered_at timestamptz,
    latency_ms integer,
    failed_at timestamptz,
    failure text,
    CONSTRAINT pk_sources PRIMARY KEY (name),
    CONSTRAINT ck_sources_rests CHECK ((rests = 0) = (rests_until IS NULL)),
    CONSTRAINT ck_sources_day_used CHECK (day_used >= 0)
) WITH (fillfactor = 50);
COMMENT ON TABLE sources IS 'What each source of market data was asked and how it fares, all processes together.';
COMMENT ON COLUMN sources.per_second IS 'The allowance as it was last asked with, for those who look; NULL: unlimited.';
COMMENT ON COLUMN sources.second_tick IS 'The newest of the 60 buckets in second_counts, which are a 57th of a second each.';
COMMENT ON COLUMN sources.minute_tick IS 'The newest of the 60 buckets in minute_counts, which are a 58th of a minute each.';
COMMENT ON COLUMN sources.day IS 'The day in UTC that day_used counts.';
COMMENT ON COLUMN sources.blocked_until IS 'The source itself said that it takes nothing before.';
COMMENT ON COLUMN sources.failures IS 'Failures since its last answer.';
COMMENT ON COLUMN sources.rests_until IS 'The circuit is open until then, and half open after it; NULL: it is closed.';
COMMENT ON COLUMN sources.rests IS 'How often it has been opened since it was last closed; each time for longer.';
COMMENT ON COLUMN sources.probed_until IS 'Until then one call finds out whether a half open circuit can be closed.';
COMMENT ON COLUMN sources.failure IS 'Kind of its last failure, at failed_at: the name of an error class.';

CREATE TABLE quotes (
    symbol text NOT NULL,
    price numeric NOT NULL,
    currency text,
    change_pct numeric,
    as_of timestamptz NOT NULL,
    origin text NOT NULL,
    fetched_at timestamptz NOT NULL,
    CONSTRAINT pk_quotes PRIMARY KEY (symbol),
    CONSTRAINT ck_quotes_price CHECK (price > 0 AND price < 'Infinity')
) WITH (fillfactor = 80);
COMMENT ON TABLE quotes IS 'The last price of each symbol that a live source told, of any age.';
COMMENT ON COLUMN quotes.currency IS 'ISO 4217; NULL where neither source nor instrument says.';
COMMENT ON COLUMN quotes.change_pct IS 'Change from the previous close, as a fraction.';
COMMENT ON COLUMN quotes.as_of IS 'When it was the price; fetched_at is when we were told.';

-- Unlogged: after a crash nobody is fetching, and what had no quote is asked for once more.
CREATE UNLOGGED TABLE quote_fetches (
    symbol text NOT NULL,
    holder uuid,
    until timestamptz NOT NULL,
    CONSTRAINT pk_quote_fetches PRIMARY KEY (symbol)
);
CREATE INDEX ix_quote_fetches_until ON quote_fetches (until);
COMMENT ON TABLE quote_fetches IS 'Who is asking the sources for a symbol; without holder: they had nothing of it.';
COMMENT ON COLUMN quote_fetches.until IS 'From then on anybody may ask: the holder has died, or the sources may know it by now.';

GRANT SELECT, INSERT, UPDATE, DELETE ON sources, quotes, quote_fetches TO assay_service;
