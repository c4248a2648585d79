-- How long the next sign-in has to wait after so many wrong ones: nothing for the first, then 1, 2, 4, 8 … seconds.
CREATE OR REPLACE FUNCTION sign_in_wait(p_failures integer, p_free integer, p_longest interval) RETURNS interval
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT CASE WHEN p_failures < p_free THEN interval '0'
                 ELSE least(p_longest, interval '1 second' * 2 ^ least(p_failures - p_free, 30)) END $$;
