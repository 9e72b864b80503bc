#!/usr/bin/env bats
# Values under faults, judged by a checker that knows nothing but what readers and writers asked and
# were told (tests/chaos/cache/run says more); nodes that contend for one name; and the checker
# itself, judged by histories written by hand, by all orders of small ones, and by a directory that
# is no coherent cache. One of its rules is broken now and then where nodes contend, by what
# docs/semantics.md names among the limits of cache/.

load helper
load chaos

export CHAOS=$ROOT/tests/chaos/cache

@test "the checker rejects each bad history, by the rules that its first line names" {
    rejects_bad_histories
}

@test "the checker accepts each good history" {
    accepts_good_histories
}

@test "the checker finds each stale read in a run on a directory that is one, and no other" {
    local recorded
    succeeds "$CHAOS/run" --plain one --seconds 3 --keep
    like "$output" 'no violation' 'the verdict'
    recorded=$ROOT/$(sed -n 's/^recorded: \([^,]*\),.*/\1/p' <<< "$output")
    succeeds "$CHAOS/prove" "$recorded"
    rm -r -- "${recorded%/history}"
}

@test "the checker rejects a directory that lags behind" {
    local recorded
    try "$CHAOS/run" --plain lagging --seconds 3
    is "$status" 1 'the verdict'
    is "$(rules_named)" linearizable 'the rules that are violated'
    recorded=$ROOT/$(sed -n 's/^recorded: \([^,]*\),.*/\1/p' <<< "$output")
    rm -r -- "${recorded%/history}"
}

@test "three nodes, 24 processes, 200 names: kills, cuts and pauses, and no processor to spare" {
    chaos run --load 3
}

@test "two nodes write one name in a loop, four append to one log, all read" {
    chaos_but 'appended' contend
}
