-- Credits: a wallet an organisation, an append-only ledger of entries with both sides, free credits a user and day;
-- boosts, pooled and carried allowances, the plans of an organisation in time.

-- The functions return these; both are made again with the functions' files.
DROP TYPE IF EXISTS reservation CASCADE;
DROP TYPE IF EXISTS resolution CASCADE;
-- These take more arguments now.
DROP FUNCTION IF EXISTS count_resolution(holds, integer, integer, numeric);
DROP FUNCTION IF EXISTS count_closed(holds, uuid, text, timestamptz, integer, integer, integer, integer, integer, integer,
    numeric);
DROP FUNCTION IF EXISTS log_call(holds, timestamptz, text, numeric, numeric, jsonb, jsonb);
DROP FUNCTION IF EXISTS top_up(uuid, numeric);

CREATE TABLE wallets (
    org_id uuid NOT NULL,
    available numeric(18, 6) NOT NULL DEFAULT 0,
    held numeric(18, 6) NOT NULL DEFAULT 0,
    overdraft numeric(18, 6) NOT NULL DEFAULT 0,
    CONSTRAINT pk_wallets PRIMARY KEY (org_id),
    CONSTRAINT fk_wallets_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_wallets_not_negative CHECK (least(available, held, overdraft) >= 0)
) WITH (fillfactor = 30);
COMMENT ON TABLE wallets IS 'The credits of an organisation: what its ledger sums up to, changed by the ledger''s trigger alone.';
COMMENT ON COLUMN wallets.overdraft IS 'What was taken beyond what there was; whatever comes in repays it first.';

CREATE TABLE credit_lots (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    granted numeric(18, 6) NOT NULL,
    remaining numeric(18, 6) NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_credit_lots PRIMARY KEY (id),
    CONSTRAINT fk_credit_lots_org_id_wallets FOREIGN KEY (org_id) REFERENCES wallets (org_id),
    CONSTRAINT ck_credit_lots_remaining CHECK (remaining >= 0 AND remaining <= granted)
);
CREATE INDEX ix_credit_lots_open ON credit_lots (org_id, expires_at) WHERE remaining > 0;
CREATE INDEX ix_credit_lots_due ON credit_lots (expires_at) WHERE remaining > 0;
COMMENT ON TABLE credit_lots IS 'Grants that end: part of the wallet''s credits, spent before the others, the earliest end first.';

CREATE TABLE free_days (
    user_id uuid NOT NULL,
    day date NOT NULL,
    granted numeric(18, 6) NOT NULL DEFAULT 0,
    used numeric(18, 6) NOT NULL DEFAULT 0,
    held numeric(18, 6) NOT NULL DEFAULT 0,
    CONSTRAINT pk_free_days PRIMARY KEY (user_id, day),
    CONSTRAINT fk_free_days_user_id_users FOREIGN KEY (user_id) REFERENCES users (id),
    CONSTRAINT ck_free_days_not_negative CHECK (least(granted, used, held) >= 0),
    CONSTRAINT ck_free_days_granted CHECK (used + held <= granted)
) WITH (fillfactor = 70);
COMMENT ON TABLE free_days IS 'Free credits of a user on a day of UTC, over all organisations; part of no balance, and not kept.';

