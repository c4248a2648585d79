-- Customers, payments and subscriptions of Stripe, and its events.

CREATE TABLE billing_accounts (
    org_id uuid NOT NULL,
    customer_id text,
    checkout_id text,
    checkout_by uuid,
    applied_plan text,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_billing_accounts PRIMARY KEY (org_id),
    CONSTRAINT fk_billing_accounts_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT uq_billing_accounts_customer_id UNIQUE (customer_id)
);
COMMENT ON TABLE billing_accounts IS 'Which customer of Stripe an organisation is.';
COMMENT ON COLUMN billing_accounts.customer_id IS 'NULL: none yet, or it was deleted there.';
COMMENT ON COLUMN billing_accounts.checkout_id IS 'The checkout of a subscription that is open; there is one at a time.';
COMMENT ON COLUMN billing_accounts.checkout_by IS 'Who began it: they asked for the plan that it brings.';
COMMENT ON COLUMN billing_accounts.applied_plan IS 'The plan that its subscriptions brought last; NULL: none does.';

CREATE TABLE payments (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    package_id text NOT NULL,
    credits numeric(18, 6) NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    state text NOT NULL,
    intent_id text,
    checkout_id text,
    request_key text,
    body_sha256 bytea,
    refunded_minor bigint NOT NULL DEFAULT 0,
    refunds_as_of timestamptz,
    taken_credits numeric(18, 6) NOT NULL DEFAULT 0,
    said text,
    created_at timestamptz NOT NULL,
    asked_at timestamptz,
    credited_at timestamptz,
    CONSTRAINT pk_payments PRIMARY KEY (id),
    CONSTRAINT fk_payments_org_id_memberships FOREIGN KEY (org_id, user_id) REFERENCES memberships (org_id, user_id),
    CONSTRAINT uq_payments_intent_id UNIQUE (intent_id),
    CONSTRAINT uq_payments_checkout_id UNIQUE (checkout_id),
    CONSTRAINT ck_payments_state CHECK (state IN ('open', 'paid', 'refused', 'closed')),
    CONSTRAINT ck_payments_credits CHECK (credits > 0 AND taken_credits BETWEEN 0 AND credits),
    CONSTRAINT ck_payments_amount CHECK (amount_minor > 0 AND refunded_minor BETWEEN 0 AND amount_minor),
    CONSTRAINT ck_payments_currency CHECK (currency ~ '^[a-z]{3}$'),
    CONSTRAINT ck_payments_credited CHECK (credited_at IS NULL OR state = 'paid'),
    CONSTRAINT ck_payments_request CHECK ((request_key IS NULL) = (body_sha256 IS NULL))
);
CREATE INDEX ix_payments_org ON payments (org_id, created_at DESC);
CREATE INDEX ix_payments_open ON payments (asked_at NULLS FIRST, created_at) WHERE state = 'open';
CREATE UNIQUE INDEX ix_payments_request ON payments (org_id, user_id, request_key) WHERE request_key IS NOT NULL;
COMMENT ON TABLE payments IS 'Packages of credits that were bought, or were about to be: what is credited is what stands here.';
COMMENT ON COLUMN payments.amount_minor IS 'In the smallest unit of the currency: cents.';
COMMENT ON COLUMN payments.state IS 'open: not paid yet; paid; refused: amount or currency differ; closed: came to nothing.';
COMMENT ON COLUMN payments.request_key IS 'Idempotency-Key and route of the request, for 24 hours.';
COMMENT ON COLUMN payments.refunds_as_of IS 'When Stripe said so: what it said before that changes nothing.';
COMMENT ON COLUMN payments.asked_at IS 'When Stripe was last asked about it by ourselves, while it is open.';
COMMENT ON COLUMN payments.taken_credits IS 'Taken back for refunds and disputes.';

CREATE TABLE payment_disputes (
    dispute_id text NOT NULL,
    payment_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    status text NOT NULL,
    as_of timestamptz NOT NULL,
    CONSTRAINT pk_payment_disputes PRIMARY KEY (dispute_id),
    CONSTRAINT fk_payment_disputes_payment_id_payments FOREIGN KEY (payment_id) REFERENCES payments (id),
    CONSTRAINT ck_payment_disputes_amount CHECK (amount_minor >= 0)
);
CREATE INDEX ix_payment_disputes_payment_id ON payment_disputes (payment_id);
COMMENT ON TABLE payment_disputes IS 'Payments that their payers contest with their banks.';
COMMENT ON COLUMN payment_disputes.status IS 'In Stripe''s words.';

