\connect tale_knowledge

SET search_path TO public;

-- vector is for the services that search by meaning, pg_search for full text. Both come
-- with ParadeDB; on plain Postgres what is missing is left out.
DO $$
DECLARE
  extension text;
BEGIN
  FOREACH extension IN ARRAY ARRAY['vector', 'pg_search'] LOOP
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
  name text;
  kind text;
BEGIN
  FOREACH name IN ARRAY ARRAY['public_web', 'private_knowledge'] LOOP
    IF to_regnamespace(name) IS NULL THEN
      EXECUTE format('CREATE SCHEMA %I AUTHORIZATION %I', name, role);
    END IF;
    IF NOT (has_schema_privilege(role, name, 'CREATE') AND has_schema_privilege(role, name, 'USAGE')) THEN
      EXECUTE format('GRANT ALL ON SCHEMA %I TO %I', name, role);
    END IF;
    FOREACH kind IN ARRAY ARRAY['TABLES', 'SEQUENCES', 'FUNCTIONS'] LOOP
      CONTINUE WHEN role = current_user;
      EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT ALL ON %s TO %I', name, kind, role);
    END LOOP;
  END LOOP;
  EXECUTE format('ALTER ROLE %I IN DATABASE %I SET search_path TO public_web, private_knowledge, public', role, current_database());
END
$$;