CREATE TABLE ledger_entries (
    id bigint GENERATED ALWAYS AS IDENTITY,
    org_id uuid NOT NULL,
    user_id uuid,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    amount numeric(18, 6) NOT NULL,
    author uuid,
    reason text,
    hold_id uuid,
    payment text,
    lot_id uuid,
    free_day date,
    idempotency_key text NOT NULL,
    CONSTRAINT pk_ledger_entries PRIMARY KEY (id),
    CONSTRAINT uq_ledger_entries_idempotency_key UNIQUE (idempotency_key),
    CONSTRAINT fk_ledger_entries_org_id_wallets FOREIGN KEY (org_id) REFERENCES wallets (org_id),
    CONSTRAINT fk_ledger_entries_hold_id_holds FOREIGN KEY (hold_id) REFERENCES holds (id),
    CONSTRAINT fk_ledger_entries_lot_id_credit_lots FOREIGN KEY (lot_id) REFERENCES credit_lots (id),
    CONSTRAINT ck_ledger_entries_amount CHECK (amount > 0),
    CONSTRAINT ck_ledger_entries_sides CHECK (kind || ' ' || debit || ' ' || credit IN (
        'grant promotion available', 'grant promotion free', 'purchase cash available',
        'hold available held', 'hold free free_held', 'release held available', 'release free_held free',
        'charge held revenue', 'charge available revenue', 'charge free_held revenue', 'refund available cash',
        'expiry available expired', 'expiry free_held expired', 'adjustment adjustments available',
        'adjustment available adjustments', 'overdraft overdraft available', 'repayment available overdraft')),
    CONSTRAINT ck_ledger_entries_free_day CHECK (
        (free_day IS NOT NULL) = ('free' IN (debit, credit) OR 'free_held' IN (debit, credit))
        AND (free_day IS NULL OR user_id IS NOT NULL)),
    CONSTRAINT ck_ledger_entries_hold CHECK (
        hold_id IS NOT NULL OR NOT ('held' IN (debit, credit) OR 'free_held' IN (debit, credit))),
    CONSTRAINT ck_ledger_entries_reason CHECK (
        kind <> 'adjustment' OR (author IS NOT NULL AND length(btrim(coalesce(reason, ''))) > 0))
);
CREATE INDEX ix_ledger_entries_org ON ledger_entries (org_id, id DESC);
CREATE INDEX ix_ledger_entries_hold ON ledger_entries (hold_id) WHERE hold_id IS NOT NULL;
CREATE INDEX ix_ledger_entries_payment ON ledger_entries (payment) WHERE payment IS NOT NULL;
CREATE INDEX ix_ledger_entries_free_day ON ledger_entries (user_id, free_day) WHERE free_day IS NOT NULL;
COMMENT ON TABLE ledger_entries IS 'Every movement of credits with both sides; never changed, never removed, by nobody.';
COMMENT ON COLUMN ledger_entries.debit IS 'The account it comes from. The platform''s: cash, promotion, revenue, expired, adjustments;
the wallet''s: available, held, overdraft (a debt: it grows as it gives); a user''s day: free, free_held.';
COMMENT ON COLUMN ledger_entries.user_id IS 'Whose request it is of, or who paid; NULL: the organisation''s.';
COMMENT ON COLUMN ledger_entries.author IS 'Who granted or adjusted; NULL: a rule, or the command line.';

CREATE TABLE boosts (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid,
    metric text NOT NULL,
    amount integer NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    reason text NOT NULL,
    state text NOT NULL DEFAULT 'requested',
    requested_by uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    decided_by uuid,
    decided_at timestamptz,
    note text,
    CONSTRAINT pk_boosts PRIMARY KEY (id),
    CONSTRAINT fk_boosts_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_boosts_user_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT fk_boosts_requested_by_users FOREIGN KEY (requested_by) REFERENCES users (id),
    CONSTRAINT fk_boosts_decided_by_users FOREIGN KEY (decided_by) REFERENCES users (id),
    CONSTRAINT ck_boosts_metric CHECK (metric IN ('chat_queries_day', 'portfolio_analyses_day', 'sec_filings_month',
        'requests_month', 'signal_validations_day')),
    CONSTRAINT ck_boosts_organisation CHECK (metric <> 'signal_validations_day' OR user_id IS NULL),
    CONSTRAINT ck_boosts_amount CHECK (amount BETWEEN 1 AND 1000000),
    CONSTRAINT ck_boosts_order CHECK (starts_at < ends_at),
    CONSTRAINT ck_boosts_reason CHECK (length(btrim(reason)) BETWEEN 1 AND 500),
    CONSTRAINT ck_boosts_state CHECK (state IN ('requested', 'granted', 'refused', 'ended')),
    CONSTRAINT ck_boosts_decided CHECK ((state = 'requested') = (decided_at IS NULL))
);
CREATE INDEX ix_boosts_org ON boosts (org_id, ends_at) WHERE state = 'granted';
CREATE INDEX ix_boosts_requested ON boosts (requested_at) WHERE state = 'requested';
COMMENT ON TABLE boosts IS 'Limits raised for a time, as members ask and managers decide.';
COMMENT ON COLUMN boosts.user_id IS 'For whom; NULL: for each member of the organisation (the organisation''s own limits always).';

CREATE TABLE organisation_plans (
    org_id uuid NOT NULL,
    starts_at timestamptz NOT NULL,
    plan text NOT NULL,
    CONSTRAINT pk_organisation_plans PRIMARY KEY (org_id, starts_at),
    CONSTRAINT fk_organisation_plans_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT fk_organisation_plans_plan_plan_limits FOREIGN KEY (plan) REFERENCES plan_limits (plan)
);
COMMENT ON TABLE organisation_plans IS 'Since when an organisation was on which plan; written by a trigger of organisations.';
INSERT INTO organisation_plans (org_id, starts_at, plan) SELECT id, created_at, plan FROM organisations;

