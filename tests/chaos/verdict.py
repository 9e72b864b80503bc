"""What programs that judge histories have in common: what they are called with, and what they say."""

import sys

import history as histories

SHOWN = 5  # violations of each rule


def arguments(usage):
    """The paths of the history."""
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        print(usage)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    return sys.argv[1:]


def read(paths, history=None):
    try:
        return histories.read(paths, history)
    except (OSError, histories.Malformed) as error:
        print("cannot read the history: %s" % error)
        sys.exit(2)


def judge(rules, *material):
    """Shows what the rules find, and gives how much that is."""
    count = 0
    for rule in rules:
        found = list(rule(*material))
        count += len(found)
        for sentence in found[:SHOWN]:
            print("VIOLATION of %s: %s" % (rule.__name__, sentence))
        if len(found) > SHOWN:
            print("... and %d more of %s" % (len(found) - SHOWN, rule.__name__))
    return count


def end(summary, count):
    print("%s: %s" % (summary, "%d violations" % count if count else "no violation"))
    sys.exit(1 if count else 0)
