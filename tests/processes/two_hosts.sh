#!/usr/bin/env bash
# Runs the test of machines that share an account in two network namespaces, one of which is cut off for a while. Needs root.
# The variables of machines.rs set how many items there are, and so on.
set -euo pipefail
cd "$(dirname "$0")/../.."

names=(pan123-a pan123-b)
remove() {
    for name in "${names[@]}"; do
        ip netns del "$name" 2>/dev/null || true
        ip link del "$name" 2>/dev/null || true
    done
    ip link del pan123 2>/dev/null || true
}
trap remove EXIT
remove

ip link add pan123 type bridge
ip addr add 10.123.0.1/24 dev pan123
ip link set pan123 up
address=2
for name in "${names[@]}"; do
    ip netns add "$name"
    ip link add "$name" type veth peer name eth0 netns "$name"
    ip link set "$name" master pan123 up
    ip -n "$name" addr add "10.123.0.$address/24" dev eth0
    ip -n "$name" link set eth0 up
    address=$((address + 1))
done

PAN123_BATCH_ADDRESS=10.123.0.1 .ci/postgres cargo test --package pan123-tests --test apart machines_that -- --nocapture
