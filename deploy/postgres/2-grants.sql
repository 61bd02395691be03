-- Rights of the two users of a PostgreSQL database. A superuser runs this in the database; it can be
-- repeated.
--
-- "hsp-otp-owner" owns the tables and changes the schema: hsp-otp db upgrade.
-- "hsp-otp" only reads and writes rows: the server and every other command.

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO "hsp-otp-owner", "hsp-otp"', current_database()
    );
END
$$;
REVOKE ALL ON SCHEMA public FROM PUBLIC, "hsp-otp";
GRANT USAGE, CREATE ON SCHEMA public TO "hsp-otp-owner";
GRANT USAGE ON SCHEMA public TO "hsp-otp";

-- The existing tables, and those of later versions.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "hsp-otp";
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO "hsp-otp";
ALTER DEFAULT PRIVILEGES FOR ROLE "hsp-otp-owner" IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "hsp-otp";
ALTER DEFAULT PRIVILEGES FOR ROLE "hsp-otp-owner" IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO "hsp-otp";
