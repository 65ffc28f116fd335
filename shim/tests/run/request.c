// Sends GET /WORD to the server; with RACE, while another thread executes the program that it is given; with HIDDEN,
// out of reach of others of its user.
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void *request(void *unused) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    const char *text = "GET /WORD HTTP/1.1\r\n\r\n";
    char answer[99];
    if (connect(s, (struct sockaddr *)&to, sizeof to) == 0 && write(s, text, strlen(text)) > 0)
        (void)!read(s, answer, sizeof answer);
    return unused;
}

int main(int count, char **words) {
#ifdef HIDDEN
    prctl(PR_SET_DUMPABLE, 0);
#endif
#ifdef RACE
    pthread_t thread;
    pthread_create(&thread, NULL, request, NULL);
    if (count > 1) execv(words[1], words + 1);
#else
    (void)count, (void)words;
    request(NULL);
#endif
    return 0;
}
