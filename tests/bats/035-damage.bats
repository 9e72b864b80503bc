#!/usr/bin/env bats
# Bits that flip in the files of a node that is down. It must not come back as one that has
# forgotten something: it refuses and says what is damaged and where, or, for the last batch, which
# cannot be told from one that a crash tore, cuts it. The others go on and lose nothing.

load helper

setup_file() { cluster_up; }

setup() { cluster start 1 2 3; }

# What a failed test has damaged must not fail the next ones.
teardown() {
    common_teardown
    if [[ -z ${BATS_TEST_COMPLETED:-} ]]; then
        cluster down
        cluster_up
    fi
}

# A follower that is down and missed nothing. The leader's node holds, so that the death of another
# gives nothing away.
fell_victim() {
    local i leader
    local -a rest
    leader=$(cluster leader)
    mapfile -t rest < <(others "$leader")
    VICTIM=${rest[0]} OTHER=${rest[1]}
    DATA=$D/.nodes/$VICTIM/data
    for i in 1 2 3 4 5 6 7 8; do
        succeeds take "$D/$leader/locks/kept$i" "content $i"
    done
    wait_until 10 has_all_of "$leader"
    cluster kill "$VICTIM"
    SEGMENT=$(printf '%s\n' "$DATA"/wal-* | sort | head -n 1)
    mapfile -t BATCHES < <(wal-batches "$SEGMENT")
    (( ${#BATCHES[@]} > 8 )) || fail "there are ${#BATCHES[@]} batches in $SEGMENT"
}

has_all_of() { # LEADER: what it has in its log is durable on the victim
    [[ $(index_of "$VICTIM" durable_index) == "$(index_of "$1" last_index)" ]]
}

index_of() { cluster curl "$1" /status | sed -n "s/.*\"$2\": \([0-9]*\).*/\1/p"; } # NODE FIELD

# kept NODE...: all that was answered is there, seen from these.
kept() {
    local node i
    for node; do
        for i in 1 2 3 4 5 6 7 8; do
            is "$(cat "$D/$node/locks/kept$i")" "content $i" "the content seen on node $node"
        done
    done
}

give_back() { succeeds rm "$D/$OTHER"/locks/kept{1..8}; }

# will_not_start WORDS...: it says them all; and it does not keep the others from working.
will_not_start() {
    local words
    refuses "$1" "$CLUSTER" start "$VICTIM" --dir "$D"
    for words; do
        [[ $output == *"$words"* ]] || fail "it should have said '$words'"
    done
    succeeds take "$D/$OTHER/locks/meanwhile"
    succeeds rm "$D/$OTHER/locks/meanwhile"
}

@test "a bit before the last batch: the node refuses, and names file and offset" {
    local batch at size bit=0
    fell_victim
    # The first batch, one in the middle, the last but one: in the head, and in what it holds.
    for batch in 0 $(( ${#BATCHES[@]} / 2 )) $(( ${#BATCHES[@]} - 2 )); do
        read -r at size <<< "${BATCHES[batch]}"
        for offset in 0 25 $(( size - 9 )); do
            bit=$(( (bit + 3) % 8 ))
            flip "$SEGMENT" $(( at + offset )) "$bit"
            will_not_start "${SEGMENT##*/} is damaged at offset $at:" "move $DATA away"
            flip "$SEGMENT" $(( at + offset )) "$bit"
        done
    done
    kept "$OTHER"
    cluster start "$VICTIM"
    kept 1 2 3
    give_back
}

@test "a bit in the last batch: the node cuts it, and the next leader sends it anew" {
    local last offset
    fell_victim
    for offset in 3 30 45; do
        read -ra last <<< "${BATCHES[-1]}"
        flip "$SEGMENT" $(( last[0] + offset )) 5
        cluster start "$VICTIM"
        like "$(tail -n 20 "$D/.nodes/$VICTIM/log")" \
            "${SEGMENT##*/}: cut an unfinished batch, bytes ${last[0]} to" 'the log'
        like "$(cluster curl "$VICTIM" /status)" '"cut_bytes": [1-9]' 'its status'
        kept 1 2 3
        new_leader
        kept 1 2 3
        wait_until 10 has_all_of "$(cluster leader)"
        cluster kill "$VICTIM"
        mapfile -t BATCHES < <(wal-batches "$SEGMENT")
    done
    cluster start "$VICTIM"
    give_back
}

# The leader is killed, and back before its session ends: what its node holds stays held. The victim
# votes like any other when it has caught up.
new_leader() {
    local old
    old=$(cluster leader)
    wait_until 10 is_free "$DATA/amnesia"
    cluster kill "$old"
    wait_until 10 leads_instead_of "$old"
    cluster start "$old"
}

leads_instead_of() { # NODE
    local leader
    leader=$(cluster leader) && [[ $leader != "$1" ]]
}

@test "a bit in identity: the node refuses" {
    local line at
    fell_victim
    for line in '# whose' 'format' 'node'; do
        at=$(grep -b -o "^$line" "$DATA/identity" | cut -d : -f 1)
        flip "$DATA/identity" $(( at + 2 )) 1
        will_not_start "$DATA/identity is damaged"
        flip "$DATA/identity" $(( at + 2 )) 1
    done
    at=$(grep -b -o '^format ' "$DATA/identity" | cut -d : -f 1)
    flip "$DATA/identity" $(( at + 7 )) 1
    will_not_start 'of format 0'
    flip "$DATA/identity" $(( at + 7 )) 1
    at=$(grep -b -o '^node ' "$DATA/identity" | cut -d : -f 1)
    flip "$DATA/identity" $(( at + 5 )) 3 # another node's, by its digit
    will_not_start "$DATA/identity is damaged"
    flip "$DATA/identity" $(( at + 5 )) 3
    cluster start "$VICTIM"
    kept 1 2 3
    give_back
}

@test "a segment that was cut short or is missing: the node refuses" {
    fell_victim
    cp "$SEGMENT" "$BATS_TEST_TMPDIR/segment"
    truncate -s 100000 "$SEGMENT"
    will_not_start "${SEGMENT##*/} is not a file of 16777216 bytes"
    rm "$SEGMENT"
    will_not_start 'a part of the log was removed'
    cp "$BATS_TEST_TMPDIR/segment" "$SEGMENT"
    cluster start "$VICTIM"
    kept 1 2 3
    give_back
}

@test "a bit in the last batch: the leader that had its acknowledgement sends it anew" {
    fell_victim
    read -ra last <<< "${BATCHES[-1]}"
    flip "$SEGMENT" $(( last[0] + 30 ))
    cluster start "$VICTIM"
    wait_until 10 has_all_of "$(cluster leader)"
    give_back
}

@test "its data moved away, as the message says, while the others run: it gets everything anew" {
    fell_victim
    flip "$SEGMENT" 50
    will_not_start "move $DATA away"
    mv "$DATA" "$BATS_TEST_TMPDIR/away"
    cluster start "$VICTIM"
    wait_until 10 has_all_of "$(cluster leader)"
    kept 1 2 3
    give_back
}

@test "a bit in identity's mark: the node refuses, and its log is as it was" {
    local at sum
    fell_victim
    sum=$(md5sum < "$SEGMENT")
    at=$(grep -b -o '^mark ' "$DATA/identity" | cut -d : -f 1)
    flip "$DATA/identity" $(( at + 7 )) 0
    try "$CLUSTER" start "$VICTIM" --dir "$D"
    cluster kill "$VICTIM"
    is "$(md5sum < "$SEGMENT")" "$sum" 'the log'
    (( status != 0 )) || fail 'it has started'
}
