-- Single flight: one question of a scope is answered once; the others follow. A flight is an open hold with a flight key.

-- Whether somebody belongs to an organisation and may ask in it.
CREATE OR REPLACE FUNCTION may_ask(p_org uuid, p_user uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM memberships s JOIN users u ON u.id = s.user_id WHERE s.org_id = p_org
        AND s.user_id = p_user AND s.role <> 'viewer' AND s.ended_at IS NULL AND u.deactivated_at IS NULL)
$$;

-- The hold whose answer this request may wait for, or NULL: then it leads the flight itself.
-- Requests with one key take their turns here, before any row is locked, so that two never lead. A flight takes fifty
-- followers of other processes; who comes after them asks on his own, and so does one whose leader is overdue, and one who
-- holds something already: its reply was lost.
CREATE OR REPLACE FUNCTION joined_flight(p_hold uuid, p_org uuid, p_user uuid, p_key bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    leader record;
BEGIN
    PERFORM pg_advisory_xact_lock(('x' || encode(substring(p_key FROM 1 FOR 8), 'hex'))::bit(64)::bigint);
    SELECT id, expires_at INTO leader FROM holds WHERE flight_key = p_key AND state IN ('reserved', 'in_flight');
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF leader.id = p_hold
            OR EXISTS (SELECT FROM holds WHERE id = p_hold) OR NOT may_ask(p_org, p_user) THEN
        RETURN NULL;  -- reserve tells a stranger that he may not ask
    END IF;
    IF leader.expires_at > assay_now() THEN
        UPDATE holds SET followers = followers + 1, followed_until = assay_now() + interval '3 seconds'
            WHERE id = leader.id AND state IN ('reserved', 'in_flight') AND followers < 50;
        IF FOUND THEN
            RETURN leader.id;
        END IF;
    END IF;
    RETURN NULL;
END $$;

-- A follower's look at its leader: flying (and it is known again that somebody waits), or how the hold ended.
CREATE OR REPLACE FUNCTION follow_flight(p_leader uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE holds SET followed_until = assay_now() + interval '3 seconds'
        WHERE id = p_leader AND state IN ('reserved', 'in_flight') AND expires_at > assay_now();
    IF FOUND THEN
        RETURN 'flying';
    END IF;
    SELECT coalesce(resolution, 'overdue') INTO found FROM holds WHERE id = p_leader;
    RETURN coalesce(found, 'unknown');
END $$;

-- A follower waits no longer.
CREATE OR REPLACE FUNCTION leave_flight(p_leader uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE holds SET followers = greatest(followers - 1, 0) WHERE id = p_leader AND state IN ('reserved', 'in_flight');
END $$;

-- Whether somebody in another process waits for this hold's answer.
CREATE OR REPLACE FUNCTION is_followed(p_hold uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT followers > 0 AND followed_until > assay_now() FROM holds WHERE id = p_hold), false)
$$;
