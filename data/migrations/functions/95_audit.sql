-- Addresses in the audit log: the same one gives the same hash, and nobody without the key finds it by trying them all.

CREATE OR REPLACE FUNCTION audit_pseudonym(p_address text) RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = assay, pg_temp
    AS $$ SELECT substr(sha256(k.key || sha256(k.key || convert_to(lower(p_address), 'UTF8'))), 1, 16)
        FROM audit_address_keys k $$;
REVOKE EXECUTE ON FUNCTION audit_pseudonym(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_pseudonym(text) TO assay_app, assay_service;
