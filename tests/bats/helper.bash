# shellcheck shell=bash
# What the suites share: a cluster per file, mounted on $A, $B and $C; commands with a bound whose
# output is shown when a test fails; processes that hold and wait, told by latches, never by sleeps.
#
# Each suite begins with
#     load helper
#     setup_file() { cluster_up; }
# and gets teardown and teardown_file from here.

bats_require_minimum_version 1.5.0

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
CLUSTER=$ROOT/mount-scripts/cluster
export no_proxy='*' # curl goes to the nodes themselves
PATH=$ROOT/tests/bats/fixtures:$PATH
# shellcheck source=redis.bash
source "$ROOT/tests/bats/redis.bash"

# --- the cluster ----------------------------------------------------------------------------------

# Ports below the ephemeral range that nobody listens on: suites of two runs may overlap.
free_base_port() {
    local base i busy
    while :; do
        base=$(( 12000 + RANDOM % 2000 * 10 ))
        busy=no
        for i in 1 2 3 4 5; do
            if (: < "/dev/tcp/127.0.0.1/$(( base + i ))") 2> /dev/null; then busy=yes; fi
        done
        [[ $busy == yes ]] || break
    done
    printf '%s' "$base"
}

cluster_up() { # [OPTIONS of `cluster up`...]
    export D=$BATS_FILE_TMPDIR/c A=$BATS_FILE_TMPDIR/c/1 B=$BATS_FILE_TMPDIR/c/2 \
        C=$BATS_FILE_TMPDIR/c/3
    # Other users have to reach the mounts; bats makes its directories private.
    chmod a+rx "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
    redis_up_if_wanted
    "$CLUSTER" up --dir "$D" --base-port "$(free_base_port)" "$@" 3>&-
}

cluster() { # VERB [ARGUMENTS...]
    local verb=$1
    shift
    "$CLUSTER" "$verb" --dir "$D" "$@" 3>&-
}

# Ends the cluster; for suites with a teardown_file of their own.
cluster_down() {
    [[ -n ${D:-} && -d $D/.nodes ]] || return 0
    if [[ -n ${COORDFS_CLEAN_STOP:-} ]]; then
        # A leak is reported at a clean exit only.
        cluster stop 1 2 3 || true
        no_bad_words_in_logs || { cluster down && redis_down && return 1; }
    fi
    cluster down
    redis_down
}

teardown_file() { cluster_down; }

others() { # I: the other two nodes, a line each
    local i
    for i in 1 2 3; do
        if (( i != $1 )); then printf '%s\n' "$i"; fi
    done
}

# A sanitizer's report or a failed assertion is a failure, whatever the test saw.
no_bad_words_in_logs() {
    local log
    for log in "$D"/.nodes/*/log; do
        if grep -nE 'Sanitizer|runtime error:|Assertion|assertion' "$log" 2> /dev/null; then
            printf '^ in %s\n' "$log"
            tail -n 60 "$log"
            return 1
        fi
    done
}

show_logs() {
    local log
    for log in "$D"/.nodes/*/log; do
        [[ -f $log ]] || continue
        printf -- '--- the end of %s\n' "$log"
        tail -n 15 "$log"
    done
}

teardown() { common_teardown; }

# For suites with a teardown of their own.
common_teardown() {
    end_background
    [[ -n ${D:-} ]] || return 0
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        show_logs
        clear_locks
    fi
    no_bad_words_in_logs
    no_node_is_missing
}

