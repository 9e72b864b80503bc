#!/usr/bin/env bats
# Queues in a Redis that all nodes share: the Redis crashes, stands still and comes back, nodes die
# and are paused, and no message is lost or doubled. What a queue promises is in the suites 10x and
# 11x, which run on either store: COORDFS_STORE=redis.

load helper

setup_file() {
    export COORDFS_STORE=redis
    cluster_up -o timeout=3
}

setup() {
    has_ended "$(redis_pid)" && redis_start
    redis_resume
}

# settled PATH: nothing is ready or in flight.
settled() { has "$1" ready 0 && has "$1" inflight 0; }

@test "a message written on one node is read on another, and is in Redis" {
    send hello "$A/queues/first"
    is "$(redis --scan --pattern 'coordfs:*:body:first' | wc -l)" 1 'the keys of its bodies'
    is "$(cat "$B/queues/first")" hello 'the message'
    is "$(redis --scan --pattern 'coordfs:*:body:first' | wc -l)" 0 'the keys afterwards'
}

@test "status says where the queues are and whether they can be used" {
    succeeds cat "$A/.coordfs/status"
    like "$output" "store +redis\+unix://$REDIS_DIR/socket\?db=0" 'where they are'
    like "$output" 'store_available +yes' 'whether they can be used'
    redis_kill
    wait_until 10 grep -qE '^store_available +no' "$A/.coordfs/status"
    redis_start
    wait_until 10 grep -qE '^store_available +yes' "$A/.coordfs/status"
}

@test "Redis crashes: a call that comes meanwhile waits, and what was answered is there" {
    local i
    for i in {1..20}; do send "$i" "$D/$(( i % 3 + 1 ))/queues/crash"; done
    redis_kill
    background producer bash -c 'printf %s later > "$1"' _ "$A/queues/crash"
    redis_start
    finish producer
    is "$status" 0 'the status of the producer'
    for i in {1..20} later; do is "$(cat "$B/queues/crash")" "$i" 'the next message'; done
}

@test "Redis stays away: EIO after the timeout, then at once, and all is well when it is back" {
    touch "$A/queues/away"
    background reader cat "$B/queues/away"
    wait_until 10 has "$A/queues/away" consumers 1
    redis_kill
    elapsed bash -c 'printf x > "$1"' _ "$A/queues/away"
    (( status != 0 )) || fail 'the write should have failed'
    like "$output" 'Input/output error' 'why'
    between 2000 "$elapsed_ms" 8000 'the time it took'
    elapsed bash -c 'printf x > "$1"' _ "$A/queues/away"
    (( status != 0 && elapsed_ms < 2000 )) || fail 'the next one should fail at once'
    finish reader
    like "$output" 'Input/output error' 'what the reader is told'
    # Locks are not in it.
    succeeds flock -n "$A/locks/meanwhile" true
    redis_start
    wait_until 10 bash -c 'printf back > "$1"' _ "$A/queues/away"
    wait_until 10 has "$A/queues/away" consumers 0
    is "$(cat "$C/queues/away")" back 'the message'
}

@test "Redis stands still for a moment: calls wait for it" {
    redis_pause
    background producer bash -c 'printf %s held > "$1"' _ "$A/queues/still"
    sleep 0.5
    still_runs producer || fail 'it should wait'
    redis_resume
    finish producer
    is "$status" 0 'the status of the producer'
    is "$(cat "$C/queues/still")" held 'the message'
}

@test "a reader waits through a restart of Redis, and is woken by what comes then" {
    touch "$A/queues/patient"
    background reader cat "$B/queues/patient"
    wait_until 10 has "$A/queues/patient" consumers 1
    redis_kill
    redis_start
    wait_until 10 has "$A/queues/patient" consumers 1
    send woken "$C/queues/patient"
    finish reader
    is "$output" woken 'what it read'
}

