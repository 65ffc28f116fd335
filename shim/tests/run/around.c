// Ways to connect that the shim would not be asked about; prints the error of each.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say(long result) { printf("%d\n", result < 0 ? errno : 0); }

int main(int count, char **words) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[count - 1]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    say(sendto(s, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&to, sizeof to));
    struct iovec piece = {"x", 1};
    struct msghdr message = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &piece, .msg_iovlen = 1};
    say(sendmsg(s, &message, MSG_FASTOPEN));
    char parameters[120] = {0};
    say(syscall(425, 1, parameters));
    say(syscall(426, 3, 1, 0, 0, NULL, 0));
    struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &allow};
    say(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
    return 0;
}
