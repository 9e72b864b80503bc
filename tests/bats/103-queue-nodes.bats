#!/usr/bin/env bats
# Queues whose nodes die, stand still, are cut off or start again. A node's session ends after two
# seconds here, and calls wait as long for a majority.

load helper

setup_file() { cluster_up -o timeout=2,session=2; }

setup() { cluster start 1 2 3; }

# A queue that node I is not responsible for, which the others serve whatever becomes of I.
queue_away_from() { # I
    local name i=0
    while :; do
        name=q$BATS_TEST_NUMBER-$(( i++ ))
        touch "$D/$1/queues/$name"
        [[ $(attribute "$D/$1/queues/$name" node) == "$1" ]] || break
    done
    printf '%s' "$name"
}

@test "a message that a dead node's reader had is delivered again when its session ends" {
    local q
    q=$(queue_away_from 2)
    send message "$A/queues/$q"
    background reader queue-reader "$B/queues/$q" 7 wait
    wait_until 10 has_line "$BATS_TEST_TMPDIR/reader.out" '^read 7'
    has "$A/queues/$q" inflight 1 || fail 'it should be in flight'
    cluster kill 2
    elapsed cat "$C/queues/$q"
    is "$output" message 'what another node reads'
    between 0 "$elapsed_ms" 15000 'the milliseconds until it did'
}

@test "so is one that was claimed" {
    local q
    q=$(queue_away_from 2)
    send message "$A/queues/$q"
    succeeds cat "$B/queues/.$q/claim"
    cluster kill 2
    elapsed cat "$C/queues/$q"
    is "$output" message 'what another node reads'
    between 0 "$elapsed_ms" 15000 'the milliseconds until it did'
}

@test "a clean stop gives everything back" {
    local q
    q=$(queue_away_from 2)
    send message "$A/queues/$q"
    succeeds cat "$B/queues/.$q/claim"
    cluster stop 2
    elapsed cat "$C/queues/$q"
    is "$output" message 'what another node reads'
    between 0 "$elapsed_ms" 1500 'the milliseconds, less than a session,'
}

@test "a daemon that comes back within its session keeps the claims, and not what was being read" {
    local q path
    q=$(queue_away_from 3)
    send claimed "$A/queues/$q"
    path=$(cat "$C/queues/.$q/claim")
    send reading "$A/queues/$q"
    background reader queue-reader "$C/queues/$q" 7 wait
    wait_until 10 has_line "$BATS_TEST_TMPDIR/reader.out" '^read 7'
    kill -KILL "$(cluster pid 3)"
    cluster kill 3
    cluster start 3
    is "$(cat "$C/queues/$q")" reading 'what can be read again'
    is "$(cat "$C/queues/$path")" claimed 'what is still claimed'
    succeeds rm "$C/queues/$path"
    has "$A/queues/$q" inflight 0 || fail 'nothing should be in flight'
}

@test "a reader whose node was cut off for too long learns it at the end of its message" {
    local q
    q=$(queue_away_from 2)
    send message "$A/queues/$q"
    background reader queue-reader "$B/queues/$q" 7 end "$BATS_TEST_TMPDIR/go"
    wait_until 10 has_line "$BATS_TEST_TMPDIR/reader.out" '^read 7'
    cluster pause 2
    is "$(cat "$C/queues/$q")" message 'what another node reads when the session is over'
    cluster resume 2
    : > "$BATS_TEST_TMPDIR/go"
    finish reader
    like "$output" EIO 'what the reader is told'
    send next "$A/queues/$q"
    is "$(cat "$B/queues/$q")" next 'the next message'
}

@test "without a majority: ETIMEDOUT, and what was answered is there afterwards" {
    local i
    for i in 1 2 3 4 5; do send "$i" "$A/queues/majority"; done
    cluster kill 2 3
    # A Redis goes on answering a node whose session lasts.
    ! on_redis || wait_until 15 has_line "$A/.coordfs/status" '^session *-$'
    refuses 'Connection timed out' bash -c 'echo x > "$1"' _ "$A/queues/majority"
    refuses 'Connection timed out' cat "$A/queues/majority"
    refuses 'Connection timed out' ls "$A/queues"
    cluster start 2 3
    for i in 1 2 3 4 5; do is "$(timeout 20 cat "$B/queues/majority")" "$i" 'the next message'; done
}

@test "a close without a majority takes no longer than a call, and says so" {
    local begin
    ! on_redis || skip 'a Redis goes on answering a node whose session lasts'
    send message "$A/queues/close"
    background reader queue-reader "$A/queues/close" 7 close "$BATS_TEST_TMPDIR/go"
    wait_until 10 has_line "$BATS_TEST_TMPDIR/reader.out" '^read 7'
    cluster kill 2 3
    begin=$(now_ms)
    : > "$BATS_TEST_TMPDIR/go"
    finish reader
    between 0 $(( $(now_ms) - begin )) 6000 'the milliseconds of the close'
    like "$output" 'closed ETIMEDOUT' 'what it says'
    cluster start 2 3
}

@test "the node that is responsible dies under load: nothing is lost" {
    local node q=load$BATS_TEST_NUMBER i
    local -a rest
    touch "$A/queues/$q"
    node=$(attribute "$A/queues/$q" node)
    (( node )) || node=2 # in a Redis nobody is
    mapfile -t rest < <(others "$node")
    for i in 0 1; do
        background "producer$i" queue-produce --again "$D/${rest[i]}/queues/$q" "$i" 300
    done
    background consumer queue-consume --until "$BATS_TEST_TMPDIR/stop" "$D/${rest[0]}/queues/$q"
    wait_until 20 has_lines "$BATS_TEST_TMPDIR/consumer.out" 50
    kill -KILL "$(cluster pid "$node")"
    cluster kill "$node"
    for i in 0 1; do
        finish "producer$i" 60
        is "$status" 0 "the status of producer $i"
    done
    cluster start "$node"
    wait_until 60 is_empty "$D/${rest[1]}/queues/$q"
    : > "$BATS_TEST_TMPDIR/stop"
    send last "$D/${rest[1]}/queues/$q"
    finish consumer
    is "$(grep -v last "$BATS_TEST_TMPDIR/consumer.out" | sort -u | wc -l)" 600 \
        'different messages consumed'
    printf '# consumed: %s for 600\n' "$(grep -vc last "$BATS_TEST_TMPDIR/consumer.out")" >&3
}

is_empty() { has "$1" ready 0 && has "$1" inflight 0; } # QUEUE

@test "all nodes die at once: what was answered is there when they come back" {
    local i path
    for i in 0 1 2 3; do send "$i" "$A/queues/outage"; done
    printf 'framing=line\n' > "$A/queues/.outage/config"
    path=$(cat "$B/queues/.outage/claim")
    cluster kill 1 2 3
    cluster start 1 2 3
    is "$(tail -n 1 "$A/queues/.outage/config")" framing=line 'the setting'
    is "$(cat "$B/queues/$path")" 0 'the message that is claimed, for the session goes on'
    for i in 1 2 3; do is "$(timeout 20 cat "$D/$i/queues/outage")" "$i" 'the next message'; done
}
