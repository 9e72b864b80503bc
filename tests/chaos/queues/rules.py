"""What a history of producers and consumers must not show. The calls, in the words of history.py:

    send NAME     write(2) of the message: ok | no WHY | maybe WHY
    take HOW      the whole message, not yet acknowledged: ok NAME | no WHY | maybe WHY
    done NAME     its acknowledgement, by what took it last: ok | lost WHY | maybe WHY
    drop NAME     broken off on purpose: likewise

A NAME is the producer's, a dot and a number; a message whose bytes are not as sent is taken as
damaged-NAME. The settings have `visibility`, in seconds. Each rule gives sentences, and none when it
is kept."""

from bisect import bisect_right
from itertools import permutations
from operator import attrgetter

from history import NEVER

GRACE = 3.0  # after trouble, until a node has to answer again


class Delivery:
    """A message in the hands of a consumer, and what became of it."""

    def __init__(self, take):
        self.take = take
        self.ends = []  # what was tried to be rid of it: done, drop

    def is_done(self):
        return any(end.kind == "done" and end.outcome == "ok" for end in self.ends)

    def may_be_done(self):
        return any(end.kind == "done" and end.outcome in ("ok", "maybe") for end in self.ends)

    def held_until(self):
        """It was in the consumer's hands at least until then."""
        last = self.ends[-1] if self.ends else None
        return last.begin if last and last.outcome == "ok" else self.take.end

    def __str__(self):
        return "\n  ".join(map(str, [self.take] + self.ends))


class Run:
    """The history, by message."""

    def __init__(self, history, fates):
        self.fates = fates
        self.visibility = history.settings.get("visibility", 30.0)
        self.calls = history.calls
        self.sends = {}  # name -> call
        self.deliveries = {}  # name -> [Delivery], as they were asked for
        self.unknown_takes = []  # a message may have been handed out that nobody saw
        held = {}  # consumer -> Delivery
        for call in history.calls:
            if call.kind == "send":
                self.sends[call.name] = call
            elif call.kind == "take":
                held.pop(call.who, None)
                if call.outcome == "ok":
                    held[call.who] = Delivery(call)
                    self.deliveries.setdefault(call.result[0], []).append(held[call.who])
                elif call.result[:1] != ["end"]:
                    self.unknown_takes.append(call)
            elif call.who in held:
                held[call.who].ends.append(call)
            # Without the store behind all, EIO says only that it did not answer.
            if call.outcome == "lost" and fates.in_trouble(0, call.begin - GRACE, call.end):
                call.outcome = "maybe"

    def in_trouble(self, node, begin, end):
        """Whether the node, the store behind all (0) or a majority was, or had been just before."""
        begin -= GRACE
        return self.fates.in_trouble(node, begin, end) or self.fates.in_trouble(0, begin, end) or \
            self.fates.no_majority(begin, end)


def invented(run):
    """What is taken was sent, as it is."""
    for name, list_ in run.deliveries.items():
        send = run.sends.get(name)
        for delivery in list_:
            if send is None:
                yield "nobody sent this:\n  %s" % delivery.take
            elif send.outcome == "no":
                yield "this was refused, and is there:\n  %s\n  %s" % (send, delivery.take)
            elif delivery.take.end < send.begin:
                yield "taken before it was sent:\n  %s\n  %s" % (delivery.take, send)


def vanished(run):
    """What was answered is taken, until somebody may have acknowledged it."""
    for name, send in run.sends.items():
        list_ = run.deliveries.get(name, [])
        if send.outcome != "ok" or any(delivery.may_be_done() for delivery in list_):
            continue
        told = "".join("\n  %s" % delivery for delivery in list_)
        yield "answered, and %s:\n  %s%s" % (
            "not given out again" if list_ else "never given out", send, told)


def doubled(run):
    """A message is given out again only when its delivery was broken off."""
    for list_ in run.deliveries.values():
        for one, other in permutations(list_, 2):
            held = max(one.take.end, other.take.end) < min(one.held_until(), other.held_until())
            if one.is_done() and (other.is_done() or other.take.begin > one.take.end):
                yield "acknowledged, and given out once more:\n  %s\n  %s" % (one, other)
            elif held and not other.is_done():
                yield "two have it at once:\n  %s\n  %s" % (one, other)


def robbed(run):
    """Nobody loses a delivery while his node is well and the time for it not over."""
    for list_ in run.deliveries.values():
        for delivery in list_:
            before = delivery.take
            for end in delivery.ends:
                lost = end.outcome == "lost" and before.outcome == "ok"
                before = end
                if lost and end.end < delivery.take.begin + run.visibility and \
                        not run.in_trouble(end.node, delivery.take.end, end.end):
                    yield "lost for nothing:\n  %s" % delivery


def overtaken(run):
    """[(message overtaken, its first delivery, the one that was first)], where the one behind was
    sent after the other had been answered."""
    first = {name: list_[0].take for name, list_ in run.deliveries.items() if name in run.sends}
    behind = sorted((run.sends[name] for name in first), key=attrgetter("begin"))
    begins = [send.begin for send in behind]
    earliest, best = [], None  # of the sends from there on, the first to have been taken
    for send in reversed(behind):
        if best is None or first[send.name].end < first[best.name].end:
            best = send
        earliest.append(best)
    earliest.reverse()
    for send in behind:
        at = bisect_right(begins, send.end)
        if send.outcome == "ok" and at < len(behind):
            other = first[earliest[at].name]
            if other.end < first[send.name].begin:
                yield send, first[send.name], other


def match(windows, takes):
    """Which of the windows cannot be given a take of their own that lies in them."""
    taken_by = {}  # number of a take -> number of a window

    def find(at, tried):
        begin, end = windows[at]
        for number, take in enumerate(takes):
            if number not in tried and take.begin <= end and begin <= take.end:
                tried.add(number)
                if number not in taken_by or find(taken_by[number], tried):
                    taken_by[number] = at
                    return True
        return False

    return [at for at in range(len(windows)) if not find(at, set())]


def order(run):
    """First deliveries are in the order of sending. A delivery that nobody saw, because its reader
    or his node was killed meanwhile, explains one message that comes late: it came back. A dead
    reader is served until the end of his session is known."""
    found = list(overtaken(run))
    late = run.fates.session + GRACE
    windows = [(send.begin - late, other.end) for send, _, other in found]
    for at in match(windows, run.unknown_takes):
        yield "overtaken by one sent later:\n  %s\n  %s\n  %s" % (
            found[at][0], found[at][1], found[at][2])


def available(run):
    """Everybody is answered when nothing is wrong, and in time, unless he waits for a message."""
    bound = 2 * run.fates.timeout + GRACE
    for call in run.calls:
        if call.end == NEVER:
            continue
        silent = call.outcome == "maybe" and call.result[:1] == ["ETIMEDOUT"]
        late = call.kind != "take" and call.end - call.begin > bound
        if (silent or late) and not run.in_trouble(
                call.node, min(call.begin, call.end - run.fates.timeout), call.end):
            yield "%s, though nothing was wrong:\n  %s" % (
                "no answer" if silent else "an answer came late", call)


RULES = [invented, vanished, doubled, robbed, order, available]
