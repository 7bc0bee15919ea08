#!/usr/bin/env bash
# Build the image of one service and see its API and its worker live, on a Debian machine without a Docker engine:
#
#     deploy/build-and-smoke.sh SERVICE
#
# buildah builds the Dockerfile on a base made by debootstrap; podman runs the image as compose would (own user, no
# capabilities, read-only) against a Postgres and a Valkey of this machine, on its network. Needs root, and .venv.
set -euo pipefail
cd "$(dirname "$0")/.."

service="${1:?usage: deploy/build-and-smoke.sh SERVICE}"
base=localhost/dossier-base:bookworm
image="localhost/dossier-$service:smoke"
python="$PWD/.venv/bin/python"

((EUID == 0)) || { echo "This builds images and needs root: sudo $0 $service"; exit 1; }
if ! (command -v podman && command -v buildah && command -v runc && command -v debootstrap) >/dev/null; then
  echo "Installing podman, buildah, runc and debootstrap …"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends podman buildah runc debootstrap >/dev/null
fi

folder="$(mktemp -d)"
containers=()
podman() { command podman --runtime runc --cgroup-manager=cgroupfs "$@"; }
clean() {
  for name in "${containers[@]}"; do podman rm --force --time 5 "$name" >/dev/null 2>&1 || true; done
  if [[ -n "${stores_in:-}" ]]; then exec {stores_in}>&-; wait "$stores" || true; fi
  rm -rf "$folder"
}
trap clean EXIT

if ! command podman image exists "$base"; then
  echo "Making a Debian 12 with Python …"
  debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv bookworm "$folder/base" >"$folder/debootstrap.log" \
    || { tail -20 "$folder/debootstrap.log"; exit 1; }
  tar -C "$folder/base" -c . | podman import --quiet - "$base" >/dev/null
  rm -rf "$folder/base"
fi

# A machine may get its packages from an index, a folder or behind a certificate of its own: pip in the build is told
# what pip here is told, and sees the folders that it names
# (the files of an index lie beside its folder `simple`).
{
  echo "[global]"
  # The environment sorts before the files and outranks them.
  "$python" -m pip config list | sort | sed -nE "s/^(:env:|global)\.([^=]+)='(.*)'$/\2 = \3/p" | awk '!seen[$1]++'
} >"$folder/pip.conf"
volumes=(--volume "$folder/pip.conf:/etc/pip.conf:ro")
while read -r path; do
  if [[ -e "$path" ]]; then volumes+=(--volume "$path:$path:ro"); fi
done < <(grep -oE '(^|[ =]|file://)/[^ ]+' "$folder/pip.conf" | sed -E 's#^[ =]*(file://)?##; s#/simple/?$##' | sort -u)
echo "Building $image …"
buildah bud --isolation chroot --network host --layers "${volumes[@]}" \
  --build-arg "BASE=$base" --build-arg "SERVICE=$service" --tag "$image" . >"$folder/build.log" 2>&1 \
  || { tail -40 "$folder/build.log"; exit 1; }
echo "Built: $(podman image inspect --format '{{.Size}}' "$image" | numfmt --to=iec) in all"

chmod 0755 "$folder"
install --directory --owner 10001 --group 10001 "$folder/home"
mkfifo "$folder/stores.in"
XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run}" "$python" deploy/smoke-stores.py "$folder" \
  <"$folder/stores.in" >"$folder/stores.out" 2>"$folder/stores.log" &
stores=$!
exec {stores_in}>"$folder/stores.in"
until [[ -s "$folder/stores.out" ]]; do
  kill -0 "$stores" 2>/dev/null || { cat "$folder/stores.log"; exit 1; }
  sleep 0.2
done
read -r database_url broker_url <"$folder/stores.out"

run=(run --network=host --read-only --cap-drop=all --security-opt=no-new-privileges
  --ulimit nofile=1024:1024 --ulimit nproc=1000:1000
  --tmpfs /tmp --volume "$folder/home:/var/lib/dossier" --volume "$folder/postgres:$folder/postgres:ro"
  --env "DOSSIER_DATABASE_URL=$database_url" --env "DOSSIER_BROKER_URL=$broker_url")

# The schemas of the others first: a view may build on them, and this image holds its own service's alone.
DOSSIER_DATABASE_URL="$database_url" "$python" -m services.cli.main migrate all >/dev/null
podman "${run[@]}" --rm "$image" migrate "$service"

port="$("$python" -c 'from services.embedded import free_port; print(free_port())')"
containers=("smoke-$service-api-$$" "smoke-$service-worker-$$")
podman "${run[@]}" --detach --name "${containers[0]}" "$image" api "$service" --host 127.0.0.1 --port "$port" >/dev/null
podman "${run[@]}" --detach --name "${containers[1]}" "$image" worker "$service" --concurrency 1 >/dev/null

# answers CONTAINER COMMAND…: repeat until it succeeds, for a minute at most.
answers() {
  local container="$1"; shift
  for _ in {1..120}; do
    if "$@" >/dev/null 2>&1; then return; fi
    [[ "$(podman inspect --format '{{.State.Running}}' "$container")" == true ]] || break
    sleep 0.5
  done
  echo "$container does not answer: $*"
  podman logs --tail 40 "$container"
  exit 1
}

answers "${containers[0]}" curl --fail --silent "http://127.0.0.1:$port/readyz"
echo "api:    /healthz $(curl --silent "http://127.0.0.1:$port/healthz")  /readyz $(curl --silent "http://127.0.0.1:$port/readyz")"
answers "${containers[1]}" podman exec "${containers[1]}" python3 /app/worker-alive.py started
podman exec "${containers[1]}" python3 /app/worker-alive.py
sleep 15
podman exec "${containers[1]}" python3 /app/worker-alive.py
echo "worker: started, and its loop moves"

for container in "${containers[@]}"; do
  podman exec "$container" python3 -c 'import os; assert os.getuid() == 10001, os.getuid()'
  podman stop --time 60 "$container" >/dev/null
  code="$(podman inspect --format '{{.State.ExitCode}}' "$container")"
  [[ "$code" == 0 ]] || { podman logs --tail 40 "$container"; echo "$container ended with $code instead of stopping cleanly"; exit 1; }
done
echo "The image of $service builds, answers and stops cleanly."
