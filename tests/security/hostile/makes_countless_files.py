"""Makes empty files until there is no room for another, and folders within folders deeper than any path is long."""

from prelude import attempt, os, report_and_serve


def files(folder):
    os.mkdir(f"{folder}/many")
    for number in range(1_000_000):
        open(f"{folder}/many/{number}", "w").close()
    return "a million"


def deep():
    os.chdir("/work")
    for _ in range(20_000):
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
    return "endless"


attempt("countless files", files, "/work")
attempt("depth", deep)
os.chdir("/")
report_and_serve()
