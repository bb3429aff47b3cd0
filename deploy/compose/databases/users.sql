-- The database of users, and a role that owns it and can reach no other.
CREATE ROLE "users" LOGIN PASSWORD 'development-only';
CREATE DATABASE "users" OWNER "users";
REVOKE ALL ON DATABASE "users" FROM PUBLIC;
