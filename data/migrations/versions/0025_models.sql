-- What operators decide of providers and models: whether they are asked at all, and how gladly.

CREATE TABLE model_switches (
    provider text NOT NULL,
    model text NOT NULL DEFAULT '',
    is_on boolean NOT NULL,
    weight numeric(5, 2) NOT NULL,
    changed_at timestamptz NOT NULL,
    changed_by uuid NOT NULL,
    CONSTRAINT pk_model_switches PRIMARY KEY (provider, model),
    CONSTRAINT fk_model_switches_changed_by_users FOREIGN KEY (changed_by) REFERENCES users (id),
    CONSTRAINT ck_model_switches_weight CHECK (weight BETWEEN 0.1 AND 10)
);
COMMENT ON TABLE model_switches IS 'Providers and models that were switched off or given a weight; one without a row is on, with weight 1.';
COMMENT ON COLUMN model_switches.model IS 'Empty: the provider as a whole.';
COMMENT ON COLUMN model_switches.weight IS 'What "auto" divides a model''s expected cost by: at 2 it is chosen as though it cost half.';

GRANT SELECT, INSERT, UPDATE, DELETE ON model_switches TO assay_service;

-- What the figures of quality are found by.
CREATE INDEX ix_usage_log_unusable ON usage_log (at) WHERE error_code = 'unusable_answer';
CREATE INDEX ix_message_reactions_changed_at ON message_reactions (changed_at DESC);
CREATE INDEX ix_verdict_scores_scored_at ON verdict_scores (scored_at DESC);
CREATE INDEX ix_prompt_templates_used ON prompt_templates (used DESC) WHERE sharing <> 'private' AND used > 0;

-- What the margin is worked out by: both are seldom.
CREATE INDEX ix_usage_log_own_key ON usage_log (at) INCLUDE (org_id, plan, cost_usd) WHERE own_key;
CREATE INDEX ix_holds_free_charged ON holds (resolved_at) INCLUDE (org_id, plan, free_charged) WHERE free_charged > 0;
