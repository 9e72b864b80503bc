#!/usr/bin/env bats
# What a node costs that has nothing to do. Not for builds with sanitizers.

load helper

setup_file() { cluster_up; }

# Clock ticks of processor time that a process has used, user and system.
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; } # PID

@test "an idle node takes less than 0.5% of a core and 20 MiB of memory" {
    local i pid window_s=10 hz
    local -a before=()
    hz=$(getconf CLK_TCK)
    for i in 1 2 3; do before[i]=$(ticks "$(cluster pid "$i")"); done
    sleep "$window_s" # the measurement itself, nothing is waited for
    for i in 1 2 3; do
        pid=$(cluster pid "$i")
        local used=$(( $(ticks "$pid") - before[i] ))
        local rss_kib
        rss_kib=$(awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status")
        printf '# node %s: %s ticks of %s in %s s, %s KiB\n' "$i" "$used" "$hz" "$window_s" \
            "$rss_kib" >&3
        between 0 "$rss_kib" 20480 "the resident memory of node $i in KiB"
        # 0.5% of ten seconds are five hundredths; a tick more is the rounding.
        between 0 "$used" $(( hz * window_s / 200 + 1 )) "the ticks that node $i used"
    done
}
