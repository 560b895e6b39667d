\connect tale_platform

SET search_path TO public;

-- Of use to queries by hand; the backend does without.
DO $$
DECLARE
  extension text;
BEGIN
  FOREACH extension IN ARRAY ARRAY['uuid-ossp', 'pg_trgm'] LOOP
    BEGIN
      EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I', extension);
    EXCEPTION WHEN undefined_file OR feature_not_supported OR insufficient_privilege THEN
      RAISE WARNING 'without extension %: %', extension, SQLERRM;
    END;
  END LOOP;
END
$$;

-- The role is tale.role where another one logs in here than the stack does.
DO $$
DECLARE
  role text := coalesce(nullif(current_setting('tale.role', true), ''), current_user);
BEGIN
  IF NOT has_schema_privilege(role, 'public', 'CREATE') THEN
    EXECUTE format('GRANT ALL ON SCHEMA public TO %I', role);
  END IF;
END
$$;
