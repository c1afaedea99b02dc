"""Written in C, compiled on the spot in the temporary folder."""

import os
import subprocess
import sys

SOURCE = r"""
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 5)) return 1;
    for (;;) {
        char buffer[3];
        ssize_t count;
        int connection = accept(listener, NULL, NULL);
        while ((count = read(connection, buffer, sizeof buffer)) > 0)
            if (write(connection, buffer, count) != count) return 2;
        close(connection);
    }
}
"""
subprocess.run(["cc", "-x", "c", "-o", "/tmp/server", "-"], input=SOURCE.encode(), check=True)
os.execv("/tmp/server", ["server", sys.argv[1]])
