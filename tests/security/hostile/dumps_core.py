"""Ends with as large a core dump as it can have made, after it has asked for one."""

import resource

from prelude import os

hoard = bytes(200 << 20)
try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print("a core is allowed")
except (OSError, ValueError) as error:
    print("no core:", error, flush=True)
os.abort()
