// Starts a program under what Docker's default seccomp profile refuses, of what the shim could use.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE(call) \
    {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, call}, {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM}

int main(int count, char **words) {
    struct sock_filter steps[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
        REFUSE(438),  // pidfd_getfd
        REFUSE(SYS_process_vm_readv),
        REFUSE(SYS_kcmp),
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
    if (count < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 99;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return 99;
    execv(words[1], words + 1);
    perror(words[1]);
    return 99;
}
