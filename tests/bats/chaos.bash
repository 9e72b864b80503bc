# shellcheck shell=bash
# What suites with faults under load share: checkers are judged by histories written by hand, and a
# run that bats ends has to end what it started. $CHAOS is the directory of the run.

rules_named() { # prints the rules that $output says are violated
    sed -n 's/^VIOLATION of \([a-z]*\):.*/\1/p' <<< "$output" | sort -u | paste -sd ' '
}

# The first line of each bad history names the rules by which it has to be rejected.
rejects_bad_histories() {
    local history
    for history in "$CHAOS"/histories/bad/*.txt; do
        try "$CHAOS/check" "$history"
        is "$status" 1 "the verdict on ${history##*/}"
        is "$(rules_named)" "$(sed -n '1s/^# rejected by: //p' "$history")" \
            "the rules that ${history##*/} violates"
    done
}

accepts_good_histories() {
    local history
    for history in "$CHAOS"/histories/good/*.txt; do
        succeeds "$CHAOS/check" "$history"
    done
}

# chaos PROGRAM OPTIONS...: its output is shown when it fails, and as it comes in $BATS_TEST_TMPDIR.
chaos() { chaos_but '' "$@"; }

# chaos_but RULES PROGRAM OPTIONS...: the same, where violations of RULES (a pattern) are known.
chaos_but() {
    requires root netns
    background chaos "$CHAOS/$2" "${@:3}"
    finish chaos 240
    if [[ -n $1 && $status -ne 0 ]]; then
        is "$status" 1 'the status; the history and the logs are kept, as said above'
        like "$(rules_named)" "^($1)( ($1))*\$" 'the rules that are violated'
        rm -rf -- "$(sed -n 's/^recorded: \([^,]*\)\/history,.*/\1/p' <<< "$output")"
    else
        is "$status" 0 'the status; the history and the logs are kept, as said above'
        like "$output" 'no violation' 'the verdict'
    fi
    printf '# %s\n' "$(tail -n 1 <<< "$output")" >&3
}

teardown() {
    local name
    for name in "${!background_pid[@]}"; do
        kill -TERM "${background_pid[$name]}" 2> /dev/null || true
        wait_until 60 has_ended "${background_pid[$name]}" || true
    done
    common_teardown
}
