#!/usr/bin/env bats
# The runner itself: what hangs, crashes or is not there must be counted as a failure.

load helper

# in_runner COMMANDS [ARGUMENTS...]: runs COMMANDS where tests/run is loaded, with a directory of
# their own for tests, and shows the count of failures.
in_runner() {
    mkdir -p "$BATS_TEST_TMPDIR/runner"
    try bash -c '
        source "$1/tests/run"
        tmp=$2
        mkdir -p "$logs"
        eval "$3"
        echo "failed: $failed"' _ "$ROOT" "$BATS_TEST_TMPDIR/runner" "$@"
}

@test "a suite that takes too long is ended with all that it started, and has failed" {
    [[ -c /dev/fuse ]] || skip 'needs /dev/fuse'
    local begin
    # The process outlives its suite, and keeps what that writes to open.
    printf '@test "hangs" {\n    setsid sleep 300 3>&- &\n    echo $! > "%s"\n    sleep 300\n}\n' \
        "$BATS_TEST_TMPDIR/pid" > "$BATS_TEST_TMPDIR/hangs.bats"
    begin=$(now_ms)
    # shellcheck disable=SC2016 # for the other shell
    in_runner 'suites hangs 2 /bin/true "$4"' "$BATS_TEST_TMPDIR/hangs.bats"
    between 0 $(( $(now_ms) - begin )) 30000 'its milliseconds'
    like "$output" 'hangs took longer than 2 s' 'what it says'
    like "$output" 'failed: [1-9]' 'the count'
    wait_until 5 has_ended "$(< "$BATS_TEST_TMPDIR/pid")"
}

@test "a suite that takes too long ends no other beside it" {
    [[ -c /dev/fuse ]] || skip 'needs /dev/fuse'
    printf '@test "hangs" {\n    sleep 300\n}\n' > "$BATS_TEST_TMPDIR/hangs.bats"
    printf '@test "goes on" {\n    wait_until() { until "$@"; do sleep 0.1; done; }\n    %s\n}\n' \
        "wait_until test -e '$BATS_TEST_TMPDIR/over'" > "$BATS_TEST_TMPDIR/beside.bats"
    # shellcheck disable=SC2016
    in_runner 'begin_suites beside 60 /bin/true "$4/beside.bats"
        suites hangs 2 /bin/true "$4/hangs.bats"
        touch "$4/over"
        end_suites beside
        echo "passed: $passed"' "$BATS_TEST_TMPDIR"
    like "$output" 'hangs took longer than 2 s' 'what it says'
    like "$output" $'\nok 1 goes on' 'the other'
    like "$output" $'\npassed: 1\n' 'the count'
}

@test "a suite that ends in time is shown and counted" {
    [[ -c /dev/fuse ]] || skip 'needs /dev/fuse'
    printf '@test "good" {\n    true\n}\n@test "bad" {\n    false\n}\n' \
        > "$BATS_TEST_TMPDIR/mixed.bats"
    # shellcheck disable=SC2016
    in_runner 'suites mixed 60 /bin/true "$4"; echo "passed: $passed"' \
        "$BATS_TEST_TMPDIR/mixed.bats"
    like "$output" $'\nok 1 good.*\nnot ok 2 bad' 'what is shown'
    like "$output" $'\npassed: 1\nfailed: 1$' 'the counts'
}

@test "unit tests of which none is there have failed" {
    in_runner 'unit_tests release no-such-module'
    like "$output" 'failed: 1' 'the count'
}

@test "each unit test is counted, one that crashes too, behind a command that runs it" {
    local tree=$BATS_TEST_TMPDIR/tree name
    mkdir -p "$tree/build/release/tests/unit" "$tree/tests/unit"
    for name in test_good test_bad test_gone; do touch "$tree/tests/unit/$name.c"; done
    printf '#!/bin/sh\necho ok 1 - "$BEHIND"; echo "ok 2 - good too"\n' > "$tree/good"
    printf '#!/bin/sh\necho not ok 1 - bad; exit 1\n' > "$tree/bad"
    printf '#!/bin/sh\necho ok 1 - before; kill -SEGV $$\n' > "$tree/gone"
    for name in good bad gone; do
        install "$tree/$name" "$tree/build/release/tests/unit/test_$name"
    done
    # shellcheck disable=SC2016
    in_runner 'COORDFS_ROOT=$4; unit_tests release . env BEHIND=it; echo "passed: $passed"' "$tree"
    like "$output" 'test_good: 2 passed, 0 failed' 'the good one'
    like "$output" 'test_bad: 0 passed, 1 failed' 'the bad one'
    like "$output" 'test_gone: 1 passed, 1 failed' 'the one that crashes'
    like "$output" $'\npassed: 3\nfailed: 2$' 'the counts'
    is "$(cat "$ROOT"/build/test-logs/release-test_good.log)" $'ok 1 - it\nok 2 - good too' \
        'what the command was for'
    rm "$ROOT"/build/test-logs/release-test_{good,bad,gone}.log
}

@test "what works beside the suites ends with the run" {
    local pid
    # shellcheck disable=SC2016
    in_runner 'timeout -k 10 300 bash -c "sleep 300 & echo \$! > $4; wait" & beside=$!
        until [[ -s $4 ]]; do sleep 0.05; done
        finish' "$BATS_TEST_TMPDIR/pid"
    read -r pid < "$BATS_TEST_TMPDIR/pid"
    wait_until 5 has_ended "$pid"
}

# replays SCRIPT: seed_replays with a simulator that does what SCRIPT says.
replays() {
    local tree=$BATS_TEST_TMPDIR/tree
    mkdir -p "$tree/build/release/tests"
    printf '#!/bin/sh\n%s\n' "$1" > "$tree/build/release/tests/sim"
    chmod +x "$tree/build/release/tests/sim"
    # shellcheck disable=SC2016
    in_runner 'COORDFS_ROOT=$4; if seed_replays; then echo replays; fi' "$tree"
}

@test "a seed replays when both runs succeed, say something, and say the same" {
    replays 'echo the same'
    like "$output" '(^|\n)replays' 'the verdict'
    # shellcheck disable=SC2016
    for script in 'true' 'echo the same; exit 1' 'echo $$'; do
        replays "$script"
        [[ $output != *replays* ]] || fail "this does not replay: $script"
    done
}
