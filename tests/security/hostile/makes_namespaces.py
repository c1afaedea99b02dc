"""Makes namespaces, mounts and roots of its own, to have privileges there, and joins those of others."""

from prelude import attempt, call, glob, os, report_and_serve

FLAGS = {"user": 0x1000_0000, "net": 0x4000_0000, "mount": 0x2_0000, "pid": 0x2000_0000, "ipc": 0x0800_0000,
         "uts": 0x0400_0000, "cgroup": 0x0200_0000, "time": 0x80}  # fmt: skip
for name, flag in FLAGS.items():
    attempt(f"unshare {name}", call, "unshare", flag)
    if name != "time":
        attempt(f"clone {name}", call, "syscall", 56, flag | 17, 0, 0, 0, 0)
for path in glob.glob("/proc/1/ns/*"):
    attempt(f"setns {path}", lambda path=path: call("setns", os.open(path, os.O_RDONLY), 0))
attempt("mount", call, "mount", b"tmpfs", b"/tmp", b"tmpfs", 0, None)
attempt("remount", call, "mount", None, b"/usr", None, 32 | 4096, None)
attempt("umount", call, "umount2", b"/work", 2)
attempt("chroot", call, "chroot", b"/tmp")
attempt("pivot_root", call, "syscall", 155, b"/tmp", b"/tmp")
attempt("fsopen", call, "syscall", 430, b"tmpfs", 0)
attempt("open_tree", call, "syscall", 428, -100, b"/", 1)
attempt("mount_setattr", call, "syscall", 442, -100, b"/usr", 0, b"\0" * 32, 32)
attempt("sethostname", call, "sethostname", b"mine", 4)
attempt("setuid", lambda: os.setuid(0) or "root")
attempt("setgroups", lambda: os.setgroups([0]) or "groups")
attempt("su", lambda: os.system("su -c true 2>&1; exit 0") and "ran")
report_and_serve()
