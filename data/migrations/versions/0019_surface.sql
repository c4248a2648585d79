-- Around the questions: templates, files that come with them, reactions to answers, and large requests.

ALTER TABLE conversations ADD COLUMN branched_from uuid, ADD CONSTRAINT uq_conversations_id UNIQUE (id, org_id, user_id);
ALTER TABLE messages ADD COLUMN route text, ADD CONSTRAINT uq_messages_id UNIQUE (id, org_id, user_id);
COMMENT ON COLUMN messages.route IS 'Why this model answered, in the words that stand under the answer; NULL: nothing is to be said.';
COMMENT ON COLUMN conversations.branched_from IS 'The conversation whose beginning it shares; it may be gone.';

CREATE TABLE prompt_templates (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    sharing text NOT NULL,
    title text NOT NULL,
    category text NOT NULL,
    description text NOT NULL,
    text text NOT NULL,
    variables jsonb NOT NULL,
    version integer NOT NULL DEFAULT 1,
    used integer NOT NULL DEFAULT 0,
    used_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_prompt_templates PRIMARY KEY (id),
    CONSTRAINT fk_prompt_templates_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_prompt_templates_sharing CHECK (sharing IN ('private', 'shared', 'public')),
    CONSTRAINT ck_prompt_templates_title CHECK (length(title) BETWEEN 1 AND 80),
    CONSTRAINT ck_prompt_templates_category CHECK (length(category) BETWEEN 1 AND 40),
    CONSTRAINT ck_prompt_templates_description CHECK (length(description) <= 500),
    CONSTRAINT ck_prompt_templates_text CHECK (length(text) BETWEEN 1 AND 20000),
    CONSTRAINT ck_prompt_templates_version CHECK (version >= 1 AND used >= 0)
);
CREATE INDEX ix_prompt_templates_org ON prompt_templates (org_id, user_id);
CREATE INDEX ix_prompt_templates_public ON prompt_templates (sharing) WHERE sharing = 'public';
COMMENT ON TABLE prompt_templates IS 'Questions with variables: of one user, of an organisation, or of everybody.';
COMMENT ON COLUMN prompt_templates.sharing IS 'private: its author alone; shared: the organisation; public: every organisation, by operators.';
COMMENT ON COLUMN prompt_templates.variables IS 'A list of {name, label, kind, default, choices, is_required}.';
COMMENT ON COLUMN prompt_templates.used IS 'How often a question was made of it.';

CREATE TABLE shipped_template_uses (
    template_id uuid NOT NULL,
    used integer NOT NULL,
    used_at timestamptz NOT NULL,
    CONSTRAINT pk_shipped_template_uses PRIMARY KEY (template_id),
    CONSTRAINT ck_shipped_template_uses_used CHECK (used >= 1)
);
COMMENT ON TABLE shipped_template_uses IS 'How often templates were used that come with the workbench, by all.';