# A daemon that ended by itself crashed, and the next test's `cluster start` would hide it: what is
# ended by `cluster stop` and `kill` leaves no pid behind.
no_node_is_missing() {
    local file pid
    for file in "$D"/.nodes/*/pid; do
        [[ -f $file ]] || continue
        read -r pid _ < "$file"
        if has_ended "$pid"; then
            printf 'FAILED: the daemon of %s, process %s, is gone\n' "${file%/pid}" "$pid"
            tail -n 40 "${file%pid}log"
            return 1
        fi
    done
}

# What a failed test leaves held must not fail the next ones.
clear_locks() {
    local mount
    for mount in "$A" "$B" "$C"; do
        timeout -k 1 10 find "$mount/locks" -mindepth 1 -maxdepth 1 -delete > /dev/null 2>&1 || true
    done
}

# --- commands with a bound ------------------------------------------------------------------------

# try COMMAND...: leaves $status and $output (both streams), and shows them, which bats prints when
# the test fails. A command that hangs is ended after a minute, with status 124.
try() {
    status=0
    output=$(timeout -k 5 60 "$@" 2>&1 < /dev/null 3>&-) || status=$?
    printf '$ %s\n%s%s[%s]\n' "$*" "$output" "${output:+$'\n'}" "$status"
}

succeeds() { # COMMAND...
    try "$@"
    (( status == 0 )) || fail "this should have succeeded: $*"
}

refuses() { # TEXT COMMAND...: it fails, and says TEXT
    local text=$1
    shift
    try "$@"
    (( status != 0 )) || fail "this should have failed with '$text': $*"
    [[ $output == *"$text"* ]] || fail "this should have said '$text': $*"
}

fail() {
    printf 'FAILED: %s\n' "$*"
    return 1
}

is() { # ACTUAL EXPECTED WHAT
    [[ $1 == "$2" ]] || fail "$(printf '%s\n  is:        [%s]\n  should be: [%s]' "$3" "$1" "$2")"
}

like() { # ACTUAL REGULAR-EXPRESSION WHAT
    [[ $1 =~ $2 ]] || fail "$(printf '%s\n  is:           [%s]\n  should match: %s' "$3" "$1" "$2")"
}

between() { # LEAST ACTUAL MOST WHAT
    (( $1 <= $2 && $2 <= $3 )) || fail "$4 is $2; it should be between $1 and $3"
}

# wait_until SECONDS COMMAND...: a latch with a bound.
wait_until() {
    local end=$(( $(now_ms) + $1 * 1000 ))
    shift
    until "$@" > /dev/null 2>&1; do
        if (( $(now_ms) >= end )); then
            fail "waited in vain for: $*"
            return 1 # also where errexit is off, as in teardown
        fi
        sleep 0.02
    done
}

now_ms() { printf '%s' $(( ${EPOCHREALTIME/./} / 1000 )); }

# elapsed COMMAND...: runs it as `try` does and leaves its milliseconds in $elapsed_ms.
elapsed() {
    local begin
    begin=$(now_ms)
    try "$@"
    elapsed_ms=$(( $(now_ms) - begin ))
    printf '(%s ms)\n' "$elapsed_ms"
}

# requires WORD...: skips the test where this machine lacks something; an unknown word is a mistake.
requires() {
    local word
    for word; do
        case $word in
            root) (( EUID == 0 )) || skip 'needs root' ;;
            netns) unshare --net true 2> /dev/null || skip 'needs network namespaces' ;;
            *) fail "requires: there is no '$word'" ;;
        esac
    done
}

# --- locks ----------------------------------------------------------------------------------------

attribute() { getfattr --absolute-names --only-values -n "user.coordfs.$2" "$1"; } # PATH NAME

token() { attribute "$1" token; } # PATH

has_waiters() { [[ $(attribute "$1" waiters) == "$2" ]]; } # PATH COUNT

exists() { [[ -e $1 ]]; }
is_free() { [[ ! -e $1 ]]; }

has_line() { grep -q "$2" "$1"; } # FILE PATTERN

# --- queues ---------------------------------------------------------------------------------------

has() { [[ $(attribute "$1" "$2") == "$3" ]]; } # PATH NAME VALUE: of an attribute

# send TEXT PATH...: a message to each, without a newline.
send() {
    local path
    for path in "${@:2}"; do printf %s "$1" > "$path"; done
}

# configure QUEUE LINE...: in one write.
configure() {
    printf '%s\n' "${@:2}" | dd of="${1%/*}/.${1##*/}/config" bs=4K iflag=fullblock status=none
}

# The names in a directory as it lists them, a line each.
listed() { (cd "$1" && ls -U); }

# The messages in a directory, in its order, in one line.
contents() {
    local name
    while IFS= read -r name; do printf '%s\n' "$(< "$1/$name")"; done < <(listed "$1") |
        paste -sd ' '
}

# Purges and removes queues that a test leaves, dead letters and all.
remove_queues() { # PATH...
    local path
    for path; do truncate -s 0 "$path" && rm "$path"; done
}

# --- processes in the background ------------------------------------------------------------------

declare -gA background_pid=() # -g: bats loads this file from within a function

# background NAME COMMAND...: its output goes to $BATS_TEST_TMPDIR/NAME.out; ended with the test.
background() {
    local name=$1
    shift
    "$@" > "$BATS_TEST_TMPDIR/$name.out" 2>&1 < /dev/null 3>&- &
    background_pid[$name]=$!
}

