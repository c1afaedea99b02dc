"""Never serves; a grandchild that has left its session would answer the client, and write its report, later on."""

import time

from prelude import os, serve

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        time.sleep(30)
        serve()
    os._exit(0)
print("daemon is out", flush=True)
time.sleep(3600)