-- What there was -------------------------------------------------------------------------------------------------------

ALTER TABLE plan_limits ADD COLUMN carry_over_share numeric(4, 3) NOT NULL DEFAULT 0,
    ADD COLUMN free_credits_day integer NOT NULL DEFAULT 10,
    ADD CONSTRAINT ck_plan_limits_carry_over_share CHECK (carry_over_share BETWEEN 0 AND 1),
    ADD CONSTRAINT ck_plan_limits_free_credits_day CHECK (free_credits_day >= 0);
ALTER TABLE organisations ADD COLUMN pools_allowances boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN organisations.pools_allowances IS 'Whether the quotas of its members are one of all together.';
ALTER TABLE memberships ADD COLUMN credits_cap_month numeric(18, 6),
    ADD CONSTRAINT ck_memberships_credits_cap_not_negative CHECK (credits_cap_month >= 0);
COMMENT ON COLUMN memberships.credits_cap_month IS 'Most of the wallet''s credits that the member may use in a month; NULL: no cap.';

ALTER TABLE member_meters ADD COLUMN credits_used numeric(18, 6) NOT NULL DEFAULT 0,
    ADD COLUMN credits_held numeric(18, 6) NOT NULL DEFAULT 0,
    ADD COLUMN request_carry integer NOT NULL DEFAULT 0, ADD COLUMN sec_filing_carry integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT ck_member_meters_credits_not_negative CHECK (
        least(credits_used, credits_held) >= 0 AND least(request_carry, sec_filing_carry) >= 0);
COMMENT ON COLUMN member_meters.credits_used IS 'Credits of the wallet that the member used this month; free ones are not in it.';
COMMENT ON COLUMN member_meters.request_carry IS 'Requests of last month''s allowance that were carried over into this month.';
ALTER TABLE org_meters ADD COLUMN boosts_until timestamptz;
COMMENT ON COLUMN org_meters.boosts_until IS 'When the last boost of the organisation or a member ends; NULL: there was none.';
ALTER TABLE meter_periods ADD COLUMN credits_used numeric(18, 6) NOT NULL DEFAULT 0,
    ADD COLUMN credits_held numeric(18, 6) NOT NULL DEFAULT 0;

ALTER TABLE holds ADD COLUMN plan text, ADD COLUMN free_held numeric(18, 6) NOT NULL DEFAULT 0,
    ADD COLUMN free_charged numeric(18, 6) NOT NULL DEFAULT 0, ADD COLUMN free_day date,
    ADD CONSTRAINT ck_holds_free CHECK (
        least(free_held, free_charged) >= 0 AND free_held <= credits_held AND free_charged <= free_held
        AND free_charged <= credits_charged AND (free_day IS NOT NULL OR free_held = 0)),
    ADD CONSTRAINT ck_holds_credits CHECK (CASE cover WHEN 'plan' THEN credits_held = 0 AND credits_charged = 0
        ELSE credits_held > 0 AND quota_held = 0 AND NOT own_key AND acts_as = 'member' END);
COMMENT ON COLUMN holds.plan IS 'The organisation''s plan when it was reserved.';
COMMENT ON COLUMN holds.credits_held IS 'Credits in all, those of free_held included.';
COMMENT ON COLUMN holds.free_held IS 'Free credits of the user''s free_day.';

ALTER TABLE usage_log ADD COLUMN plan text, ADD COLUMN credits numeric(18, 6) NOT NULL DEFAULT 0,
    ADD COLUMN cover text,
    ADD CONSTRAINT ck_usage_log_credits CHECK (credits >= 0 AND (credits = 0 OR cover = 'credits'));
COMMENT ON COLUMN usage_log.plan IS 'The organisation''s plan at that moment.';
COMMENT ON COLUMN usage_log.cover IS 'What the request was counted against: plan or credits; NULL: nothing.';

-- Triggers -------------------------------------------------------------------------------------------------------------

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is not allowed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;

