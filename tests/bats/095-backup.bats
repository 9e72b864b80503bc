#!/usr/bin/env bats
# Backups, and the ways back: each command of the chapters "Backup" and "The worst day" in
# docs/operations.md, on real mounts. The tokens that workers (fixtures/worker) were given before
# and after a restore stand in one log, and have to grow all the way.

load helper

# A cluster of its own for each test: they leave different ones behind.
setup() {
    export D=$BATS_TEST_TMPDIR/c
    export A=$D/1 B=$D/2 C=$D/3
    file=$BATS_TEST_TMPDIR/backup
}

teardown() {
    end_background
    [[ -n ${BATS_TEST_COMPLETED:-} ]] || show_logs
    no_bad_words_in_logs
    [[ -z ${BATS_TEST_COMPLETED:-} ]] || no_node_is_missing
    "$CLUSTER" down --dir "$D" 3>&-
}

teardown_file() { :; }

up() { # NODES [OPTIONS of `cluster up`...]
    local nodes=$1
    shift
    "$CLUSTER" up --dir "$D" --nodes "$nodes" --base-port "$(free_base_port)" "$@" 3>&-
}

BINARY=${COORDFS:-$ROOT/build/release/coordfs}

at() { printf -- '-oconfig=%s/.nodes/%s/config' "$D" "$1"; } # I: with node I's settings

data() { printf '%s/.nodes/%s/data' "$D" "$1"; } # I

# Ids of all nodes with that role, as the leader sees them.
nodes_of() { # ROLE
    "$BINARY" member list "$(at "$(cluster leader)")" |
        awk -v role="$1" '$3 == role { printf "%s ", $1 }'
}

all_vote() { [[ $(nodes_of voter) == "$1" ]]; } # IDS

serves() { timeout 5 ls "$D/$1/locks" > /dev/null; } # I

# What an administrator does with the others once node I runs: empty directories, and `join`.
join_others() { # I OTHER...
    local first=$1 i
    shift
    for i; do
        rm -rf "$(data "$i")"
        printf 'join = %s\n' "$(cluster url "$first")" >> "$D/.nodes/$i/config"
    done
    cluster start "$@"
}

# The groups that a file has, as `backup --check` lists them.
groups_in() { "$BINARY" backup --check "$1" | awk '/^[0-9]/ { printf "%s ", $1 }'; } # FILE

all_groups() { seq -s ' ' 0 17 | tr '\n' ' '; }

no_call_failed() {
    local i
    for i in 0 1 2 3 4 5 6 7; do
        like "$(< "$BATS_TEST_TMPDIR/worker$i.out")" '^troubles: 0$' "the errors that worker $i saw"
    done
}

