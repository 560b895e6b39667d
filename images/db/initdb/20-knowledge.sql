\connect tale_knowledge
CREATE SCHEMA IF NOT EXISTS public_web;
CREATE SCHEMA IF NOT EXISTS private_knowledge;

-- Both extensions come with ParadeDB; on plain Postgres what is missing is left out.
DO $$
DECLARE
  extension text;
BEGIN
  FOREACH extension IN ARRAY ARRAY['vector', 'pg_search'] LOOP
    IF EXISTS (SELECT 1 FROM pg_available_extensions WHERE name = extension) THEN
      EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I', extension);
    END IF;
  END LOOP;
END
$$;
