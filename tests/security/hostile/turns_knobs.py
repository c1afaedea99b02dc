"""Writes the kernel's settings, and what the sandbox shows of the system."""

from prelude import attempt, call, glob, os, report_and_serve


def write(path):
    with open(path, "r+b", buffering=0) as file:
        content = file.read(64)
        return file.write(content or b"1") and f"wrote {path}"


PATHS = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/ip_nonlocal_bind", "/proc/sys/net/ipv4/tcp_timestamps",
         "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/overcommit_memory",
         "/proc/sys/fs/file-max", "/proc/sysrq-trigger", "/proc/1/oom_score_adj", "/proc/1/uid_map",
         "/proc/1/setgroups", "/etc/hosts", "/etc/resolv.conf", "/etc/passwd", "/bin/sh", "/usr/bin/python3",
         "/lib/ld-linux.so.2", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/cgroup.procs")  # fmt: skip
for path in (*PATHS, *glob.glob("/proc/sys/net/ipv4/conf/eth0/*")[:20]):
    attempt(f"write {path}", write, path)
attempt("oom_score_adj below", lambda: open("/proc/self/oom_score_adj", "wb", buffering=0).write(b"-1000"))
attempt("nice", lambda: os.nice(-5))
attempt("realtime", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)) or "realtime")
attempt("clock", call, "syscall", 227, 0, (b"\0" * 16))
attempt("reboot", call, "reboot", 0x1234567)
attempt("swapon", call, "swapon", b"/work/server.py", 0)
attempt("acct", call, "acct", None)
attempt("init_module", call, "syscall", 175, b"", 0, b"")
attempt("quotactl", call, "syscall", 179, 0, 0, 0, 0)
attempt("kexec", call, "syscall", 246, 0, 0, 0, 0)
report_and_serve()