change_byte() { # FILE OFFSET
    local byte
    byte=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf '%b' "\\x$(printf '%02x' $(( byte ^ 1 )))" |
        dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "a backup under load; all disks are lost; one node begins again, and the others join" {
    local i path
    up 3
    for i in $(seq 40); do # more than fits one request
        (set -C && head -c 65536 /dev/urandom > "$A/locks/large$i") || fail "lock large$i is taken"
    done
    head -c 1048575 /dev/urandom > "$BATS_TEST_TMPDIR/large"
    dd if="$BATS_TEST_TMPDIR/large" of="$A/queues/q" bs=1048575 status=none
    for i in 1 2 3; do printf 'small %s' "$i" > "$B/queues/q"; done
    printf 'max_deliveries=3\n' > "$A/queues/.q/config"
    path=$(cat "$C/queues/.q/claim") # the large one is in flight
    mkdir "$B/cache/app"
    cat "$BATS_TEST_TMPDIR/large" "$BATS_TEST_TMPDIR/large" > "$B/cache/app/value"
    printf 'blue' > "$C/cache/app/colour"
    ln -s colour "$A/cache/app/link"
    start_workers 1 2 3
    workers_get_on
    succeeds "$BINARY" backup "$file" "$(at 2)"
    workers_get_on
    stop_workers
    no_call_failed
    between 2621440 "$(stat -c %s "$file")" 20000000 'bytes of the backup'
    is "$(stat -c %a "$file")" 600 'who may read it'
    succeeds "$BINARY" backup --check "$file"
    like "$output" 'locks 4[0-9]' 'what is in it'
    is "$(groups_in "$file")" "$(all_groups)" 'the groups in it'

    cluster stop 1 2 3
    rm -rf "$(data 1)" "$(data 2)" "$(data 3)"
    succeeds "$BINARY" restore "$file" "$(at 1)"
    like "$output" 'of which node 1 is the first node' 'what it says'
    cluster start 1
    wait_until 20 serves 1
    is "$(ls "$A/locks")" '' 'what is held'
    (set -C && echo $$ > "$A/locks/large1") || fail 'node 1 takes a lock alone'
    join_others 1 2 3
    wait_until 30 all_vote '1 2 3 '
    exists "$C/locks/large1" || fail 'node 3 sees it'
    is_free "$C/queues/$path" || fail 'a claim of before is gone'
    timeout 20 cat "$C/queues/q" | cmp - "$BATS_TEST_TMPDIR/large"
    for i in 1 2 3; do is "$(timeout 20 cat "$B/queues/q")" "small $i" 'the next message'; done
    has_line "$A/queues/.q/config" '^max_deliveries=3$' || fail "the queue's settings"
    is "$(timeout 20 cat "$C/cache/app/link")" blue 'a value, through a link'
    cat "$BATS_TEST_TMPDIR/large" "$BATS_TEST_TMPDIR/large" | cmp - "$B/cache/app/value"
    printf 'red' > "$A/cache/app/colour"
    is "$(timeout 20 cat "$B/cache/app/colour")" red 'what it is since'
    [[ ! -e $B/cache/app/none ]] || fail 'what never was'
    start_workers 1 2 3
    workers_get_on
    stop_workers
    no_call_failed
    tokens_grow
}

# mover: takes messages from queue to queue, most of them of different groups; a line for each.
mover() {
    local from to path
    while [[ ! -e $BATS_TEST_TMPDIR/stop ]]; do
        for from in a b c d e; do
            to=$(tr abcde bcdea <<< "$from")
            path=$(timeout 2 cat "$A/queues/.$from/claim") || continue
            mv "$A/queues/$path" "$A/queues/$to" || printf 'FAILED: %s\n' "$path"
            printf '%s to %s\n' "$path" "$to" >> "$BATS_TEST_TMPDIR/moves"
        done
    done
}

drain() { # QUEUE: its messages, a line each
    local message
    while message=$(timeout 0.5 cat "$A/queues/$1"); do printf '%s\n' "$message"; done
}

@test "no message is missing in a backup, also while messages move from queue to queue" {
    local i queue
    up 3
    for i in $(seq 60); do printf 'message %s' "$i" > "$A/queues/a"; done
    for queue in b c d e; do : >> "$A/queues/$queue"; done
    background first mover
    background second mover
    for i in 1 2 3; do
        wait_until 20 has_lines "$BATS_TEST_TMPDIR/moves" $(( i * 50 ))
        succeeds "$BINARY" backup "$file.$i" "$(at 1)"
    done
    still_runs first || fail 'the first mover'
    : > "$BATS_TEST_TMPDIR/stop"
    finish first && finish second
    is "$(< "$BATS_TEST_TMPDIR/first.out")$(< "$BATS_TEST_TMPDIR/second.out")" '' 'failed moves'
    cluster stop 1 2 3
    for i in 1 2 3; do
        rm -rf "$(data 1)"
        succeeds "$BINARY" restore "$file.$i" "$(at 1)"
        cluster start 1
        wait_until 20 serves 1
        for queue in a b c d e; do drain "$queue"; done | sort -u > "$BATS_TEST_TMPDIR/found"
        is "$(< "$BATS_TEST_TMPDIR/found")" \
            "$(for j in $(seq 60); do printf 'message %s\n' "$j"; done | sort)" 'what is there'
        cluster stop 1
    done
}

# So many are ready in queue q, as node I itself knows.
knows_messages() { # I COUNT
    [[ $(awk '$1 == "q" { print $2 }' "$D/$1/.coordfs/queues") == "$2" ]]
}

@test "the worst day: two of three disks are lost; all goes on with what the third has" {
    local old i
    up 3
    start_workers 1 2 3
    workers_get_on
    stop_workers
    (set -C && echo $$ > "$A/locks/held") || fail 'takes a lock'
    old=$(token "$B/locks/held")
    for i in $(seq 20); do printf 'message %s' "$i" > "$A/queues/q"; done
    wait_until 20 knows_messages 3 20
    cp "$D/.nodes/1/config" "$BATS_TEST_TMPDIR/config"
    cluster kill 1 2
    mv "$(data 2)" "$BATS_TEST_TMPDIR/old2"
    rm -rf "$(data 1)"
    refuses 'A majority of the nodes has to be there' "$BINARY" backup "$file" "$(at 3)"
    refuses 'in use by' "$BINARY" backup --data "$(data 3)" "$file"
    cluster stop 3

    succeeds "$BINARY" backup --data "$(data 3)" "$file"
    like "$output" 'What was answered last may be missing' 'what it says'
    is "$(groups_in "$file")" "$(all_groups)" 'the groups in it'
    refuses 'is not empty' "$BINARY" restore "$file" "$(at 3)"
    mv "$(data 3)" "$BATS_TEST_TMPDIR/old3"
    succeeds "$BINARY" restore "$file" "$(at 3)"
    cluster start 3
    wait_until 20 serves 3
    join_others 3 1
    (set -C && echo $$ > "$A/locks/held") || fail 'the lock is free, and node 1 takes it'
    between $(( old + 1 )) "$(token "$C/locks/held")" $(( 1 << 62 )) 'the new token'
    for i in $(seq 20); do
        is "$(timeout 20 cat "$A/queues/q")" "message $i" 'the next message'
    done

    # The disk that was lost turns up again: it fits no more, and does no harm.
    mv "$BATS_TEST_TMPDIR/old2" "$(data 2)"
    background lost "$BINARY" -f "$(at 2)" "$B"
    wait_until 20 has_line "$BATS_TEST_TMPDIR/lost.out" 'the address is of another cluster'
    wait_until 20 all_vote '1 3 '
    crash lost
    join_others 3 2
    wait_until 30 all_vote '1 2 3 '
    start_workers 1 2 3
    workers_get_on
    stop_workers
    no_call_failed
    tokens_grow
}

# Each group but 0 is on three of the five nodes.
@test "two of five disks are left: of each group what the one or the other has" {
    local i one two
    up 5
    one=$BATS_TEST_TMPDIR/one two=$BATS_TEST_TMPDIR/two
    succeeds "$BINARY" backup "$file" "$(at 4)"
    is "$(groups_in "$file")" "$(all_groups)" 'the groups of the running cluster'
    cluster stop 1 2 3 4 5
    succeeds "$BINARY" backup --data "$(data 4)" "$one"
    like "$output" 'It has nothing of group' 'what it says'
    succeeds "$BINARY" backup --data "$(data 5)" "$two"
    for i in 1 2 3 4 5; do rm -rf "$(data $i)"; done
    succeeds "$BINARY" restore "$one" "$two" "$(at 5)"
    is "$(grep -c 'nothing of it is there' <<< "$output" || true)" \
        "$(comm -23 <(all_groups | tr ' ' '\n' | sort) \
            <({ groups_in "$one" && groups_in "$two"; } | tr ' ' '\n' | sort -u) | wc -l)" \
        'groups that nobody had'
    cluster start 5
    wait_until 20 serves 5
    join_others 5 1 2 3 4
    wait_until 30 all_vote '1 2 3 4 5 '
    (set -C && echo $$ > "$A/locks/x") || fail 'node 1 takes a lock'
    exists "$D/4/locks/x" || fail 'node 4 sees it'
}

@test "a file that is damaged, cut, of another format or no backup is refused by name" {
    local size copy=$BATS_TEST_TMPDIR/copy
    up 1
    succeeds "$BINARY" backup "$file" "$(at 1)"
    cluster stop 1
    rm -rf "$(data 1)"
    size=$(stat -c %s "$file")
    cp "$file" "$copy" && change_byte "$copy" $(( size / 2 ))
    refuses "$copy is damaged at offset" "$BINARY" restore "$copy" "$(at 1)"
    refuses "$copy is damaged at offset" "$BINARY" backup --check "$copy"
    cp "$file" "$copy" && truncate -s $(( size / 2 )) "$copy"
    refuses "the rest of it is missing" "$BINARY" restore "$copy" "$(at 1)"
    cp "$file" "$copy" && sed -i '1s/format 1/format 2/' "$copy"
    refuses "$copy is a backup of format 2; this coordfs knows format 1" \
        "$BINARY" restore "$copy" "$(at 1)"
    refuses 'is no backup' "$BINARY" restore /etc/passwd "$(at 1)"
    refuses 'No such file' "$BINARY" restore "$copy.not" "$(at 1)"
    is_free "$(data 1)" || fail 'nothing was made'
    succeeds "$BINARY" restore "$file" "$(at 1)"
    refuses 'is not empty' "$BINARY" restore "$file" "$(at 1)"
    cluster start 1
    wait_until 20 serves 1
}

@test "no node starts from a directory whose restoring was interrupted" {
    up 1
    cluster stop 1
    touch "$(data 1)/restoring"
    refuses 'restoring did not come to its end' "$BINARY" -f "$(at 1)" "$A"
}

@test "a backup that fails leaves the last one, and nothing beside it" {
    up 1
    succeeds "$BINARY" backup "$file" "$(at 1)"
    cluster stop 1
    refuses 'coordfs backup: http://' "$BINARY" backup "$file" "$(at 1)"
    succeeds "$BINARY" backup --check "$file"
    is_free "$file.new" || fail 'something is left'
}

@test "who lacks the secret gets no backup" {
    local code
    up 1 -o http_open
    code=$(curl -s -o /dev/null -w '%{http_code}' -X POST "$(cluster url 1)/backup")
    is "$code" 401 'the status'
}
