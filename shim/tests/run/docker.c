// Starts a program under Docker's default seccomp profile, of a container without capabilities of its own on amd64:
// what is not allowed fails with EPERM. CALLS names what is allowed whatever its arguments are (docker-calls.txt, out
// of profiles/seccomp/default.json of moby 20.10); the rules with arguments are here.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, field)}
#define RETURN(what) {BPF_RET | BPF_K, 0, 0, what}
#define EQUALS(value, otherwise) {BPF_JMP | BPF_JEQ | BPF_K, 0, otherwise, value}
#define REFUSE(error) RETURN(SECCOMP_RET_ERRNO | (error))
#define ALLOW(call) EQUALS(call, 1), RETURN(SECCOMP_RET_ALLOW),
#define NAMESPACES 0x7e020000  // CLONE_NEW*, but for CLONE_NEWTIME

int main(int count, char **words) {
    struct sock_filter steps[] = {
        // Of another architecture no number is any of these.
        LOAD(arch), EQUALS(AUDIT_ARCH_X86_64, 1), LOAD(nr),
        // A call that does not exist, so that C libraries take clone.
        EQUALS(435, 1), REFUSE(ENOSYS),
        // clone without a namespace.
        EQUALS(SYS_clone, 4), LOAD(args[0]), {BPF_JMP | BPF_JSET | BPF_K, 1, 0, NAMESPACES},
        RETURN(SECCOMP_RET_ALLOW), REFUSE(EPERM),
        // The usual personalities.
        EQUALS(SYS_personality, 12), LOAD(args[0]), ALLOW(0) ALLOW(8) ALLOW(0x20000) ALLOW(0x20008)
        ALLOW(0xffffffff) REFUSE(EPERM),
#include CALLS
        REFUSE(EPERM),
    };
    struct sock_fprog program = {sizeof steps / sizeof *steps, steps};
    if (count < 2 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 99;
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return 99;
    execv(words[1], words + 1);
    perror(words[1]);
    return 99;
}