# finish NAME: waits for its end, with a bound; leaves $status and $output.
finish() {
    wait_until "${2:-30}" has_ended "${background_pid[$1]}"
    status=0
    wait "${background_pid[$1]}" || status=$?
    unset "background_pid[$1]"
    output=$(< "$BATS_TEST_TMPDIR/$1.out")
    printf '%s ended:\n%s%s[%s]\n' "$1" "$output" "${output:+$'\n'}" "$status"
}

# The processes `one` and `two` end, exactly one of them well.
one_of_two_has() { # WHAT
    local first
    finish one
    first=$status
    finish two
    is $(( (first == 0) + (status == 0) )) 1 "how many have $1"
}

# Reads PATH again and again, until `read_whole`: it never has different lines of 1000 characters.
read_on() { # PATH
    background reader bash -c 'while [[ ! -e $1.stop ]]; do
        fold -w 1000 < "$2" | sort -u | wc -l
    done > "$1.seen"' bash "$BATS_TEST_TMPDIR/reader" "$1"
}

read_whole() {
    touch "$BATS_TEST_TMPDIR/reader.stop"
    finish reader
    is "$(sort -u "$BATS_TEST_TMPDIR/reader.seen")" 1 'different lines in any reading'
}

# Ended means a zombie of ours or gone: waiting itself has no bound.
has_ended() { [[ ! -e /proc/$1 ]] || grep -q '^State:.*zombie' "/proc/$1/status"; }

still_runs() { ! has_ended "${background_pid[$1]}"; } # NAME

crash() { # NAME: SIGKILL
    kill -KILL "${background_pid[$1]}"
    wait "${background_pid[$1]}" || true
    unset "background_pid[$1]"
}

end_background() {
    local name
    for name in "${!background_pid[@]}"; do
        kill -KILL "${background_pid[$name]}" 2> /dev/null || true
        wait "${background_pid[$name]}" 2> /dev/null || true
    done
    background_pid=()
}

# hold NAME PATH [OPTIONS of flock(1)...]: one process that has PATH open and locked when this
# returns, and until `let_go NAME`.
hold() {
    local name=$1 path=$2
    shift 2
    rm -f "$BATS_TEST_TMPDIR/$name".{go,ready}
    mkfifo "$BATS_TEST_TMPDIR/$name.go"
    background "$name" holder "$path" "$BATS_TEST_TMPDIR/$name" "$@"
    wait_until 20 exists "$BATS_TEST_TMPDIR/$name.ready"
}

let_go() { # NAME
    printf '\n' > "$BATS_TEST_TMPDIR/$1.go"
    finish "$1"
}

# --- work that judges exclusion for itself --------------------------------------------------------

# start_workers NODE...: eight, half of them with lockfiles, half with flock, spread over the nodes.
start_workers() {
    local i kind
    local -a nodes=("$@")
    rm -f "$BATS_TEST_TMPDIR/stop"
    for i in 0 1 2 3 4 5 6 7; do
        if (( i < 4 )); then kind=lockfile; else kind=flock; fi
        background "worker$i" worker "$kind" "$D/${nodes[i % ${#nodes[@]}]}/locks/$kind" \
            "$BATS_TEST_TMPDIR/$kind" "$BATS_TEST_TMPDIR/stop"
    done
}

# Both kinds go on: the logs grow by several lines from where they are now.
workers_get_on() {
    local kind lines
    for kind in lockfile flock; do
        touch "$BATS_TEST_TMPDIR/$kind.log"
        lines=$(wc -l < "$BATS_TEST_TMPDIR/$kind.log")
        wait_until 20 has_lines "$BATS_TEST_TMPDIR/$kind.log" $(( lines + 10 ))
    done
}

has_lines() { (( $(wc -l < "$1") >= $2 )); } # FILE COUNT

stop_workers() {
    local i
    : > "$BATS_TEST_TMPDIR/stop"
    for i in 0 1 2 3 4 5 6 7; do
        finish "worker$i"
        is "$status" 0 "the status of worker $i, which checks exclusion and its own hold"
    done
}

# In the order of the holders, the tokens of each name only grow.
tokens_grow() {
    local kind
    for kind in lockfile flock; do
        awk '$1 <= last { printf "token %s after %s in line %d\n", $1, last, NR; bad = 1 }
             { last = $1 }
             END { exit bad }' "$BATS_TEST_TMPDIR/$kind.log" || fail "a token of $kind did not grow"
        printf '%s: %s acquisitions\n' "$kind" "$(wc -l < "$BATS_TEST_TMPDIR/$kind.log")"
    done
}
