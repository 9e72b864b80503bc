#!/usr/bin/env bats
# Faults under load, judged by a checker that knows nothing but what clients asked and were told
# (tests/chaos/run says more); and the checker itself, judged by histories written by hand.

load helper
load chaos

export CHAOS=$ROOT/tests/chaos

@test "the checker rejects each bad history, by the rules that its first line names" {
    rejects_bad_histories
}

@test "the checker accepts each good history" {
    accepts_good_histories
}

@test "the checker takes no nonsense for a history" {
    printf '1.000 c1@1 ok\n' > "$BATS_TEST_TMPDIR/answer-without-question"
    printf 'soon c1@1 take a\n' > "$BATS_TEST_TMPDIR/no-time"
    try "$CHAOS/check" "$BATS_TEST_TMPDIR/answer-without-question"
    is "$status" 2 'the status'
    like "$output" 'no call of c1@1 is under way' 'what it says'
    try "$CHAOS/check" "$BATS_TEST_TMPDIR/no-time"
    is "$status" 2 'the status'
    try "$CHAOS/check" "$BATS_TEST_TMPDIR/nothing-there"
    is "$status" 2 'the status'
}

@test "three nodes, 16 clients: kills, cuts and pauses" {
    chaos run --nodes 3 --kills 5 --cuts 4 --pauses 4
}

@test "five nodes, 16 clients: kills, cuts and pauses" {
    chaos run --nodes 5 --kills 3 --cuts 3 --pauses 3
}
