# shellcheck shell=bash
# What the benchmarks share: a coordfs cluster and a 3-node etcd in one private directory $tmp (who
# asks for it has another in memory, $ram), ended and removed together; medians. Sourced after
# `set -euo pipefail`.
# shellcheck source=../../mount-scripts/lib.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/../../mount-scripts/lib.sh"

export no_proxy='*' # curl goes to the nodes themselves
# Ports in tens; both clusters live above the same base.
base_port=$(( 22000 + RANDOM % 800 * 10 ))
tmp='' ram=''

lock_client() { "$COORDFS_ROOT/build/release/tests/lock_client" "$@"; }

usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; }

cluster() { # VERB [ARGUMENTS...]
    local verb=$1
    shift
    "$COORDFS_ROOT/mount-scripts/cluster" "$verb" --dir "$tmp/coordfs" "$@"
}

for_each_pid() { # KIND COMMAND...: with the pid of each etcd or peer
    local file kind=$1
    shift
    for file in "$tmp/$kind"-*.pid; do
        [[ ! -f $file ]] || "$@" "$(< "$file")" 2> /dev/null || true
    done
}

undo() {
    trap - EXIT
    [[ -n $tmp ]] || return 0
    for_each_pid etcd kill -KILL
    for_each_pid peer kill -KILL
    cluster down
    rm -rf "$tmp" ${ram:+"$ram"}
}

# begin [OPTIONS of `cluster up`...]: builds, makes $tmp beside the build, starts coordfs.
begin() {
    begin_alone
    cluster up --base-port "$base_port" "$@"
}

# The same without coordfs.
begin_alone() {
    trap undo EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir -p "$COORDFS_ROOT/build"
    quietly "$COORDFS_ROOT/build/release.log" build_preset release
    tmp=$(mktemp -d "$COORDFS_ROOT/build/bench.XXXXXX")
}

make_ram() {
    [[ $(stat -f -c %T /dev/shm) == tmpfs ]] || die '/dev/shm is no tmpfs'
    ram=$(mktemp -d /dev/shm/coordfs-bench.XXXXXX)
}

# --- etcd -----------------------------------------------------------------------------------------

# Where node I of coordfs is, so that what happens to the node's network happens to etcd too.
host() { cluster url "$1" | sed 's,.*/,,; s,:.*,,'; }                                 # I
etcd_url() { printf 'http://%s:%s' "${hosts[$1]}" $(( base_port + 100 + $1 )); }      # I
etcd_peer_url() { printf 'http://%s:%s' "${hosts[$1]}" $(( base_port + 200 + $1 )); } # I
etcd_pid() { cat "$tmp/etcd-$1.pid"; }                                                # I

etcd_ask() { # I PATH [CURL OPTIONS...]: from where the node is
    cluster exec "$1" -- curl -s -m 2 "$(etcd_url "$1")$2" "${@:3}"
}

etcd_healthy() { etcd_ask "$1" /health | grep -q '"true"'; } # I

launch_etcd() { # I
    local i=$1 members
    members=1=$(etcd_peer_url 1),2=$(etcd_peer_url 2),3=$(etcd_peer_url 3)
    # shellcheck disable=SC2016 # for the shell that becomes etcd
    cluster exec "$i" -- sh -c 'echo $$ > "$0"; exec "$@"' "$tmp/etcd-$i.pid" \
        etcd --name "$i" --data-dir "$tmp/etcd/$i" --log-level error \
        --listen-client-urls "$(etcd_url "$i")" --advertise-client-urls "$(etcd_url "$i")" \
        --listen-peer-urls "$(etcd_peer_url "$i")" \
        --initial-advertise-peer-urls "$(etcd_peer_url "$i")" \
        --initial-cluster "$members" < /dev/null >> "$tmp/etcd-$i.log" 2>&1 &
    disown # its end is ours, and no news
}

await_etcd() {
    local i
    for i in 1 2 3; do
        await 60 etcd_healthy "$i" ||
            { tail -n 5 "$tmp/etcd-$i.log" >&2 && die "etcd $i does not come up"; }
    done
}

start_etcd() {
    local i
    hosts=()
    for i in 1 2 3; do hosts[i]=$(host "$i"); done
    for i in 1 2 3; do launch_etcd "$i"; done
    await_etcd
}

is_etcd_leader() { # I
    etcd_ask "$1" /v3/maintenance/status -X POST -d '{}' |
        tr -d '\n ' | grep -qE '"member_id":"([0-9]+)".*"leader":"\1"'
}

find_etcd_leader() {
    local i
    for i in 1 2 3; do
        if is_etcd_leader "$i"; then leader=$i && return; fi
    done
    return 1
}

etcd_leader() { # prints its I
    await 30 find_etcd_leader || die 'no etcd leads'
    printf '%s' "$leader"
}

# --- figures --------------------------------------------------------------------------------------

column() { awk -v column="$1" '{ print $column }' "$2"; } # COLUMN FILE

median() { # of the numbers on standard input
    sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { if (b > 0) printf "%.2f", a / b; else printf "-" }'; }

machine() { printf '%s cores, Linux %s' "$(nproc)" "$(uname -r)"; }
