#!/bin/sh
# Creates the owner of the tables and the user of the service. PostgreSQL's image runs this once for a
# new volume, and then 2-grants.sql.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'END'
\getenv owner_password POSTGRES_OWNER_PASSWORD
\getenv service_password POSTGRES_SERVICE_PASSWORD
CREATE ROLE "hsp-otp-owner" LOGIN PASSWORD :'owner_password';
CREATE ROLE "hsp-otp" LOGIN PASSWORD :'service_password';
ALTER DATABASE :"DBNAME" OWNER TO "hsp-otp-owner";
END
