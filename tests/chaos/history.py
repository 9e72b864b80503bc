"""The history of a run: what the clients asked and were told, and what was done to the nodes.

A line is a time in seconds (CLOCK_MONOTONIC, one for all processes of the machine), who, and words:

    TIME run nodes=3 session=5 timeout=5     the settings, once
    TIME c7@2 take NAME HOW MODE [wait=S] [ttl=S]    client 7, on node 2, begins a call
    TIME c7@2 ok|no|maybe|lost [WORDS]       the call has ended: done; certainly not done; nobody
                                             knows; nor here, but the hold is lost. A call that
                                             has no such line may have happened
    TIME nemesis kill|pause|cut|start|resume|heal NODE    is about to be done to the node
    TIME nemesis well NODE                   the node has served again since all that
    TIME run healed bound=S                  from here on nothing is done to anybody

The calls of a client, one at a time; HOW is lockfile, flock or http, MODE exclusive or shared:

    take NAME HOW MODE     ok [TOKEN] | no held
    write NAME CONTENT     into the lock it took last: ok | no not-held
    drop NAME unlock|close|delete   gives back the lock it took last: ok | no free|not-held
    remove NAME            unlink: ok | no free|busy
    token NAME             ok TOKEN | no free
    cat NAME               ok CONTENT (- when empty) | no free
    get NAME               over HTTP: ok TOKEN MODE CONTENT | no free
    see NAME               ok | no free
    list                   ok NAME...
    session                the session that the node believes it has: ok ID, 0 for none

Empty lines and lines that begin with # say nothing. The calls of producers and consumers of queues
are told in queues/rules.py, those of readers and writers of values in cache/rules.py; there are nemesis crash NODE, of a consumer on it, and node 0, which is
the store behind all nodes.
"""

import math
import os

NEVER = math.inf
LOOKS = {"token", "cat", "get", "see"}


class Malformed(Exception):
    """A line that is not as above."""


class Call:
    """A call of a client, with the moments between which it happened, if it did."""

    def __init__(self, begin, who, words):
        self.begin = begin
        self.end = NEVER
        self.who = who
        self.node = int(who.split("@")[1])
        self.kind = words[0]
        self.name = words[1] if len(words) > 1 else None
        self.words = words[2:]
        self.outcome = "maybe"
        self.result = []

    def option(self, name):
        for word in self.words:
            if word.startswith(name + "="):
                return float(word[len(name) + 1:])
        return 0.0

    def __str__(self):
        asked = " ".join(word for word in [self.kind, self.name, *self.words] if word)
        return "%s %s -> %s (%.6f to %.6f)" % (
            self.who, asked, " ".join([self.outcome, *self.result]), self.begin, self.end)


class History:
    def __init__(self):
        self.calls = []
        self.deeds = []  # (time, verb, node) of the nemesis
        self.settings = {"nodes": 3.0, "session": 5.0, "timeout": 5.0}
        self.healed = None
        self.bound = 0.0
        self.under_way = {}

    def add(self, line):
        words = line.split()
        if not words or words[0].startswith("#"):
            return
        try:
            self.add_words(float(words[0]), words[1], words[2:])
        except (ValueError, IndexError) as error:
            raise Malformed("%r: %s" % (line.strip(), error)) from None

    def add_words(self, time, who, words):
        if who == "run":
            self.add_settings(time, words)
        elif who == "nemesis":
            self.deeds.append((time, words[0], int(words[1])))
        elif words[0] in ("ok", "no", "maybe", "lost"):
            call = self.under_way.pop(who, None)
            if call is None:
                raise ValueError("no call of %s is under way" % who)
            call.end, call.outcome, call.result = time, words[0], words[1:]
        else:
            if who in self.under_way:
                raise ValueError("%s is in a call already" % who)
            self.under_way[who] = call = Call(time, who, words)
            self.calls.append(call)

    def add_settings(self, time, words):
        if words[0] == "healed":
            self.healed = time
        for word in words:
            key, _, value = word.partition("=")
            if key == "bound":
                self.bound = float(value)
            elif value:
                self.settings[key] = float(value)


def files_of(paths):
    for path in paths:
        if os.path.isdir(path):
            yield from sorted(os.path.join(path, name) for name in os.listdir(path))
        else:
            yield path


def read(paths, history=None):
    """One history from files and directories of files."""
    history = history or History()
    for path in files_of(paths):
        with open(path) as file:
            for line in file:
                if line.endswith("\n"):  # else its writer was killed in the middle
                    history.add(line)
    history.calls.sort(key=lambda call: call.begin)
    history.deeds.sort()
    return history
