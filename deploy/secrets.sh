#!/usr/bin/env bash
# Make the secrets that docker-compose.yml reads, each in a file of its own; those that are there stay.
#   deploy/secrets.sh FOLDER
# Nobody but the owner can enter the folder. The files themselves can be read by all: compose shows each of them to one
# container under that container's own user.
set -euo pipefail
folder=$1
mkdir -p "$folder" && chmod 700 "$folder" && cd "$folder"
umask 0022

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$1" ] || printf '%s' "$2" > "$1"; }

keep postgres_password "$(random)"
keep code_pepper "$(random)"
keep secrets_key "$(random)"
keep seen_key "$(random)"
keep log_key "$(random)"
for service in auth company products profiles audit; do
  keep "${service}_password" "$(random)"
  keep "${service}_owner_password" "$(random)"
  keep "${service}_database_url" "postgresql://$service:$(cat "${service}_password")@postgres:5432/$service"
  keep "${service}_database_owner_url" \
    "postgresql://${service}_owner:$(cat "${service}_owner_password")@postgres:5432/$service"
done
echo "The secrets are in $folder."
