"""What the runs under faults have in common: processes that write a history, what is done to the
nodes meanwhile, and what is kept when something was wrong."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from cluster import ROOT, UNDO, Failed

PROGRESS_BOUND = 30.0  # until those who can get on do, in seconds
END_BOUND = 10.0  # until who was told to end has


class Process:
    """One that writes a history, and how far it is."""
    done = re.compile(rb"^\S+ \S+ ok", re.MULTILINE)  # of the history: calls that have succeeded

    def __init__(self, who, node, history, command):
        self.who = "%s@%d" % (who, node)
        self.node = node
        self.path = os.path.join(history, who)
        self.offset = 0
        self.moved = time.monotonic()  # when it last got on
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True, start_new_session=True)

    def count(self, text):
        """How many calls the new part of the history says have succeeded."""
        return len(self.done.findall(text))

    def look(self):
        """The calls that have succeeded since the last look."""
        if not os.path.exists(self.path):
            return 0
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            new = file.read()
        new = new[:new.rfind(b"\n") + 1]
        self.offset += len(new)
        count = self.count(new)
        if count:
            self.moved = time.monotonic()
        return count

    def check(self):
        if self.process.poll() not in (None, 0):
            raise Failed("%s: %s" % (self.who, self.process.stderr.read().strip()))

    def ends(self, seconds):
        """Whether it does."""
        try:
            self.process.wait(max(seconds, 0.1))
        except subprocess.TimeoutExpired:
            return False
        if not self.process.stderr.closed:
            self.process.stderr.close()
        return True


class Processes:
    """All of them, and how far they are on each node."""

    def __init__(self, cluster, history, args):
        self.cluster, self.history, self.args = cluster, history, args
        self.nodes = list(range(1, args.nodes + 1))
        self.done = {node: 0 for node in self.nodes}  # successful calls

    def all(self):
        raise NotImplementedError

    def look(self):
        for process in self.all():
            self.done[process.node] += process.look()
            process.check()
        self.cluster.check_alive()

    def await_(self, condition, what, bound=PROGRESS_BOUND):
        end = time.monotonic() + bound
        while True:
            self.look()
            if condition():
                return
            if time.monotonic() > end:
                raise Failed("waited %g s in vain: %s" % (bound, what))
            time.sleep(0.05)

    def await_time(self, end):
        self.await_(lambda: time.monotonic() >= end, "time passes",
                    max(0, end - time.monotonic()) + 1)

    def has_no_work(self, _node):
        return False

    def await_calls(self, nodes, count, what):
        """Until `count` more calls have succeeded on each of the nodes that have work."""
        before = dict(self.done)
        self.await_(lambda: all(self.done[node] - before[node] >= count or self.has_no_work(node)
                                for node in nodes), what)

    def end(self):
        """Who does not even end when it is killed hangs in the kernel, for which is another to
        blame: perhaps it ends with the mounts."""
        for process in self.all():
            if process.process.poll() is None:
                process.process.terminate()
        end = time.monotonic() + END_BOUND
        for process in self.all():
            if not process.ends(end - time.monotonic()):
                process.process.kill()
                if not process.ends(1):
                    print("%s, process %d, hangs" % (process.who, process.process.pid))


class Nemesis:
    """Does to nodes what `faults`, a list of verbs, says, in an order that the seed decides."""

    def __init__(self, cluster, processes, history, args, faults, **settings):
        self.cluster, self.processes, self.args = cluster, processes, args
        self.random = random.Random(args.seed)
        self.file = open(os.path.join(history, "nemesis"), "w", buffering=1)
        self.left = list(faults)
        self.random.shuffle(self.left)
        self.all = len(self.left)
        self.say("run", "nodes=%d session=%g timeout=%g" % (
            args.nodes, args.session, args.session), *map("%s=%g".__mod__, settings.items()))

    def say(self, who, *words):
        print("%.6f %s %s" % (time.monotonic(), who, " ".join(map(str, words))), file=self.file)

    def tell(self, *words):
        print("%3d of %d: %s" % (self.all - len(self.left), self.all, " ".join(map(str, words))),
              flush=True)

    def special(self):
        """The node that is the most interesting to do something to; None: none is."""
        return None

    def take_victims(self, verb):
        """Nodes to do it to: mostly one, often the special one. It is one fault for each."""
        nodes = self.processes.nodes
        count = self.random.choices([1, 2, 3], [80, 12, 8])[0]
        chosen = self.random.sample(nodes, min(count, 1 + self.left.count(verb), len(nodes)))
        if len(chosen) == 1 and self.random.random() < 0.5:
            chosen = [self.special() or chosen[0]]
        for _ in chosen[1:]:
            self.left.remove(verb)
        return chosen

    def least(self):
        """How long a fault lasts at least: now and then past a session's end."""
        long = self.random.random() < 0.4
        return self.args.session * self.random.uniform(1.05, 1.4) + 0.5 if long else 0

    def last(self, others):
        """How long it lasts: while those who can go on do some work, and some time."""
        begin = time.monotonic()
        least = self.least()
        if len(others) > len(self.processes.nodes) // 2:
            self.processes.await_calls(others, self.random.randrange(20, 80),
                                       "nodes %s get on without the others" % others)
        elif not least:
            least = self.random.uniform(0.2, 1.5)
        self.processes.await_time(begin + least)

    def trouble_nodes(self, verb):
        nodes = self.take_victims(verb)
        self.tell(verb, *nodes)
        for node in nodes:
            self.say("nemesis", verb, node)
        if verb == "kill":
            self.cluster.down.update(nodes)
        self.cluster(verb, *nodes)
        self.last([node for node in self.processes.nodes if node not in nodes])
        for node in nodes:
            self.say("nemesis", UNDO[verb], node)
        self.cluster(UNDO[verb], *nodes)
        self.cluster.down.difference_update(nodes)
        self.processes.await_calls(nodes, 1, "nodes %s serve again" % nodes)
        for node in nodes:
            self.say("nemesis", "well", node)

    def fault(self):
        self.trouble(self.left.pop())
        self.processes.await_calls(self.processes.nodes, self.random.choice([3, 10, 40]),
                                   "all nodes get on after all is well again")

    def trouble(self, verb):
        self.trouble_nodes(verb)


