"""A worker that meets parsers of the worst kind: it speaks as `components.corpus.worker` does, and dies as told."""

import json
import os
import sys
import time


def say(message: dict) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


job = json.loads(sys.stdin.read())
say({"shards": 1, "objects": 4 - len(job["done"])})
for number, uri in enumerate(["fine", "killer", "sleeper", "last"]):
    if number in job["done"]:
        continue
    if uri not in job["condemned"]:
        say({"parse": uri})
        if uri == "killer":
            os.abort()
        if uri == "sleeper":
            time.sleep(600)
        say({"done": uri})
    if job["shard"] == 13 and uri == "last":
        sys.exit(3)
    say({"block": number, "condemned": job["condemned"].get(uri, "")})
