"""The processes that use a cache under test, and where they do."""

import os
import re
import shutil
import tempfile
import threading
import time

from cluster import ROOT, Cluster, Failed
from driver import Process, Processes

WORKER = os.path.join(ROOT, "build", "release", "tests", "cache_worker")
DIRECTORIES = ["d0", "d1", "d2", "d3"]
LEASE = 1.0  # seconds; the default of cache_lease_ms
HOLD = 0.1  # that of trunc_hold
END_BOUND = 30.0  # until all have ended, once nothing is wrong
LAG = 0.05  # seconds between the copies that lag behind


class Coordfs(Cluster):
    """A real one."""
    inodes = 1

    def cache(self, node):
        return os.path.join(self.directory, str(node), "cache")


class Plain:
    """Stands for a cluster to prove the run itself: one directory of a tmpfs for all nodes, or, for
    the last one, a copy of it that lags behind, and so is no coherent cache."""

    def __init__(self, directory, nodes, lags):
        self.directory, self.nodes = directory, nodes
        self.inodes = 0 if lags else 1
        self.over = threading.Event()
        self.copier = threading.Thread(target=self.copy_on) if lags else None

    def cache(self, node):
        return os.path.join(self.directory,
                            "copy" if self.copier and node == self.nodes else "one")

    def up(self):
        for node in range(1, self.nodes + 1):
            os.makedirs(self.cache(node), exist_ok=True)
        if self.copier:
            self.copier.start()

    def __call__(self, verb):
        assert verb == "down"
        self.over.set()
        if self.copier:
            self.copier.join()
        shutil.rmtree(self.directory)

    def copy_on(self):
        copied = {}
        while not self.over.wait(LAG):
            for name in DIRECTORIES:
                source, target = (os.path.join(self.cache(node), name) for node in (1, self.nodes))
                if os.path.isdir(source) and os.path.isdir(target):
                    self.copy(source, target, copied)

    @staticmethod
    def copy(source, target, copied):
        for entry in os.scandir(source):
            try:
                if not entry.name.startswith("k") or copied.get(entry.path) == entry.inode():
                    continue
                shutil.copyfile(entry.path, target + "/.copy")
                os.rename(target + "/.copy", os.path.join(target, entry.name))
                copied[entry.path] = entry.inode()
            except FileNotFoundError:
                pass

    def check_alive(self):
        pass

    def bad_words(self):
        pass


def make_cluster(directory, args):
    """What the arguments `plain` and `options` say, not yet up."""
    if args.plain:
        place = tempfile.mkdtemp(prefix="chaos-cache.", dir="/dev/shm")
        return Plain(place, args.nodes, args.plain == "lagging")
    return Coordfs(os.path.join(directory, "c"), args, args.options)


class Worker(Process):
    done = re.compile(rb"^\S+ \S+ (?:ok|saw)", re.MULTILINE)

    def __init__(self, what, who, node, history, cache, *more):
        super().__init__(who, node, history, [
            WORKER, what, "%s@%d" % (who, node), cache, os.path.join(history, who), *more])


    def where(self):
        """Its last words, and where the kernel has it."""
        try:
            with open(self.path, "rb") as file:
                last = file.read().splitlines()[-1:]
            with open("/proc/%d/stack" % self.process.pid) as file:
                return "%s\n%s" % (b"".join(last).decode(), file.read())
        except OSError as error:
            return str(error)


class Wrote(Worker):
    """Of one that writes only what is written counts: what is read may be covered by a lease."""
    done = Process.done


class Workers(Processes):
    def __init__(self, cluster, history, args, keys):
        super().__init__(cluster, history, args)
        self.keys = keys
        self.origin = time.monotonic()
        self.workers = []

    def all(self):
        return self.workers

    def prepare(self):
        """Directories that one node makes are there on all."""
        for name in DIRECTORIES:
            for node in self.nodes:
                path = os.path.join(self.cluster.cache(node), name)
                if not os.path.isdir(path) and (node == 1 or not isinstance(self.cluster, Coordfs)):
                    os.mkdir(path)
                if not os.path.isdir(path):
                    raise Failed("node %d does not see cache/%s, which node 1 has made" % (
                        node, name))

    def start(self, node, weights, pause, kind=Wrote):
        number = len(self.workers) + 1
        self.workers.append(kind(
            "work", "w%d" % number, node, self.history, self.cluster.cache(node),
            self.args.seed + number, self.origin, self.keys, pause, weights))

    def await_all(self, end, bound):
        """Until then; nobody may stand still for `bound` seconds."""
        for worker in self.workers:
            worker.moved = time.monotonic()
        while time.monotonic() < end:
            self.look()
            for worker in self.workers:
                if time.monotonic() - worker.moved > bound:
                    raise Failed("%s has not got on for %g s: %s" % (
                        worker.who, bound, worker.where()))
            time.sleep(0.1)

    def await_ends(self):
        self.await_(lambda: all(worker.process.poll() == 0 for worker in self.workers),
                    "the end of all workers", END_BOUND)

    def stop(self):
        for worker in self.workers:
            worker.process.terminate()
        self.await_ends()

    def look_at_all(self):
        """On each node a process reads every name that there has been."""
        for node in self.nodes:
            self.workers.append(Worker(
                "final", "f%d" % node, node, self.history, self.cluster.cache(node),
                self.args.seed, self.origin, self.keys))
        self.await_ends()
        self.record_logs()

    def record_logs(self):
        with open(os.path.join(self.history, "logs"), "w") as file:
            for name in sorted(os.listdir(self.cluster.cache(1))):
                if not name.startswith("log."):
                    continue
                texts = [self.read(node, name) for node in self.nodes]
                if texts.count(texts[0]) != len(texts):
                    raise Failed("%s is not the same on all nodes" % name)
                print("%.6f log %s" % (time.monotonic(), name), *map(
                    ".".join, map(str.split, texts[0].splitlines())), file=file)

    def read(self, node, name):
        if isinstance(self.cluster, Plain):
            node = 1  # what is copied are values
        with open(os.path.join(self.cluster.cache(node), name)) as file:
            return file.read()