@test "what a node held when it was killed goes to another" {
    local path
    send work "$A/queues/dies"
    path=$(cat "$C/queues/.dies/claim")
    is "$(cat "$C/queues/$path")" work 'the claimed message'
    cluster kill 3
    background reader cat "$A/queues/dies"
    finish reader 20
    is "$output" work 'what the next one reads'
    cluster start 3
}

@test "a node that comes back within its session goes on with its explicit claims" {
    local path
    send kept "$A/queues/resumed"
    path=$(cat "$C/queues/.resumed/claim")
    cluster kill 3
    cluster start 3
    is "$(cat "$C/queues/$path")" kept 'the claimed message'
    succeeds rm "$C/queues/$path"
    settled "$A/queues/resumed" || fail 'it should be done'
}

@test "a paused node learns that it was too late, and does nothing late" {
    local path
    send once "$A/queues/paused"
    path=$(cat "$C/queues/.paused/claim")
    background late cat "$C/queues/paused" # waits: there is nothing else
    wait_until 10 has "$A/queues/paused" consumers 1
    cluster pause 3
    background reader cat "$A/queues/paused"
    finish reader 20
    is "$output" once 'the message, which went back'
    cluster resume 3
    refuses 'No such file' rm "$C/queues/$path"
    send again "$A/queues/paused"
    wait_until 20 settled "$A/queues/paused"
    # The reader of the paused node had its wait ended with the session, or has read it.
    still_runs late && crash late
    true
}

@test "a clean stop gives back what the node held, at once" {
    send back "$A/queues/stopped"
    cat "$C/queues/.stopped/claim" > /dev/null
    cluster stop 3
    has "$A/queues/stopped" ready 1 || fail 'it should be ready again'
    is "$(cat "$A/queues/stopped")" back 'the message'
    cluster start 3
}

@test "producers and consumers on all nodes, Redis crashing: everything arrives, and once" {
    local i
    touch "$A/queues/storm"
    for i in 1 2 3; do
        background "producer$i" bash -c '
            for (( n = 0; n < 100; n++ )); do
                until printf "%s-%s" "$2" "$n" > "$1"; do echo "again $n"; sleep 0.1; done
            done' _ "$D/$i/queues/storm" "$i"
        background "consumer$i" bash -c '
            until [[ $message == end ]]; do
                message=$(cat "$1") && printf "%s\n" "$message"
            done' _ "$D/$i/queues/storm"
    done
    for i in 1 2 3; do
        redis_kill
        redis_start
    done
    for i in 1 2 3; do finish "producer$i" 60; done
    wait_until 30 has "$A/queues/storm" ready 0
    for i in 1 2 3; do send end "$A/queues/storm"; done
    for i in 1 2 3; do
        finish "consumer$i" 30
        printf '%s\n' "$output" > "$BATS_TEST_TMPDIR/consumed$i"
    done
    is "$(cat "$BATS_TEST_TMPDIR"/consumed? | grep -v '^end$' | sort -u | wc -l)" 300 \
        'messages that arrived'
    # Nobody was told of an error, so nobody has asked twice.
    is "$(cat "$BATS_TEST_TMPDIR"/consumed? | grep -v '^end$' | sort | uniq -d | head -n 3)" '' \
        'messages that arrived twice'
}

@test "a Redis that is not durable is warned of; one that is not there prevents no mount" {
    local log=$D/.nodes/1/log
    ! has_line "$log" 'appendfsync always' || fail 'this one is durable'
    redis CONFIG SET appendfsync everysec
    cluster stop 1
    cluster start 1
    has_line "$log" "can be lost when it crashes: it has not both 'appendonly yes' and" ||
        fail 'it should be warned of'
    redis_kill
    cluster stop 1
    cluster start 1
    has_line "$log" 'cannot be used: ' || fail 'it should say that it is not there'
    redis_start
    wait_until 10 bash -c 'printf here > "$1"' _ "$A/queues/mounted"
    is "$(cat "$B/queues/mounted")" here 'the message'
}
