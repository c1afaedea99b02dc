"""Puts links, pipes and sockets at every name that a grader might write or read, in every place it has."""

from prelude import attempt, call, os, report_and_serve, socket

NAMES = ("manifest.json", "results.json", "steps.json", "report.json", "grade.json", "server.stdout", "server.stderr",
         "client.py", "client.eth0.pcap", "server.eth0.pcap", "plan.json", "state", "steps", "exercise",
         "annotated.pcapng", "core", ".lock", "result.json")  # fmt: skip
os.unlink("/work/server.py")
os.symlink("/etc/passwd", "/work/server.py")
for folder in ("/work", "/tmp", "/dev/shm"):
    for number, name in enumerate(NAMES):
        path = f"{folder}/{name}"
        if number % 3 == 0:
            os.symlink(f"/proc/1/root/{name}", path)
        elif number % 3 == 1:
            os.mkfifo(path)
        else:
            socket.socket(socket.AF_UNIX).bind(path)
for folder in ("/", "/etc", "/usr", "/dev", "/proc", "/run", "/usr/lib", "/..", "/work/.."):
    attempt(f"link in {folder}", lambda folder=folder: os.symlink("/etc/passwd", f"{folder}/results.json") or "made")
    attempt(f"pipe in {folder}", lambda folder=folder: os.mkfifo(f"{folder}/results.fifo") or "made")
for kind, name in ((0o060600, "disk"), (0o020600, "memory")):
    attempt(f"device {name}", lambda k=kind, n=name: os.mknod(f"/tmp/{n}", k, os.makedev(8 if n == "disk" else 1, 1))
            or "made")  # fmt: skip
attempt("mount over /etc", call, "mount", b"/tmp", b"/etc", None, 4096, None)
attempt("hard link", lambda: os.link("/etc/passwd", "/work/passwd") or "made")
report_and_serve()
