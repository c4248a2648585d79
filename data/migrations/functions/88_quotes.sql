-- Quotes that are kept, and who is fetching which: a lease on each symbol, which lapses when its holder dies.
-- Rows of several symbols are locked in the order of their symbols, so that no two statements wait for one another.

-- What is kept of each of these symbols, in their order, and whether somebody is fetching it: running; missed (the
-- sources had nothing of it just now); lapsed (either is over); or NULL.
CREATE OR REPLACE FUNCTION quote_look(p_symbols text[]) RETURNS TABLE (
    symbol text, age_s double precision, state text, price numeric, currency text, change_pct numeric,
    as_of timestamptz, origin text
) LANGUAGE sql AS $$
    SELECT s.symbol, extract(epoch FROM n.moment - q.fetched_at),
        CASE WHEN f.symbol IS NULL THEN NULL WHEN f.until <= n.moment THEN 'lapsed' WHEN f.holder IS NULL THEN 'missed'
            ELSE 'running' END,
        q.price, q.currency, q.change_pct, q.as_of, q.origin
    FROM unnest(p_symbols) WITH ORDINALITY AS s (symbol, place)
        CROSS JOIN (SELECT assay_now() AS moment) AS n
        LEFT JOIN quotes q ON q.symbol = s.symbol LEFT JOIN quote_fetches f ON f.symbol = s.symbol
    ORDER BY s.place
$$;

-- Makes p_holder the one who fetches those that nobody does, and looks at them: another may have brought them meanwhile.
CREATE OR REPLACE FUNCTION quote_claim(p_symbols text[], p_holder uuid, p_lease_s double precision) RETURNS TABLE (
    symbol text, age_s double precision, state text, price numeric, currency text, change_pct numeric,
    as_of timestamptz, origin text
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    mine text[];
BEGIN
    WITH claimed AS (
        INSERT INTO quote_fetches AS f (symbol, holder, until)
            SELECT s.symbol, p_holder, assay_now() + make_interval(secs => p_lease_s)
            FROM unnest(p_symbols) AS s (symbol) ORDER BY s.symbol
        ON CONFLICT (symbol) DO UPDATE SET holder = excluded.holder, until = excluded.until
            WHERE f.until <= assay_now()
        RETURNING f.symbol)
    SELECT array_agg(c.symbol) INTO mine FROM claimed c;
    RETURN QUERY SELECT * FROM quote_look(ARRAY(
        SELECT s.symbol FROM unnest(p_symbols) WITH ORDINALITY AS s (symbol, place)
        WHERE s.symbol = ANY(mine) ORDER BY s.place));
END $$;

-- Gives the holder more time for what it still holds.
CREATE OR REPLACE FUNCTION quote_extend(p_symbols text[], p_holder uuid, p_lease_s double precision) RETURNS void
LANGUAGE sql AS $$
    WITH mine AS (
        SELECT symbol FROM quote_fetches WHERE symbol = ANY(p_symbols) AND holder = p_holder ORDER BY symbol FOR UPDATE)
    UPDATE quote_fetches f SET until = assay_now() + make_interval(secs => p_lease_s) FROM mine
        WHERE f.symbol = mine.symbol
$$;

-- Ends the holder's fetches of p_symbols: keeps what was found as told at this moment, and remembers for p_miss_s what
-- the sources had nothing of. Whose lease has lapsed and been taken over changes nothing: the next one knows better. A
-- crash may take the last half second of it along: it is fetched once more.
CREATE OR REPLACE FUNCTION quote_settle(
    p_symbols text[], p_holder uuid, p_missed text[], p_miss_s double precision,
    p_found text[], p_prices numeric[], p_currencies text[], p_changes numeric[], p_as_ofs timestamptz[],
    p_origins text[]
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM FROM quote_fetches WHERE symbol = ANY(p_symbols) AND holder = p_holder ORDER BY symbol FOR UPDATE;
    INSERT INTO quotes (symbol, price, currency, change_pct, as_of, origin, fetched_at)
        SELECT s.*, assay_now()
        FROM unnest(p_found, p_prices, p_currencies, p_changes, p_as_ofs, p_origins) AS s (symbol)
        WHERE EXISTS (SELECT FROM quote_fetches f WHERE f.symbol = s.symbol AND f.holder = p_holder)
        ORDER BY s.symbol
    ON CONFLICT (symbol) DO UPDATE SET price = excluded.price, currency = excluded.currency,
        change_pct = excluded.change_pct, as_of = excluded.as_of, origin = excluded.origin,
        fetched_at = excluded.fetched_at;
    DELETE FROM quote_fetches WHERE symbol = ANY(p_symbols) AND holder = p_holder AND NOT symbol = ANY(p_missed);
    UPDATE quote_fetches SET holder = NULL, until = assay_now() + make_interval(secs => p_miss_s)
        WHERE symbol = ANY(p_missed) AND holder = p_holder;
END $$;

-- Forgets up to p_most fetches that were over an hour ago, and none that is being claimed.
CREATE OR REPLACE FUNCTION quote_trim(p_most integer) RETURNS void LANGUAGE sql AS $$
    DELETE FROM quote_fetches WHERE symbol IN (
        SELECT symbol FROM quote_fetches WHERE until < assay_now() - interval '1 hour' LIMIT p_most
        FOR UPDATE SKIP LOCKED)
$$;
