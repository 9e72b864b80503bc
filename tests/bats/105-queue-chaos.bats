#!/usr/bin/env bats
# Queues with many producers and consumers: in peace, judged by what the workers have done; and
# under faults, judged by a checker that knows nothing but what producers and consumers asked and
# were told (tests/chaos/queues/run says more). The checker itself is judged by histories written
# by hand.

load helper
load chaos

export CHAOS=$ROOT/tests/chaos/queues

@test "a worker loop in bash on each of three nodes: each of 1,000 messages is done exactly once" {
    local i
    cluster_up
    touch "$A/queues/jobs"
    for i in 1 2 3; do
        # A line written by one write(2) to a file opened to append is not torn.
        # shellcheck disable=SC2016
        background "worker$i" bash -c 'while msg=$(cat "$1"); do echo "$msg" >> "$2"; done' \
            _ "$D/$i/queues/jobs" "$BATS_TEST_TMPDIR/done"
    done
    for i in 1 2; do background "producer$i" queue-produce "$D/$i/queues/jobs" "$i" 500; done
    for i in 1 2; do
        finish "producer$i"
        is "$status" 0 "the status of producer $i"
    done
    wait_until 60 has_lines "$BATS_TEST_TMPDIR/done" 1000
    wait_until 10 rm "$A/queues/jobs" # refused while one is not acknowledged; it ends the loops
    for i in 1 2 3; do finish "worker$i"; done
    is "$(wc -l < "$BATS_TEST_TMPDIR/done")" 1000 'messages done'
    is "$(sort "$BATS_TEST_TMPDIR/done" | uniq -d)" '' 'those that were done twice'
    is "$(sort "$BATS_TEST_TMPDIR/done")" "$(for i in {1..500}; do
        printf '%s\n' "1.$i" "2.$i"
    done | sort)" 'what was done'
    cluster_down
}

@test "the checker rejects each bad history, by the rules that its first line names" {
    rejects_bad_histories
}

@test "the checker accepts each good history" {
    accepts_good_histories
}

@test "8 producers, 8 consumers: kills of daemons and consumers, and cuts" {
    chaos run
}
