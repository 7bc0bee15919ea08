#!/usr/bin/env bash
# Write the passwords of docker-compose.yml, random, as files in deploy/secrets/ (or the folder given).
# Files that are there already are kept: running it again changes nothing and locks nobody out.
set -euo pipefail

folder="${1:-"$(dirname "$0")/secrets"}"
# The folder keeps other users of this machine out; the files are readable because containers read them as other users.
install --directory --mode 0700 "$folder"

secret() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# write NAME CONTENT: keeps what is there.
write() {
  [[ -e "$folder/$1" ]] || (umask 0222 && printf '%s\n' "$2" >"$folder/$1")
}

write database_password "$(secret)"
write database_url "postgresql+psycopg://dossier:$(<"$folder/database_password")@database:5432/dossier"
write broker_auth "requirepass $(secret)"
read -r _ broker_password <"$folder/broker_auth"
write broker_url "redis://:${broker_password}@broker:6379/0"
write store_password "$(secret)"
write store_url "s3+http://dossier:$(<"$folder/store_password")@store:9000/dossier"

echo "Secrets are in $folder. Keep a copy where your backups are."
