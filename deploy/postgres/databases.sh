#!/usr/bin/env bash
# Run once by the postgres image on an empty volume: one database and one role a service, nobody in another's.
# A role's password is the file <service>_password among the secrets.
set -euo pipefail
secrets=${SECRETS_DIR:-/run/secrets}
for service in auth company products profiles audit; do
  psql -v ON_ERROR_STOP=1 -q --username "$POSTGRES_USER" --dbname postgres \
    -v service="$service" -v password="$(cat "$secrets/${service}_password")" <<'SQL'
CREATE ROLE :"service" LOGIN PASSWORD :'password' NOSUPERUSER NOCREATEDB NOCREATEROLE;
CREATE DATABASE :"service" OWNER :"service";
REVOKE ALL ON DATABASE :"service" FROM PUBLIC;
SQL
done
