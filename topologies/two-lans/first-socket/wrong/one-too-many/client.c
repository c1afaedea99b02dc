/* Sends the line on standard input to a server, prints the answer, and keeps it in answer.txt as well. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char *what) {
    perror(what);
    exit(1);
}

int main(int argc, char **argv) {
    char line[4096];
    struct sockaddr_in to = {.sin_family = AF_INET};

    if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: client ADDRESS PORT\n");
        return 2;
    }
    to.sin_port = htons(atoi(argv[2]));
    int answer = open("answer.txt", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (answer < 0) fail("open");
    int spare = socket(AF_INET, SOCK_STREAM, 0), server = socket(AF_INET, SOCK_STREAM, 0);
    if (spare < 0 || server < 0) fail("socket");
    if (connect(server, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");

    ssize_t length = read(0, line, sizeof line);
    for (ssize_t sent = 0, now; sent < length; sent += now)
        if ((now = send(server, line + sent, length - sent, 0)) < 0) fail("send");
    while ((length = recv(server, line, sizeof line, 0)) > 0)
        if (write(1, line, length) != length || write(answer, line, length) != length) fail("write");
    if (length < 0) fail("recv");
    close(server);
    close(spare);
    close(answer);
    return 0;
}
