-- The databases of a stack: the image runs these files at its first start, and
-- `tale db init` does on other servers. A statement ends at an empty line.

-- The backend derives its database from INSTANCE_NAME (tale_platform).
CREATE DATABASE tale_platform;

CREATE DATABASE tale_knowledge;
