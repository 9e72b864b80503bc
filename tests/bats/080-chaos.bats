#!/usr/bin/env bats
# Faults under load, judged by a checker that knows nothing but what clients asked and were told
# (tests/chaos/run says more); and the checker itself, judged by histories written by hand.

load helper

CHAOS=$ROOT/tests/chaos

rules_named() { # prints the rules that $output says are violated
    sed -n 's/^VIOLATION of \([a-z]*\):.*/\1/p' <<< "$output" | sort -u | paste -sd ' '
}

@test "the checker rejects each bad history, by the rules that its first line names" {
    local history
    for history in "$CHAOS"/histories/bad/*.txt; do
        try "$CHAOS/check" "$history"
        is "$status" 1 "the verdict on ${history##*/}"
        is "$(rules_named)" "$(sed -n '1s/^# rejected by: //p' "$history")" \
            "the rules that ${history##*/} violates"
    done
}

@test "the checker accepts each good history" {
    local history
    for history in "$CHAOS"/histories/good/*.txt; do
        succeeds "$CHAOS/check" "$history"
    done
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

# chaos OPTIONS...: its output is shown when it fails, and as it comes in $BATS_TEST_TMPDIR.
chaos() {
    requires root netns
    background chaos "$CHAOS/run" "$@"
    finish chaos 240
    is "$status" 0 'the status; the history and the logs are kept, as said above'
    like "$output" 'no violation' 'the verdict'
    printf '# %s\n' "$(tail -n 1 <<< "$output")" >&3
}

# A run that bats ends has to end what it started.
teardown() {
    local name
    for name in "${!background_pid[@]}"; do
        kill -TERM "${background_pid[$name]}" || true
        wait_until 60 has_ended "${background_pid[$name]}" || true
    done
    common_teardown
}

@test "three nodes, 16 clients: kills, cuts and pauses" {
    chaos --nodes 3 --kills 5 --cuts 4 --pauses 4
}

@test "five nodes, 16 clients: kills, cuts and pauses" {
    chaos --nodes 5 --kills 3 --cuts 3 --pauses 3
}
