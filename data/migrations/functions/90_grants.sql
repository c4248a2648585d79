-- Who may call what. The heart is for the service role alone.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA assay FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA assay TO assay_service;
GRANT EXECUTE ON FUNCTION assay_now(), bound_user(), bound_org(), bound_role(), allowances(),
    meter_period(text, timestamptz, timestamptz, text), member_meter_at(member_meters, timestamptz, text, boolean),
    org_meter_at(org_meters, timestamptz, text, boolean), rate_moved(integer[], bigint, bigint), rate_sum(integer[]),
    free_day_now(), plan_at(uuid, timestamptz), pools_at(organisations, timestamptz), own_raised_limits(timestamptz),
    carried_over(uuid, timestamptz, timestamptz, integer, integer), usage_kept_from() TO assay_app;
