"""Whether what was written to a register and read from it has an order that explains it all, when no
value is written twice. Gibbons and Korach (Testing Shared Memories, 1997): each value has a zone,
between the first end of all calls that have to do with it, its write included, and their last
begin. It is forward when that end comes first: all the time in between the value was there. Else it
is backward, and some moment in between is enough. An order exists exactly if no value was read
before its write began, no two forward zones overlap, and no backward zone lies in a forward one.
So of all the reads of a value two are kept, and the rest is sorting."""

from bisect import bisect_left

from history import NEVER


class Value:
    """One value of a register. `begin` and `end` of its write; an end that is NEVER means that it
    may not have been written."""

    def __init__(self, begin, end, write):
        self.begin = begin
        self.write = write
        self.sure = end != NEVER
        self.seen = None  # (end, call) of the read that ended first
        self.first = (end, write)  # of all calls the one that ended first
        self.last = (begin, write)  # and the one that began last
        self.lenient = self.last  # the same, as far as it counts

    def see(self, begin, end, call, lenient=None):
        """A read from `begin` to `end`; `lenient` is an earlier begin that is good enough."""
        if self.seen is None or end < self.seen[0]:
            self.seen = (end, call)
            if end < self.first[0]:
                self.first = self.seen
        if begin > self.last[0]:
            self.last = (begin, call)
        if (begin if lenient is None else lenient) > self.lenient[0]:
            self.lenient = (begin if lenient is None else lenient, call)

    def last_of(self, lenient):
        return (self.lenient if lenient else self.last)[0]

    def __str__(self):
        calls = []
        for call in (self.write, self.first[1], self.last[1]):
            if not any(call is other for other in calls):
                calls.append(call)
        return "\n  ".join(map(str, calls))


def conflicts(values, lenient=False):
    """Pairs of values that no order explains; (value, None): read before it was written."""
    values = [value for value in values if value.sure or value.seen]
    for value in values:
        if value.seen and value.seen[0] < value.begin:
            yield value, None
    zones = [(value.first[0], value.last_of(lenient), value) for value in values]
    forward = sorted((zone for zone in zones if zone[0] < zone[1]), key=lambda zone: zone[:2])
    widest = []  # of the forward zones up to each, the one that ends last
    for zone in forward:
        if widest and zone[0] < widest[-1][1]:
            yield widest[-1][2], zone[2]
        widest.append(max(zone, widest[-1], key=lambda zone: zone[1]) if widest else zone)
    lows = [zone[0] for zone in forward]
    for end, begin, value in zones:
        at = bisect_left(lows, begin) - 1
        if begin <= end and at >= 0 and end < widest[at][1]:
            yield widest[at][2], value
