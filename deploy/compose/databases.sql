-- A database for each service, and a role that owns it and can reach no other.
CREATE ROLE users LOGIN PASSWORD 'development-only';
CREATE DATABASE users OWNER users;
REVOKE ALL ON DATABASE users FROM PUBLIC;

CREATE ROLE orders LOGIN PASSWORD 'development-only';
CREATE DATABASE orders OWNER orders;
REVOKE ALL ON DATABASE orders FROM PUBLIC;
