// race WAY TIMES PORT [OTHER]: connects to the port as often as that, while another thread does its best to
// have the shim look at one thing and the kernel do another. Each connection that is made sends a line.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in port, other;
static volatile int over;
// How often the other thread has been round.
static volatile unsigned laps;

// Lets the other thread see what is new.
static void meet(void) {
    for (unsigned then = laps; laps - then < 2 && !over;) sched_yield();
}

static int fresh(void) { return socket(AF_INET, SOCK_STREAM, 0); }

// Sends the line and waits until the server has had enough.
static void talk(int s) {
    char answer[64];
    if (send(s, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) > 0)
        while (read(s, answer, sizeof answer) > 0) continue;
}

// The destination changes between what the shim reads and what the kernel reads; its family too.
static volatile struct sockaddr_in target;

static void *rewrite_it(void *unused) {
    for (; !over; laps++) {
        target.sin_port = laps & 1 ? port.sin_port : other.sin_port;
        target.sin_family = laps & 14 ? AF_INET : AF_UNSPEC;
    }
    return unused;
}

static void rewrite(void) {
    int s = fresh();
    target.sin_addr = port.sin_addr;
    meet();
    if (connect(s, (struct sockaddr *)&target, sizeof target) == 0) talk(s);
    close(s);
}

// The descriptor is one socket and then the other.
static int both[2], moving;

static void *swap_it(void *unused) {
    for (; !over; laps++) dup2(both[laps & 1], moving);
    return unused;
}

static void swap(void) {
    int made[2] = {fresh(), fresh()};
    dup2(made[0], both[0]), dup2(made[1], both[1]);
    meet();
    connect(moving, (struct sockaddr *)&port, sizeof port);
    talk(both[0]), talk(both[1]);
    for (int i = 0; i < 2; i++) shutdown(made[i], SHUT_RDWR), close(made[i]);
}

// Somebody writes to the socket as soon as it takes anything, and before if it can be.
static volatile int open_now = -1;

static void *write_it(void *unused) {
    for (; !over; laps++) {
        int s = open_now;
        if (s >= 0) send(s, "MINE", 4, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    return unused;
}

static void write_first(void) {
    int s = fresh();
    open_now = s;
    meet();
    if (connect(s, (struct sockaddr *)&port, sizeof port) == 0) {
        open_now = -1;
        talk(s);
    }
    open_now = -1;
    close(s);
}

static const struct {
    const char *name;
    void *(*meanwhile)(void *);
    void (*once)(void);
} WAYS[] = {{"rewrite", rewrite_it, rewrite}, {"swap", swap_it, swap}, {"write", write_it, write_first}};

int main(int count, char **words) {
    if (count < 4) return 2;
    alarm(60);
    port.sin_family = AF_INET, port.sin_port = htons(atoi(words[3])), port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    other = port;
    if (count > 4) other.sin_port = htons(atoi(words[4]));
    both[0] = fresh(), both[1] = fresh(), moving = fresh();
    for (size_t i = 0; i < sizeof WAYS / sizeof *WAYS; i++) {
        if (strcmp(words[1], WAYS[i].name) != 0) continue;
        pthread_t thread;
        pthread_create(&thread, NULL, WAYS[i].meanwhile, NULL);
        for (int left = atoi(words[2]); left > 0; left--) WAYS[i].once();
        over = 1;
        pthread_join(thread, NULL);
        return 0;
    }
    return 2;
}
