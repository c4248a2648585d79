-- Credits: every movement is an entry of the ledger, whose trigger changes the wallet or the user's free day.
-- Locks in one order, after those of metering: the wallet, then the free day.

CREATE OR REPLACE FUNCTION free_day_now() RETURNS date LANGUAGE sql VOLATILE
    AS $$ SELECT (assay_now() AT TIME ZONE 'UTC')::date $$;

-- The wallet of an organisation, locked; made where there is none.
CREATE OR REPLACE FUNCTION locked_wallet(p_org uuid) RETURNS wallets LANGUAGE plpgsql AS $$
DECLARE
    w wallets;
BEGIN
    LOOP
        SELECT * INTO w FROM wallets WHERE org_id = p_org FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO wallets (org_id) VALUES (p_org) ON CONFLICT DO NOTHING;
    END LOOP;
    RETURN w;
END $$;

-- One entry; the caller holds the locks.
CREATE OR REPLACE FUNCTION enter(p_org uuid, p_kind text, p_debit text, p_credit text, p_amount numeric, p_key text,
    p_user uuid DEFAULT NULL, p_hold uuid DEFAULT NULL, p_day date DEFAULT NULL, p_author uuid DEFAULT NULL,
    p_reason text DEFAULT NULL, p_payment text DEFAULT NULL, p_lot uuid DEFAULT NULL)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_entries (org_id, user_id, at, kind, debit, credit, amount, author, reason, hold_id, payment,
            lot_id, free_day, idempotency_key)
        VALUES (p_org, p_user, assay_now(), p_kind, p_debit, p_credit, p_amount, p_author, p_reason, p_hold, p_payment,
            p_lot, p_day, p_key);
END $$;

