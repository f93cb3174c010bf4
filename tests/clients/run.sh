#!/usr/bin/env bash
# Runs clients that others wrote against the program: see README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --locked --package pan123-mock --features program
program=$(pwd)/target/debug/pan123-mock
scripts=$(pwd)/tests/clients

room=$(mktemp -d)
running=()
trap 'kill "${running[@]}" 2>/dev/null || true; wait; rm -rf "$room"' EXIT

python3 -m venv "$room/python"
"$room/python/bin/pip" install --quiet --disable-pip-version-check py-123pan-client==0.1.15

mkdir "$room/source" "$room/fetched"
head -c 5000000 /dev/urandom >"$room/source/film.mp4"
mkfifo "$room/said"

python3 -u "$scripts/source.py" "$room/source" >"$room/said" &
running+=($!)
read -r source <"$room/said"

"$program" --listen 127.0.0.1:0 --fetch "$room/fetched" --strict >"$room/said" 2>"$room/log" &
running+=($!)
read -r base_url <"$room/said"

"$room/python/bin/python" "$scripts/python.py" "$base_url" "$source/film.mp4" || { cat "$room/log"; exit 1; }
cmp "$room"/fetched/*film.mp4 "$room/source/film.mp4"
echo "the file was fetched byte for byte"
echo "what the mock saw:"
sed 's/^/  /' "$room/log"
