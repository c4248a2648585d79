-- What was told the longest ago is forgotten first: by its own time, news of a past day would always go first.

ALTER TABLE news_articles ADD COLUMN stored_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE news_articles ALTER COLUMN stored_at DROP DEFAULT;
COMMENT ON COLUMN news_articles.stored_at IS 'When its source told it last.';
