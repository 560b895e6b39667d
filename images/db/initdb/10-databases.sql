-- The backend derives its database from INSTANCE_NAME (tale_platform).
CREATE DATABASE tale_platform;
CREATE DATABASE tale_knowledge;
