-- News, filings and fundamentals as they were fetched. None of it is a tenant's: all organisations read the same.

CREATE TABLE news_articles (
    symbol text NOT NULL,
    source text NOT NULL,
    url_key text NOT NULL,
    url text NOT NULL,
    title text NOT NULL,
    publisher text NOT NULL,
    summary text NOT NULL,
    published_at timestamptz NOT NULL,
    CONSTRAINT pk_news_articles PRIMARY KEY (symbol, source, url_key),
    CONSTRAINT ck_news_articles_url CHECK (url ~ '^https?://' AND length(url) <= 2000),
    CONSTRAINT ck_news_articles_title_length CHECK (length(title) BETWEEN 1 AND 300),
    CONSTRAINT ck_news_articles_summary_length CHECK (length(summary) <= 1000)
);
CREATE INDEX ix_news_articles_published_at ON news_articles (symbol, published_at DESC);
COMMENT ON TABLE news_articles IS 'What the sources of news told of an instrument: plain text, never markup.';
COMMENT ON COLUMN news_articles.url_key IS 'The address without what only follows a reader: the same for every copy of one article.';

CREATE TABLE news_fetches (
    symbol text NOT NULL,
    source text NOT NULL,
    last_day date NOT NULL,
    asked_at timestamptz NOT NULL,
    fetched_at timestamptz,
    error text,
    CONSTRAINT pk_news_fetches PRIMARY KEY (symbol, source, last_day)
);
COMMENT ON TABLE news_fetches IS 'When each source was asked for the news of an instrument up to a day, so that all processes ask it once.';
COMMENT ON COLUMN news_fetches.fetched_at IS 'When it last answered; NULL: never.';
COMMENT ON COLUMN news_fetches.error IS 'What kind of failure the last asking ended with; NULL: none.';

CREATE TABLE kept_readings (
    kind text NOT NULL,
    subject text NOT NULL,
    source text NOT NULL,
    value jsonb NOT NULL,
    fetched_at timestamptz NOT NULL,
    CONSTRAINT pk_kept_readings PRIMARY KEY (kind, subject),
    CONSTRAINT ck_kept_readings_kind CHECK (kind IN ('filer', 'company_facts', 'filing_text'))
);
CREATE INDEX ix_kept_readings_fetched_at ON kept_readings (kind, fetched_at);
COMMENT ON TABLE kept_readings IS 'Companies, their reported figures and the text of their filings, as they were last fetched.';
COMMENT ON COLUMN kept_readings.subject IS 'A CIK, or the address of a filing.';

GRANT SELECT ON news_articles, news_fetches, kept_readings TO assay_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON news_articles, news_fetches, kept_readings TO assay_service;
