-- The database of orders, and a role that owns it and can reach no other.
CREATE ROLE "orders" LOGIN PASSWORD 'development-only';
CREATE DATABASE "orders" OWNER "orders";
REVOKE ALL ON DATABASE "orders" FROM PUBLIC;
