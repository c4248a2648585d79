-- What reserve and the three ways to resolve a hold answer with.

DO $$ BEGIN
    CREATE TYPE denial AS (
        code text, metric text, scope text, maximum numeric, used numeric, resets_at timestamptz);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

DO $$ BEGIN
    CREATE TYPE reservation AS (
        -- granted; denied; forbidden (no membership); conflict (this id is another request's); flight (the same question
        -- is being answered under hold_id: follow it); cached (it was answered: entry); of this Idempotency-Key: running,
        -- replay (hold_id has answered), other_body
        outcome text,
        hold_id uuid, plan text, lifetime_s numeric,
        denial denial, denied_at timestamptz,
        quota_metric text, quota_limit integer, quota_used integer, quota_resets_at timestamptz,
        rate_limit integer, rate_used integer, rate_resets_at timestamptz,
        entry jsonb, entry_life_s numeric,
        cover text);                -- of a granted hold: plan or credits
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

DO $$ BEGIN
    CREATE TYPE resolution AS (
        outcome text,               -- settled, released, expired, not_open (reserved but never called), unknown
        changed boolean,            -- false where it had been resolved before
        charged_usd numeric, quota_charged integer, quota_used integer, credits_charged numeric);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- Credits that cover a request, free ones of that day and the wallet's; or what refuses them.
DO $$ BEGIN
    CREATE TYPE covering AS (free numeric, taken numeric, free_day date, denial denial);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- What a new month gets of the old one.
DO $$ BEGIN
    CREATE TYPE carried AS (requests integer, filings integer);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- What raises limits: how many members share them, what the other ones used and were left, and boosts.
DO $$ BEGIN
    CREATE TYPE raised AS (
        members integer, chat integer, analysis integer, filing integer, request integer,
        filing_carry integer, request_carry integer,
        chat_boost integer, analysis_boost integer, filing_boost integer, request_boost integer,
        validation_boost integer);
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;

-- Of two refusals the one that lasts longer; a limit that never resets lasts longest.
CREATE OR REPLACE FUNCTION later_denial(a denial, b denial) RETURNS denial LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF (a).code IS NULL OR coalesce((b).resets_at, 'infinity') > coalesce((a).resets_at, 'infinity') THEN
        RETURN b;
    END IF;
    RETURN a;
END $$;
