#!/usr/bin/env bash
# Run once by the postgres image on an empty volume: one database a service, nobody in another's, and three roles:
#   <service>_owner   makes the tables (selfservice migrate); no running service logs in as it
#   <service>         whom the service logs in as: it owns nothing
#   <service>_reader  whom the service becomes for a question that somebody asks: it sees their rows only
# The passwords are the files <service>_password and <service>_owner_password among the secrets.
set -euo pipefail
secrets=${SECRETS_DIR:-/run/secrets}
for service in auth company products profiles audit; do
  psql -v ON_ERROR_STOP=1 -q --username "$POSTGRES_USER" --dbname postgres \
    -v service="$service" -v password="$(cat "$secrets/${service}_password")" \
    -v owner="${service}_owner" -v owner_password="$(cat "$secrets/${service}_owner_password")" \
    -v reader="${service}_reader" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'owner_password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
CREATE ROLE :"service" LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
CREATE ROLE :"reader" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
GRANT :"reader" TO :"service" WITH INHERIT FALSE, SET TRUE;
CREATE DATABASE :"service" OWNER :"owner";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"service" TO :"service";
SQL
done