CREATE TABLE attachments (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    conversation_id uuid,
    message_id uuid,
    name text NOT NULL,
    kind text NOT NULL,
    media_type text NOT NULL,
    size_bytes integer NOT NULL,
    sha256 bytea NOT NULL,
    text text NOT NULL DEFAULT '',
    image bytea,
    width integer,
    height integer,
    pages integer,
    notes text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_attachments PRIMARY KEY (id),
    CONSTRAINT fk_attachments_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT fk_attachments_conversation_id_conversations FOREIGN KEY (conversation_id, org_id, user_id)
        REFERENCES conversations (id, org_id, user_id) ON DELETE CASCADE,
    CONSTRAINT fk_attachments_message_id_messages FOREIGN KEY (message_id, org_id, user_id)
        REFERENCES messages (id, org_id, user_id) ON DELETE CASCADE,
    CONSTRAINT ck_attachments_kind CHECK (kind IN ('pdf', 'csv', 'xlsx', 'text', 'image')),
    CONSTRAINT ck_attachments_name CHECK (length(name) BETWEEN 1 AND 200),
    CONSTRAINT ck_attachments_image CHECK ((kind = 'image') = (image IS NOT NULL) AND length(image) <= 4194304),
    CONSTRAINT ck_attachments_text CHECK (length(text) <= 1000000)
);
CREATE INDEX ix_attachments_user ON attachments (org_id, user_id);
CREATE INDEX ix_attachments_message ON attachments (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX ix_attachments_conversation ON attachments (conversation_id) WHERE conversation_id IS NOT NULL;
CREATE INDEX ix_attachments_unused ON attachments (created_at) WHERE message_id IS NULL;
COMMENT ON TABLE attachments IS 'What was read of a file that came with a question; the file itself is not kept.';
COMMENT ON COLUMN attachments.message_id IS 'The question it came with; NULL: not asked with yet, and gone after a day.';
COMMENT ON COLUMN attachments.image IS 'A picture, written anew by us.';

CREATE TABLE message_reactions (
    message_id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    reaction text,
    note text,
    changed_at timestamptz NOT NULL,
    CONSTRAINT pk_message_reactions PRIMARY KEY (message_id),
    CONSTRAINT fk_message_reactions_message_id_messages FOREIGN KEY (message_id, org_id, user_id)
        REFERENCES messages (id, org_id, user_id) ON DELETE CASCADE,
    CONSTRAINT fk_message_reactions_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_message_reactions_reaction CHECK (reaction IN ('up', 'down')),
    CONSTRAINT ck_message_reactions_note CHECK (length(note) BETWEEN 1 AND 2000),
    CONSTRAINT ck_message_reactions_some CHECK (reaction IS NOT NULL OR note IS NOT NULL)
);
CREATE INDEX ix_message_reactions_user ON message_reactions (org_id, user_id);
COMMENT ON TABLE message_reactions IS 'What its reader thought of an answer.';

CREATE TABLE large_requests (
    id uuid NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    kind text NOT NULL,
    parameters jsonb NOT NULL,
    total integer NOT NULL,
    body_sha256 bytea,
    created_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT pk_large_requests PRIMARY KEY (id),
    CONSTRAINT uq_large_requests_id UNIQUE (id, org_id, user_id),
    CONSTRAINT fk_large_requests_org_id_memberships FOREIGN KEY (org_id, user_id)
        REFERENCES memberships (org_id, user_id),
    CONSTRAINT ck_large_requests_kind CHECK (kind IN ('completion', 'embedding', 'image', 'transcription')),
    CONSTRAINT ck_large_requests_total CHECK (total BETWEEN 1 AND 10000)
);
CREATE INDEX ix_large_requests_user ON large_requests (org_id, user_id, created_at DESC);
COMMENT ON COLUMN large_requests.body_sha256 IS 'Of the request that brought it, where that had an Idempotency-Key.';
COMMENT ON TABLE large_requests IS 'Many questions of one user, asked one after the other by a job; each is metered by itself.';

CREATE TABLE large_request_items (
    request_id uuid NOT NULL,
    number integer NOT NULL,
    org_id uuid NOT NULL,
    user_id uuid NOT NULL,
    input jsonb NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    tries integer NOT NULL DEFAULT 0,
    result jsonb,
    cost_usd numeric(20, 9) NOT NULL DEFAULT 0,
    error_code text,
    error text,
    ended_at timestamptz,
    CONSTRAINT pk_large_request_items PRIMARY KEY (request_id, number),
    CONSTRAINT fk_large_request_items_request_id_large_requests FOREIGN KEY (request_id, org_id, user_id)
        REFERENCES large_requests (id, org_id, user_id) ON DELETE CASCADE,
    CONSTRAINT ck_large_request_items_state CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    CONSTRAINT ck_large_request_items_tries CHECK (tries >= 0)
);
COMMENT ON COLUMN large_request_items.cost_usd IS 'What its user was charged for the result.';
CREATE INDEX ix_large_request_items_state ON large_request_items (request_id, state);
CREATE INDEX ix_large_request_items_tenant ON large_request_items (org_id, user_id);

DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['prompt_templates', 'attachments', 'message_reactions', 'large_requests',
        'large_request_items']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY service ON %I TO assay_service USING (true) WITH CHECK (true)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['attachments', 'message_reactions', 'large_requests', 'large_request_items']
    LOOP
        EXECUTE format('CREATE POLICY own ON %I TO assay_app USING (org_id = bound_org() AND user_id = bound_user())'
            ' WITH CHECK (org_id = bound_org() AND user_id = bound_user())', name);
    END LOOP;
END $$;

CREATE POLICY seen ON prompt_templates FOR SELECT TO assay_app
    USING (sharing = 'public' OR (org_id = bound_org() AND (sharing = 'shared' OR user_id = bound_user())));
-- Public ones are written under the service role, for operators alone.
CREATE POLICY own ON prompt_templates TO assay_app
    USING (org_id = bound_org() AND sharing <> 'public'
        AND (user_id = bound_user() OR (sharing = 'shared' AND bound_role() IN ('owner', 'admin'))))
    WITH CHECK (org_id = bound_org() AND sharing <> 'public'
        AND (user_id = bound_user() OR (sharing = 'shared' AND bound_role() IN ('owner', 'admin'))));

GRANT SELECT ON shipped_template_uses TO assay_app;
GRANT SELECT, INSERT, UPDATE ON shipped_template_uses TO assay_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON prompt_templates, attachments, message_reactions, large_requests,
    large_request_items TO assay_app, assay_service;