def check(here, history):
    """What the checker in the directory `here` says: 0 if nothing is wrong."""
    return subprocess.run([os.path.join(here, "check"), history]).returncode


def judged(here, history, processes, body):
    """The status of a run: of what body() does, and then of the checker."""
    status = 0
    try:
        body()
    except (Failed, OSError) as error:
        print("FAILED: %s" % error)
        status = 1
    finally:
        processes.end()
    return check(here, history) or status


def keep(directory, args, what):
    """What is needed to look further: a path from the root of the tree."""
    kept = os.path.join(ROOT, "build", what, "seed-%d" % args.seed)
    shutil.rmtree(kept, ignore_errors=True)
    os.makedirs(kept)
    shutil.copytree(os.path.join(directory, "history"), os.path.join(kept, "history"))
    for node in range(1, args.nodes + 1):
        log = os.path.join(directory, "c", ".nodes", str(node), "log")
        if os.path.exists(log):
            shutil.copy(log, os.path.join(kept, "log-%d" % node))
    return os.path.relpath(kept, ROOT)


def options(args):
    """Those that make such a run again."""
    words = []
    for name, value in vars(args).items():
        if name == "keep" or value is None or value is False or value == "":
            continue
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(str(value))
    return " ".join(words)


def signals(action):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, action)


class Load:
    """Processes that do nothing but keep the processors busy, `count` of them: what is ready to run
    then runs late, and meets what it never meets on an idle machine."""

    def __init__(self, count):
        self.processes = [subprocess.Popen(["sh", "-c", "while :; do :; done"])
                          for _ in range(count)]

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()


def drive(what, program, args, run):
    """Calls run(directory), which gives the status, with an empty directory, and run.down() in the
    end. Keeps what was recorded when the status is not 0, and ends with it."""
    signals(lambda *_: sys.exit(1))
    directory = tempfile.mkdtemp(prefix=what + ".")
    load = Load(getattr(args, "load", 0))
    status = 1
    try:
        print("seed %d" % args.seed, flush=True)
        os.mkdir(os.path.join(directory, "history"))
        status = run(directory)
    finally:
        try:
            if status or args.keep:
                report(keep(directory, args, what), program, args)
        finally:  # also when nobody reads any more what is printed
            signals(signal.SIG_IGN)
            load.end()
            run.down()
            shutil.rmtree(directory)
    sys.exit(status)


def report(kept, program, args):
    print("recorded: %s/history, logs beside it\nonce more:  %s/check %s/history\n"
          "such a run: %s %s" % (kept, os.path.dirname(program), kept, program, options(args)))