CREATE TABLE subscriptions (
    subscription_id text NOT NULL,
    org_id uuid NOT NULL,
    plan text NOT NULL,
    seats integer NOT NULL,
    status text NOT NULL,
    item_id text NOT NULL,
    period_end timestamptz NOT NULL,
    ends_at_period_end boolean NOT NULL,
    schedule_id text,
    next_plan text,
    next_seats integer,
    grace_until timestamptz,
    asked_by uuid,
    asked_at timestamptz,
    gone_at timestamptz,
    version integer NOT NULL,
    created_at timestamptz NOT NULL,
    read_at timestamptz NOT NULL,
    CONSTRAINT pk_subscriptions PRIMARY KEY (subscription_id),
    CONSTRAINT fk_subscriptions_org_id_organisations FOREIGN KEY (org_id) REFERENCES organisations (id),
    CONSTRAINT ck_subscriptions_seats CHECK (seats >= 1 AND next_seats >= 1),
    CONSTRAINT ck_subscriptions_next CHECK ((next_plan IS NULL) = (next_seats IS NULL)),
    CONSTRAINT ck_subscriptions_asked CHECK ((asked_by IS NULL) = (asked_at IS NULL))
);
CREATE INDEX ix_subscriptions_org_id ON subscriptions (org_id);
CREATE INDEX ix_subscriptions_grace_until ON subscriptions (grace_until) WHERE grace_until IS NOT NULL;
COMMENT ON TABLE subscriptions IS 'Subscriptions to plans, as Stripe last described them.';
COMMENT ON COLUMN subscriptions.status IS 'In Stripe''s words.';
COMMENT ON COLUMN subscriptions.next_plan IS 'The plan that begins at the end of the period; NULL: it stays.';
COMMENT ON COLUMN subscriptions.grace_until IS 'Until when the plan stays although the last payment failed; NULL: it did not.';
COMMENT ON COLUMN subscriptions.asked_by IS 'Who asks for a change at this moment: Stripe''s event may be here before its answer.';
COMMENT ON COLUMN subscriptions.gone_at IS 'Since when Stripe knows it no more: it brings its plan until the period ends, and holds off no other.';
COMMENT ON COLUMN subscriptions.version IS 'One more at each change, so that an older reading cannot overwrite a newer one.';

CREATE TABLE plan_prices (
    price_id text NOT NULL,
    plan text NOT NULL,
    said text,
    CONSTRAINT pk_plan_prices PRIMARY KEY (price_id)
);
COMMENT ON TABLE plan_prices IS 'Which plan each price of Stripe is or was: subscriptions of a price that is sold no more go on.';
COMMENT ON COLUMN plan_prices.said IS 'How the price differs at Stripe from what the plan says; NULL: it does not.';

CREATE TABLE stripe_events (
    id text NOT NULL,
    type text NOT NULL,
    account text,
    created_at timestamptz NOT NULL,
    body text,
    state text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    due_at timestamptz,
    said text,
    received_at timestamptz NOT NULL,
    finished_at timestamptz,
    CONSTRAINT pk_stripe_events PRIMARY KEY (id),
    CONSTRAINT ck_stripe_events_state CHECK (state IN ('waiting', 'done', 'ignored', 'refused', 'failed')),
    CONSTRAINT ck_stripe_events_waiting CHECK ((state = 'waiting') = (due_at IS NOT NULL)
        AND (state = 'waiting') = (finished_at IS NULL) AND (state <> 'waiting' OR body IS NOT NULL)),
    CONSTRAINT ck_stripe_events_id CHECK (length(id) BETWEEN 1 AND 255 AND length(type) BETWEEN 1 AND 255)
);
CREATE INDEX ix_stripe_events_due_at ON stripe_events (due_at) WHERE state = 'waiting';
CREATE INDEX ix_stripe_events_received_at ON stripe_events (received_at);
CREATE INDEX ix_stripe_events_unsolved ON stripe_events (received_at) WHERE state IN ('refused', 'failed');
COMMENT ON TABLE stripe_events IS 'What Stripe told us, each event once; stored before anything is done about it.';
COMMENT ON COLUMN stripe_events.account IS 'The connected account that it is of; NULL: our own.';
COMMENT ON COLUMN stripe_events.body IS 'As it came, until it is solved; it names people, so it goes then.';
COMMENT ON COLUMN stripe_events.state IS 'ignored: none of ours, or set aside; refused: it contradicts what is stored; failed: given up.';

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['billing_accounts', 'payments', 'subscriptions']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY own ON %I FOR SELECT TO assay_app USING (org_id = bound_org())', name);
    END LOOP;
END $$;

GRANT SELECT (org_id, applied_plan, created_at) ON billing_accounts TO assay_app;
GRANT SELECT (id, org_id, user_id, package_id, credits, amount_minor, currency, state, refunded_minor, taken_credits,
    said, created_at, credited_at) ON payments TO assay_app;
GRANT SELECT ON subscriptions TO assay_app;
GRANT SELECT, INSERT, UPDATE ON billing_accounts, payments, payment_disputes, subscriptions, plan_prices TO assay_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON stripe_events TO assay_service;
