/* Sends the line on standard input to a server, prints the answer, and keeps it in answer.txt as well. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sockaddr_in to = {.sin_family = AF_INET};

    if (argc != 3 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: client ADDRESS PORT\n");
        return 2;
    }

    /* 1. Open answer.txt, then ask for a TCP socket. Which numbers do you get? */

    /* 2. Connect to the port argv[2] of `to`. */

    /* 3. Send the line on standard input; print what comes back, up to its end, and write it into answer.txt. */

    /* 4. Give both descriptors back. */
    return 0;
}
