-- When a user was shown around.
ALTER TABLE users ADD COLUMN toured_at timestamptz DEFAULT now();  -- whoever is there knows the pages
ALTER TABLE users ALTER COLUMN toured_at DROP DEFAULT;
COMMENT ON COLUMN users.toured_at IS 'When they ended the tour of the pages, or did not want it; NULL: it is offered.';
