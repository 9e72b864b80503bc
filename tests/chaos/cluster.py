"""A cluster whose nodes are in network namespaces of their own, and what is wrong with it."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLUSTER = os.path.join(ROOT, "mount-scripts", "cluster")
UNDO = {"kill": "start", "pause": "resume", "cut": "heal"}
BAD_WORDS = re.compile("Sanitizer|runtime error:|[Aa]ssertion")


class Failed(Exception):
    """Something went wrong that no checker has to find."""


class Cluster:
    def __init__(self, directory, args, options=""):
        self.directory = directory
        self.args = args
        self.options = options
        self.down = set()

    def __call__(self, verb, *words):
        command = [CLUSTER, verb, "--dir", self.directory, *map(str, words)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed("%s\n%s%s" % (" ".join(command), done.stdout, done.stderr))
        return done.stdout.strip()

    def up(self):
        options = "session=%g,timeout=%g" % (self.args.session, self.args.session)
        more = ["-o", self.options] if self.options else []
        self("up", "--netns", "--nodes", self.args.nodes, "--base-port", 9600, "-o", options, *more)

    def path(self, node, name):
        return os.path.join(self.directory, ".nodes", str(node), name)

    def pid(self, node):
        with open(self.path(node, "pid")) as file:
            return file.read().split()[0]

    def check_alive(self):
        """A daemon that nobody killed and that is gone has crashed."""
        for node in range(1, self.args.nodes + 1):
            if node in self.down:
                continue
            try:
                with open("/proc/%s/stat" % self.pid(node)) as file:
                    if file.read().rsplit(") ", 1)[1][0] not in "ZX":
                        continue
            except OSError:
                pass
            raise Failed("node %d has ended by itself" % node)

    def bad_words(self):
        for node in range(1, self.args.nodes + 1):
            with open(self.path(node, "log"), errors="replace") as log:
                for line in log:
                    if BAD_WORDS.search(line):
                        raise Failed("node %d said: %s" % (node, line.strip()))