-- What an entry moves: the figures of the wallet, or those of the user's day.
CREATE FUNCTION move_credits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.free_day IS NULL THEN
        UPDATE wallets SET
            available = available + CASE 'available' WHEN NEW.credit THEN NEW.amount WHEN NEW.debit THEN -NEW.amount
                ELSE 0 END,
            held = held + CASE 'held' WHEN NEW.credit THEN NEW.amount WHEN NEW.debit THEN -NEW.amount ELSE 0 END,
            overdraft = overdraft + CASE 'overdraft' WHEN NEW.debit THEN NEW.amount WHEN NEW.credit THEN -NEW.amount
                ELSE 0 END
            WHERE org_id = NEW.org_id;
    ELSE
        UPDATE free_days SET
            granted = granted + CASE NEW.kind WHEN 'grant' THEN NEW.amount ELSE 0 END,
            used = used + CASE NEW.kind WHEN 'charge' THEN NEW.amount ELSE 0 END,
            held = held + CASE 'free_held' WHEN NEW.credit THEN NEW.amount WHEN NEW.debit THEN -NEW.amount ELSE 0 END
            WHERE user_id = NEW.user_id AND day = NEW.free_day;
    END IF;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entry % has neither a wallet nor a free day', NEW.idempotency_key;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION note_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.plan <> OLD.plan THEN
        INSERT INTO organisation_plans (org_id, starts_at, plan) VALUES (NEW.id, assay_now(), NEW.plan)
            ON CONFLICT (org_id, starts_at) DO UPDATE SET plan = excluded.plan;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER ledger_entries_moves AFTER INSERT ON ledger_entries FOR EACH ROW EXECUTE FUNCTION move_credits();
CREATE TRIGGER ledger_entries_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallets_moved BEFORE UPDATE OR DELETE ON wallets FOR EACH ROW
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallets_begin BEFORE INSERT ON wallets FOR EACH ROW
    WHEN (NEW.available <> 0 OR NEW.held <> 0 OR NEW.overdraft <> 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallets_kept BEFORE TRUNCATE ON wallets FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER free_days_moved BEFORE UPDATE OR DELETE ON free_days FOR EACH ROW
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER free_days_begin BEFORE INSERT ON free_days FOR EACH ROW
    WHEN (NEW.granted <> 0 OR NEW.used <> 0 OR NEW.held <> 0) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER free_days_kept BEFORE TRUNCATE ON free_days FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER organisations_plan AFTER INSERT OR UPDATE OF plan ON organisations
    FOR EACH ROW EXECUTE FUNCTION note_plan();
ALTER TABLE ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_moves;
ALTER TABLE ledger_entries ENABLE ALWAYS TRIGGER ledger_entries_kept;
ALTER TABLE wallets ENABLE ALWAYS TRIGGER wallets_moved;
ALTER TABLE wallets ENABLE ALWAYS TRIGGER wallets_kept;
ALTER TABLE free_days ENABLE ALWAYS TRIGGER free_days_moved;
ALTER TABLE free_days ENABLE ALWAYS TRIGGER free_days_kept;

-- Who may see and write ------------------------------------------------------------------------------------------------

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['wallets', 'credit_lots', 'free_days', 'ledger_entries', 'boosts', 'organisation_plans']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['wallets', 'credit_lots', 'organisation_plans']
    LOOP
        EXECUTE format('CREATE POLICY own_organisation ON %I FOR SELECT TO assay_app USING (org_id = bound_org())', name);
    END LOOP;
END $$;
CREATE POLICY own_days ON free_days FOR SELECT TO assay_app USING (user_id = bound_user());
CREATE POLICY seen ON ledger_entries FOR SELECT TO assay_app
    USING (org_id = bound_org() AND (user_id = bound_user() OR bound_role() IN ('owner', 'admin')));
CREATE POLICY seen ON boosts FOR SELECT TO assay_app
    USING (org_id = bound_org() AND (user_id = bound_user() OR user_id IS NULL OR bound_role() IN ('owner', 'admin')));

-- The sums of a pool are told to each of its members by a function of the owner's, which sees the rows behind them.
CREATE POLICY summed ON organisations FOR SELECT TO assay_owner USING (true);
CREATE POLICY summed ON memberships FOR SELECT TO assay_owner USING (true);
CREATE POLICY summed ON users FOR SELECT TO assay_owner USING (true);
CREATE POLICY summed ON member_meters FOR SELECT TO assay_owner USING (true);
CREATE POLICY summed ON boosts FOR SELECT TO assay_owner USING (true);

GRANT SELECT ON wallets, credit_lots, free_days, ledger_entries, boosts, organisation_plans TO assay_app;
GRANT SELECT, INSERT, UPDATE ON wallets, credit_lots, free_days, boosts, organisation_plans TO assay_service;
GRANT SELECT, INSERT ON ledger_entries TO assay_service;