-- What came in repays the overdraft first; says how much.
CREATE OR REPLACE FUNCTION repay(p_org uuid, p_key text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    repaid numeric;
BEGIN
    SELECT least(available, overdraft) INTO repaid FROM wallets WHERE org_id = p_org;
    IF repaid > 0 THEN
        PERFORM enter(p_org, 'repayment', 'available', 'overdraft', repaid, 'repayment:' || p_key);
    END IF;
    RETURN repaid;
END $$;

-- Grants that end are spent before other credits, the earliest end first.
CREATE OR REPLACE FUNCTION spend_lots(p_org uuid, p_amount numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    rest numeric := p_amount;
BEGIN
    FOR lot IN SELECT id, remaining FROM credit_lots WHERE org_id = p_org AND remaining > 0 ORDER BY expires_at, id LOOP
        UPDATE credit_lots SET remaining = remaining - least(rest, lot.remaining) WHERE id = lot.id;
        rest := rest - least(rest, lot.remaining);
        EXIT WHEN rest = 0;
    END LOOP;
END $$;

-- What is taken out and not spent leaves the lots alone as long as other credits are enough; what an overdraft will be
-- repaid with, once holds return, is no lot's any more.
CREATE OR REPLACE FUNCTION trim_lots(p_org uuid) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    excess numeric;
BEGIN
    SELECT coalesce(sum(l.remaining), 0) - greatest(0, w.available + w.held - w.overdraft) INTO excess
        FROM wallets w LEFT JOIN credit_lots l ON l.org_id = w.org_id AND l.remaining > 0
        WHERE w.org_id = p_org GROUP BY w.available, w.held, w.overdraft;
    FOR lot IN SELECT id, remaining FROM credit_lots WHERE org_id = p_org AND remaining > 0
        ORDER BY expires_at DESC, id LOOP
        EXIT WHEN excess <= 0;
        UPDATE credit_lots SET remaining = remaining - least(excess, lot.remaining) WHERE id = lot.id;
        excess := excess - least(excess, lot.remaining);
    END LOOP;
END $$;

-- Takes the grants of an organisation whose end has come; says of how many. What is held for requests was reserved in
-- time and stays: holds spend the earliest lots.
CREATE OR REPLACE FUNCTION expire_lots(p_org uuid) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    lot record;
    protected numeric;
    kept numeric;
    expired integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM credit_lots WHERE org_id = p_org AND remaining > 0 AND expires_at <= assay_now()) THEN
        RETURN 0;
    END IF;
    protected := (locked_wallet(p_org)).held;
    FOR lot IN SELECT * FROM credit_lots WHERE org_id = p_org AND remaining > 0 ORDER BY expires_at, id LOOP
        EXIT WHEN lot.expires_at > assay_now();
        kept := least(lot.remaining, protected);
        protected := protected - kept;
        IF lot.remaining > kept THEN
            UPDATE credit_lots SET remaining = kept WHERE id = lot.id;
            PERFORM enter(p_org, 'expiry', 'available', 'expired', lot.remaining - kept,
                'expiry:' || lot.id || ':' || lot.remaining, p_lot => lot.id);
            expired := expired + 1;
        END IF;
    END LOOP;
    RETURN expired;
END $$;

-- Adds credits; false where this key has added them before. p_kind: grant (which may end), purchase, reversal (of what was
-- taken back of a payment) or adjustment.
CREATE OR REPLACE FUNCTION put_in(p_org uuid, p_kind text, p_amount numeric, p_key text, p_user uuid, p_author uuid,
    p_reason text, p_payment text, p_expires_at timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    lot uuid;
    repaid numeric;
BEGIN
    PERFORM locked_wallet(p_org);
    IF EXISTS (SELECT FROM ledger_entries WHERE idempotency_key = p_key) THEN
        RETURN false;
    END IF;
    IF p_expires_at IS NOT NULL THEN
        INSERT INTO credit_lots (id, org_id, granted, remaining, created_at, expires_at)
            VALUES (gen_random_uuid(), p_org, p_amount, p_amount, assay_now(), p_expires_at) RETURNING id INTO lot;
    END IF;
    PERFORM enter(p_org, p_kind, CASE p_kind WHEN 'grant' THEN 'promotion' WHEN 'adjustment' THEN 'adjustments'
            WHEN 'purchase' THEN 'cash' WHEN 'reversal' THEN 'cash' END, 'available', p_amount, p_key, p_user, p_author => p_author,
        p_reason => p_reason, p_payment => p_payment, p_lot => lot);
    repaid := repay(p_org, p_key);
    IF lot IS NOT NULL AND repaid > 0 THEN
        UPDATE credit_lots SET remaining = remaining - repaid WHERE id = lot;
    END IF;
    RETURN true;
END $$;

-- Takes credits out: done, repeated (this key did before), or insufficient. A refund (a payment that was taken back)
-- takes what is not there too, by an overdraft.
CREATE OR REPLACE FUNCTION take_out(p_org uuid, p_kind text, p_amount numeric, p_key text, p_user uuid, p_author uuid,
    p_reason text, p_payment text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    w wallets := locked_wallet(p_org);
BEGIN
    IF EXISTS (SELECT FROM ledger_entries WHERE idempotency_key = p_key) THEN
        RETURN 'repeated';
    END IF;
    IF expire_lots(p_org) > 0 THEN
        SELECT * INTO w FROM wallets WHERE org_id = p_org;
    END IF;
    IF w.available < p_amount THEN
        IF p_kind <> 'refund' THEN
            RETURN 'insufficient';
        END IF;
        PERFORM enter(p_org, 'overdraft', 'overdraft', 'available', p_amount - w.available, 'overdraft:' || p_key, p_user,
            p_reason => p_reason, p_payment => p_payment);
    END IF;
    PERFORM enter(p_org, p_kind, 'available', CASE p_kind WHEN 'refund' THEN 'cash' ELSE 'adjustments' END, p_amount, p_key,
        p_user, p_author => p_author, p_reason => p_reason, p_payment => p_payment);
    PERFORM trim_lots(p_org);
    RETURN 'done';
END $$;

-- Charges at once, without a hold; false where there is less, or where this key did before.
CREATE OR REPLACE FUNCTION debit_credits(p_org uuid, p_amount numeric, p_key text, p_user uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    w wallets := locked_wallet(p_org);
BEGIN
    IF w.available < p_amount OR EXISTS (SELECT FROM ledger_entries WHERE idempotency_key = p_key) THEN
        RETURN false;
    END IF;
    PERFORM enter(p_org, 'charge', 'available', 'revenue', p_amount, p_key, p_user);
    PERFORM spend_lots(p_org, p_amount);
    RETURN true;
END $$;

-- The free credits that a user has left of a day, locked. Its first request grants them; one that its plan gives none is not
-- the first, so that a day is granted once, by the first organisation that gives some.
CREATE OR REPLACE FUNCTION free_left(p_org uuid, p_user uuid, p_day date, p_granted numeric) RETURNS numeric
LANGUAGE plpgsql AS $$
DECLARE
    remaining numeric;
BEGIN
    IF p_granted > 0 THEN
        INSERT INTO free_days (user_id, day) VALUES (p_user, p_day) ON CONFLICT DO NOTHING;
        IF FOUND THEN
            PERFORM enter(p_org, 'grant', 'promotion', 'free', p_granted, 'free:' || p_user || ':' || p_day, p_user,
                p_day => p_day);
        END IF;
    END IF;
    SELECT granted - used - held INTO remaining FROM free_days WHERE user_id = p_user AND day = p_day FOR UPDATE;
    RETURN coalesce(remaining, 0);
END $$;

-- How credits cover a request: today's free ones first, then the wallet's, within the member's own cap; or which of them
-- refuses. p_used is what the member has used and holds of the wallet this month, p_resets_at when the plan covers again;
-- where tomorrow's free credits will do, they are told to come.
CREATE OR REPLACE FUNCTION credit_cover(p_org uuid, p_user uuid, p_credits numeric, p_used numeric,
    p_month_end timestamptz, p_resets_at timestamptz, p_free_a_day numeric) RETURNS covering LANGUAGE plpgsql AS $$
DECLARE
    c covering;
    w wallets := locked_wallet(p_org);
    cap numeric;
    left_free numeric;
BEGIN
    IF expire_lots(p_org) > 0 THEN
        SELECT * INTO w FROM wallets WHERE org_id = p_org;
    END IF;
    c.free_day := free_day_now();
    left_free := free_left(p_org, p_user, c.free_day, p_free_a_day);
    c.free := least(p_credits, left_free);
    c.taken := p_credits - c.free;
    SELECT credits_cap_month INTO cap FROM memberships WHERE org_id = p_org AND user_id = p_user;
    IF w.overdraft = 0 AND p_credits <= w.available + p_free_a_day THEN
        p_resets_at := least(p_resets_at, (c.free_day + 1)::timestamp AT TIME ZONE 'UTC');
    END IF;
    IF c.taken > w.available OR w.overdraft > 0 THEN
        c.denial := ROW('insufficient_credits', 'credits', 'organisation',
            CASE WHEN w.overdraft > 0 THEN w.available - w.overdraft ELSE w.available + left_free END, p_credits,
            p_resets_at);
    END IF;
    IF c.taken > 0 AND p_used + c.taken > cap THEN
        c.denial := later_denial(c.denial, ROW('insufficient_credits', 'credits_cap_month', 'user', cap, p_used,
            p_month_end)::denial);
    END IF;
    RETURN c;
END $$;

-- Moves what a hold takes aside; p_mark tells the steps of one hold apart.
CREATE OR REPLACE FUNCTION hold_credits(p_hold uuid, p_org uuid, p_user uuid, p_free numeric, p_taken numeric,
    p_day date, p_mark text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_free > 0 THEN
        PERFORM enter(p_org, 'hold', 'free', 'free_held', p_free, 'hold:free:' || p_mark, p_user, p_hold, p_day);
    END IF;
    IF p_taken > 0 THEN
        PERFORM enter(p_org, 'hold', 'available', 'held', p_taken, 'hold:' || p_mark, p_user, p_hold);
    END IF;
END $$;

-- Of more credits for a hold, those that its day has left, while that day lasts.
CREATE OR REPLACE FUNCTION free_for(h holds, p_more numeric) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    remaining numeric;
BEGIN
    IF h.free_day = free_day_now() THEN
        SELECT granted - used - held INTO remaining FROM free_days WHERE user_id = h.user_id AND day = h.free_day;
    END IF;
    RETURN least(p_more, coalesce(remaining, 0));
END $$;

-- Raises what a hold holds in credits; false where there is not enough, or the member's cap does not allow it.
CREATE OR REPLACE FUNCTION top_up_credits(h holds, p_credits numeric) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    more numeric := p_credits - h.credits_held;
    free numeric := free_for(h, more);
    is_short boolean;
BEGIN
    PERFORM expire_lots(h.org_id);
    SELECT w.overdraft > 0 OR more - free > w.available
            OR (more > free AND coalesce(m.credits_used + m.credits_held + more - free > s.credits_cap_month, false))
        INTO is_short
        FROM wallets w JOIN memberships s ON s.org_id = w.org_id AND s.user_id = h.user_id
            JOIN member_meters m ON m.org_id = s.org_id AND m.user_id = s.user_id
        WHERE w.org_id = h.org_id;
    IF is_short THEN
        RETURN false;
    END IF;
    PERFORM hold_credits(h.id, h.org_id, h.user_id, free, more - free, h.free_day, h.id || ':' || p_credits);
    UPDATE holds SET credits_held = p_credits, free_held = free_held + free WHERE id = h.id;
    UPDATE member_meters SET credits_held = credits_held + more - free WHERE org_id = h.org_id AND user_id = h.user_id;
    RETURN true;
END $$;

-- Gives a hold's credits back: free ones of a day that is over are gone.
CREATE OR REPLACE FUNCTION return_credits(h holds, p_free numeric, p_taken numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_free > 0 AND h.free_day = free_day_now() THEN
        PERFORM enter(h.org_id, 'release', 'free_held', 'free', p_free, 'release:free:' || h.id, h.user_id, h.id,
            h.free_day);
    ELSIF p_free > 0 THEN
        PERFORM enter(h.org_id, 'expiry', 'free_held', 'expired', p_free, 'release:free:' || h.id, h.user_id, h.id,
            h.free_day);
    END IF;
    IF p_taken > 0 THEN
        PERFORM enter(h.org_id, 'release', 'held', 'available', p_taken, 'release:' || h.id, h.user_id, h.id);
        PERFORM repay(h.org_id, 'release:' || h.id);
    END IF;
END $$;

-- Charges what a call came to and gives the rest back. What exceeds the hold is taken of what is available, and beyond
-- that by an overdraft.
CREATE OR REPLACE FUNCTION charge_credits(h holds, p_free numeric, p_taken numeric) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held numeric := h.credits_held - h.free_held;
    more numeric := p_taken - held;
    short numeric;
BEGIN
    IF p_free > 0 THEN
        PERFORM enter(h.org_id, 'charge', 'free_held', 'revenue', p_free, 'charge:free:' || h.id, h.user_id, h.id,
            h.free_day);
    END IF;
    IF least(p_taken, held) > 0 THEN
        PERFORM enter(h.org_id, 'charge', 'held', 'revenue', least(p_taken, held), 'charge:' || h.id, h.user_id, h.id);
    END IF;
    IF more > 0 THEN
        SELECT more - available INTO short FROM wallets WHERE org_id = h.org_id;
        IF short > 0 THEN
            PERFORM enter(h.org_id, 'overdraft', 'overdraft', 'available', short, 'overdraft:' || h.id, h.user_id, h.id);
        END IF;
        PERFORM enter(h.org_id, 'charge', 'available', 'revenue', more, 'charge:more:' || h.id, h.user_id, h.id);
    END IF;
    IF p_taken > 0 THEN
        PERFORM spend_lots(h.org_id, p_taken);
    END IF;
    PERFORM return_credits(h, h.free_held - p_free, -more);
END $$;
