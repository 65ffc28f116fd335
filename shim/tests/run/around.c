// around WAY PORT: tries to connect to the port in a way that the shim would not be asked about, then sends
// a byte and waits for the end. Prints the error of the attempt, 0 where it succeeds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define X32_BIT 0x40000000
#define IA32_CONNECT 362

static struct sockaddr_in *to;
static int s;

static int error_of(long result) { return result < 0 ? errno : 0; }

static int send_to(void) {
    return error_of(sendto(s, "x", 1, MSG_FASTOPEN, (struct sockaddr *)to, sizeof *to));
}

static struct iovec piece = {"x", 1};

static struct msghdr message(void) {
    return (struct msghdr){.msg_name = to, .msg_namelen = sizeof *to, .msg_iov = &piece, .msg_iovlen = 1};
}

static int send_message(void) {
    struct msghdr one = message();
    return error_of(sendmsg(s, &one, MSG_FASTOPEN));
}

static int send_messages(void) {
    struct mmsghdr both[2] = {{message(), 0}, {message(), 0}};
    return error_of(sendmmsg(s, both, 2, MSG_FASTOPEN));
}

// One entry, IORING_OP_CONNECT, submitted and waited for.
static int ring(void) {
    struct io_uring_params p = {0};
    int ring = syscall(SYS_io_uring_setup, 1, &p);
    if (ring < 0) return errno;
    int how = MAP_SHARED | MAP_POPULATE, may = PROT_READ | PROT_WRITE;
    char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, may, how, ring, IORING_OFF_SQ_RING);
    char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), may, how, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entry = mmap(0, sizeof *entry, may, how, ring, IORING_OFF_SQES);
    *entry = (struct io_uring_sqe){.opcode = IORING_OP_CONNECT, .fd = s, .addr = (size_t)to, .off = sizeof *to};
    *(unsigned *)(sq + p.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) return errno;
    return -((struct io_uring_cqe *)(cq + p.cq_off.cqes))->res;
}

#ifdef __x86_64__
// The call as a 32-bit program makes it: its pointers have 32 bits.
static int interrupt(void) {
    struct sockaddr_in *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    *low = *to;
    long result = IA32_CONNECT;
    __asm__ volatile("int $0x80" : "+a"(result) : "b"((long)s), "c"(low), "d"(sizeof *low) : "memory", "r8", "r9", "r10", "r11");
    return -(int)result;
}
static int x32(void) { return error_of(syscall(X32_BIT | SYS_connect, s, to, sizeof *to)); }
#else
static int interrupt(void) { return ENOSYS; }
static int x32(void) { return ENOSYS; }
#endif

// Whoever is asked first about connect may let it go on.
static int listener(void) {
    struct sock_filter steps[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_connect},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
    int asked = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (asked < 0) return errno;
    if (fork() == 0) {
        struct seccomp_notif notice = {0};
        ioctl(asked, SECCOMP_IOCTL_NOTIF_RECV, &notice);
        struct seccomp_notif_resp answer = {.id = notice.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(asked, SECCOMP_IOCTL_NOTIF_SEND, &answer);
        _exit(0);
    }
    return error_of(connect(s, (struct sockaddr *)to, sizeof *to));
}

static const struct {
    const char *name;
    int (*attempt)(void);
} WAYS[] = {
    {"sendto", send_to}, {"sendmsg", send_message}, {"sendmmsg", send_messages}, {"io_uring", ring},
    {"int80", interrupt}, {"x32", x32}, {"listener", listener},
};

int main(int count, char **words) {
    if (count != 3) return 2;
    alarm(20);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to = &address;
    s = socket(AF_INET, SOCK_STREAM, 0);
    for (size_t i = 0; i < sizeof WAYS / sizeof *WAYS; i++) {
        if (strcmp(words[1], WAYS[i].name) != 0) continue;
        printf("%d\n", WAYS[i].attempt());
        char byte;
        if (send(s, "y\r\n\r\n", 5, MSG_NOSIGNAL) > 0) (void)!read(s, &byte, 1);
        return 0;
    }
    return 2;
}
