// Tries to look into its parent, the shim; prints what it got.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    const char *names[] = {"mem", "maps", "environ", "exe", "auxv", "task", "fd", "map_files"};
    char path[64], link[64];
    int shim = getppid();
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof path, "/proc/%d/%s", shim, names[i]);
        char byte;
        int file = open(path, i < 5 ? O_RDONLY : O_RDONLY | O_DIRECTORY);
        if (i < 3 && file >= 0 && pread(file, &byte, 1, 0) == 1) printf("%s can be read\n", names[i]);
        if (i == 3 && (file >= 0 || readlink(path, link, sizeof link) > 0)) printf("exe can be read\n");
        if (i > 5 && file >= 0 && syscall(SYS_getdents64, file, link, 64) > 0) printf("%s can be listed\n", names[i]);
    }
    if (ptrace(PTRACE_SEIZE, shim, 0, 0) == 0) printf("can be traced\n");
    int pidfd = syscall(434, shim, 0);
    if (syscall(438, pidfd, 0, 0) >= 0) printf("descriptors can be taken\n");
    printf("done\n");
    return 0;
}
