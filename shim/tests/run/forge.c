// forge PROGRAM PORT: has the kernel name PROGRAM as the executable of this process (PR_SET_MM_MAP, which root of
// a user namespace may call), then sends a request. Prints the error of the attempt, 0 where it succeeds.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

// The kernel refuses while the old executable is mapped: so a copy of each mapping takes its place.
static void forget_own_file(void) {
    char line[512], self[256] = {0};
    (void)!readlink("/proc/self/exe", self, sizeof self - 1);
    unsigned long starts[16], ends[16];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps) && count < 16)
        if (strstr(line, self) && sscanf(line, "%lx-%lx", &starts[count], &ends[count]) == 2) count++;
    fclose(maps);
    for (int i = 0; i < count; i++) {
        size_t size = ends[i] - starts[i];
        void *copy = mmap(0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        memcpy(copy, (void *)starts[i], size);
        mprotect(copy, size, PROT_READ | PROT_WRITE | PROT_EXEC);
        mremap(copy, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)starts[i]);
    }
}

// The fields of proc_pid_stat(5) from the 26th on.
static int forge(const char *program) {
    unsigned long field[52] = {0};
    char text[2048] = {0};
    int stat = open("/proc/self/stat", O_RDONLY);
    (void)!read(stat, text, sizeof text - 1);
    char *rest = strrchr(text, ')') + 2;
    for (int i = 3; i < 52 && rest; i++, rest = strchr(rest, ' ') ? strchr(rest, ' ') + 1 : NULL) field[i] = strtoul(rest, NULL, 10);
    struct prctl_mm_map map = {
        .start_code = field[26], .end_code = field[27], .start_stack = field[28], .start_data = field[45],
        .end_data = field[46], .start_brk = field[47], .brk = (unsigned long)sbrk(0), .arg_start = field[48],
        .arg_end = field[49], .env_start = field[50], .env_end = field[51], .exe_fd = open(program, O_RDONLY),
    };
    return prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0 ? 0 : errno;
}

int main(int count, char **words) {
    if (count != 3) return 2;
    forget_own_file();
    if (unshare(CLONE_NEWUSER) != 0) return 3;
    printf("%d\n", forge(words[1]));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int s = socket(AF_INET, SOCK_STREAM, 0);
    char byte;
    if (connect(s, (struct sockaddr *)&to, sizeof to) != 0 || send(s, "GET / HTTP/1.1\r\n\r\n", 18, 0) < 0) return 4;
    return read(s, &byte, 1) < 0;
}
