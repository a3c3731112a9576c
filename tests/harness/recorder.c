/* What a process and its children do to the files below one directory, in the order in which it happens: `recorder TRACE DIRECTORY PROGRAM …`.
 *
 * It is asked at every system call that may change a file, whoever makes it: a library in between would not see those that go round the C
 * library. Each is written to the trace once it has succeeded, and before whoever made it goes on. A sync says how many records ago
 * it began: it covers those before, and no later ones. What is not understood is recorded as such, for the reader to refuse.
 *
 * SIGTERM kills the program as SIGKILL would, but between two system calls, so that what is on record is what was done. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4096, PATH = 4096 };

struct thread {
    pid_t tid;
    int busy;             /* in a call that is to be recorded */
    int was_there;        /* the file that it opens was there before */
    uint64_t call, arg[6];
    long begun;           /* how many records there were when it began */
    char path[PATH], to[PATH];
};

static struct thread threads[THREADS];
static const char *root;
static int trace;
static long records;
static int busy, dying;
static pid_t program;

static void fail(const char *what) {
    perror(what);
    if (program > 0) kill(program, SIGKILL);
    exit(111);
}

/* === What is recorded === */

static void record(const char *line, const char *bytes, size_t count) {
    struct iovec parts[] = {{(char *)line, strlen(line)}, {(char *)bytes, count}};
    if (writev(trace, parts, 2) != (ssize_t)(parts[0].iov_len + count)) fail("the trace");
    records++;
}

/* What is left of `path` below the root; without it, nothing. */
static const char *below(const char *path) {
    size_t length = strlen(root);
    if (strncmp(path, root, length) || (path[length] && path[length] != '/')) return NULL;
    return path[length] ? path + length + 1 : path + length;
}

static int of_descriptor(pid_t tid, int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, fd == AT_FDCWD ? "/proc/%d/cwd" : "/proc/%d/fd/%d", tid, fd);
    ssize_t length = readlink(link, path, PATH - 1);
    path[length < 0 ? 0 : length] = 0;
    return length > 0 && below(path);
}

static unsigned long inode(pid_t tid, int fd) {
    char link[64];
    struct stat is;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", tid, fd);
    if (stat(link, &is)) fail("a file that is open");
    return is.st_ino;
}

static unsigned long inode_at(const char *path) {
    struct stat is;
    if (lstat(path, &is)) fail(path);
    return is.st_ino;
}

/* Where the next write of a descriptor would go. */
static long long position(pid_t tid, int fd) {
    char info[64];
    long long at = -1;
    snprintf(info, sizeof info, "/proc/%d/fdinfo/%d", tid, fd);
    FILE *file = fopen(info, "r");
    if (!file || fscanf(file, "pos: %lld", &at) != 1) fail("a position");
    fclose(file);
    return at;
}

static void fetch(pid_t tid, uint64_t from, char *to, size_t count) {
    struct iovec mine = {to, count}, theirs = {(void *)from, count};
    if (process_vm_readv(tid, &mine, 1, &theirs, 1, 0) != (ssize_t)count) fail("the memory of the program");
}

/* A path that it names: from where, and how. */
static int named(pid_t tid, int from, uint64_t at, char *path) {
    char name[PATH];
    for (size_t i = 0; i < PATH; i++) {
        fetch(tid, at + i, name + i, 1);
        if (!name[i]) break;
    }
    if (name[0] == '/') strcpy(path, name);
    else {
        of_descriptor(tid, from, path);
        strncat(path, "/", PATH - 1 - strlen(path));
        strncat(path, name, PATH - 1 - strlen(path));
    }
    return below(path) != NULL;
}

static void wrote(struct thread *t, long long at, long done) {
    char line[96], *bytes = malloc(done ? done : 1);
    snprintf(line, sizeof line, "write %lu %lld %ld\n", inode(t->tid, t->arg[0]), at, done);
    if (t->call == SYS_write || t->call == SYS_pwrite64) fetch(t->tid, t->arg[1], bytes, done);
    else {
        struct iovec part;
        long have = 0;
        for (uint64_t i = 0; have < done; i++) {
            fetch(t->tid, t->arg[1] + i * sizeof part, (char *)&part, sizeof part);
            long count = (long)part.iov_len < done - have ? (long)part.iov_len : done - have;
            fetch(t->tid, (uint64_t)part.iov_base, bytes + have, count);
            have += count;
        }
    }
    record(line, bytes, done);
    free(bytes);
}

static void one(const char *what, unsigned long inode, long long number) {
    char line[96];
    snprintf(line, sizeof line, "%s %lu %lld\n", what, inode, number);
    record(line, "", 0);
}

static void path(const char *what, unsigned long inode, const char *path) {
    char line[PATH + 96];
    snprintf(line, sizeof line, "%s %lu %s\n", what, inode, below(path));
    record(line, "", 0);
}

/* === Which calls === */

#ifndef SYS_open
#define SYS_open -1000
#define SYS_creat -1001
#define SYS_mkdir -1002
#define SYS_rename -1003
#define SYS_unlink -1004
#define SYS_rmdir -1005
#define SYS_link -1006
#define SYS_symlink -1007
#endif

static const int by_descriptor[] = {SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_ftruncate, SYS_fallocate,
                                    SYS_fsync, SYS_fdatasync, SYS_sendfile, SYS_copy_file_range, SYS_splice, SYS_sync_file_range,
                                    SYS_syncfs};
static const int by_path[] = {SYS_open, SYS_openat, SYS_openat2, SYS_creat, SYS_truncate, SYS_mkdir, SYS_mkdirat, SYS_rename,
                              SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_rmdir, SYS_link, SYS_linkat, SYS_symlink,
                              SYS_symlinkat, SYS_mmap};

static void ask_at_them(void) {
    enum { WHOLE = 256 };
    struct sock_filter rules[WHOLE];
    unsigned short n = 0;
#define PUT(...) rules[n++] = (struct sock_filter)__VA_ARGS__
    PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    for (size_t i = 0; i < sizeof by_descriptor / sizeof *by_descriptor; i++) {
        PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, by_descriptor[i], 0, 1));
        PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
    }
    for (size_t i = 0; i < sizeof by_path / sizeof *by_path; i++) {
        PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, by_path[i], 0, 1));
        PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
    }
    /* A program whose memory is for nobody could not be watched by a user without rights: it is told that it is so. */
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3));
    PUT(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)));
    PUT(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_DUMPABLE, 0, 1));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO));
    PUT(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog all = {n, rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all)) fail("the filter");
}

/* Whether a call that begins concerns the directory. */
static int concerns(struct thread *t) {
    uint64_t *a = t->arg;
    switch (t->call) {
    case SYS_open: a[3] = a[2], a[2] = a[1], a[1] = a[0], a[0] = AT_FDCWD, t->call = SYS_openat; /* fall through */
    case SYS_openat:
        if (!(a[2] & (O_CREAT | O_TRUNC)) || !named(t->tid, a[0], a[1], t->path)) return 0;
        struct stat is;
        t->was_there = !lstat(t->path, &is);
        return 1;
    case SYS_mkdir: a[1] = a[0], a[0] = AT_FDCWD, t->call = SYS_mkdirat; /* fall through */
    case SYS_mkdirat: case SYS_unlinkat: return named(t->tid, a[0], a[1], t->path);
    case SYS_unlink: a[1] = a[0], a[0] = AT_FDCWD, a[2] = 0, t->call = SYS_unlinkat; return named(t->tid, a[0], a[1], t->path);
    case SYS_rename: a[3] = a[1], a[1] = a[0], a[0] = a[2] = AT_FDCWD, a[4] = 0, t->call = SYS_renameat2; /* fall through */
    case SYS_renameat: case SYS_renameat2: case SYS_linkat:
        if (t->call == SYS_renameat) a[4] = 0, t->call = SYS_renameat2;
        return named(t->tid, a[0], a[1], t->path) | named(t->tid, a[2], a[3], t->to);
    case SYS_creat: case SYS_truncate: case SYS_rmdir: return named(t->tid, AT_FDCWD, a[0], t->path);
    case SYS_openat2: return named(t->tid, a[0], a[1], t->path);
    case SYS_link: case SYS_symlink: return named(t->tid, AT_FDCWD, a[1], t->path);
    case SYS_symlinkat: return named(t->tid, a[1], a[2], t->path);
    case SYS_mmap:
        return (a[2] & PROT_WRITE) && (a[3] & MAP_TYPE) != MAP_PRIVATE && !(a[3] & MAP_ANONYMOUS) && of_descriptor(t->tid, a[4], t->path);
    case SYS_sendfile: return of_descriptor(t->tid, a[0], t->path);
    case SYS_copy_file_range: case SYS_splice: return of_descriptor(t->tid, a[2], t->path);
    default: return of_descriptor(t->tid, a[0], t->path);
    }
}

/* Puts a call that has succeeded on record. */
static void succeeded(struct thread *t, long long got) {
    uint64_t *a = t->arg;
    pid_t tid = t->tid;
    switch (t->call) {
    case SYS_openat:
        if (!t->was_there) {
            of_descriptor(tid, got, t->path);
            path("file", inode(tid, got), t->path);
        } else if (a[2] & O_TRUNC) one("length", inode(tid, got), 0);
        break;
    case SYS_mkdirat: path("directory", inode_at(t->path), t->path); break;
    case SYS_write: case SYS_writev: wrote(t, position(tid, a[0]) - got, got); break;
    case SYS_pwrite64: case SYS_pwritev: wrote(t, a[3], got); break;
    case SYS_ftruncate: one("length", inode(tid, a[0]), a[1]); break;
    case SYS_fsync: case SYS_fdatasync: one("sync", inode(tid, a[0]), records - t->begun); break;
    case SYS_mmap: path("mapped", inode(tid, a[4]), t->path); break;
    case SYS_unlinkat: path(a[2] ? "other" : "remove", 0, t->path); break;
    case SYS_renameat2:
        if (a[4] || !below(t->path) || !below(t->to)) path("other", t->call, t->path);
        else {
            char line[2 * PATH + 96];
            snprintf(line, sizeof line, "rename 0 %s\t%s\n", below(t->path), below(t->to));
            record(line, "", 0);
        }
        break;
    default: path("other", t->call, t->path);
    }
}

/* === Following it === */

static struct thread *find(pid_t tid) {
    struct thread *free = NULL;
    for (int i = 0; i < THREADS; i++) {
        if (threads[i].tid == tid) return &threads[i];
        if (!threads[i].tid && !free) free = &threads[i];
    }
    if (!free) fail("more threads than there is room for");
    free->busy = 0;
    return free;
}

static void die_if_quiet(void) {
    if (dying && !busy) kill(program, SIGKILL);
}

static void go_on(pid_t tid, int how, int with) {
    /* One that was killed meanwhile is not there any more. */
    if (ptrace(how, tid, 0, with) && errno != ESRCH) fail("going on");
}

static void stopped(pid_t tid, int status) {
    struct thread *t = find(tid);
    int is_new = !t->tid, event = status >> 16, by = WSTOPSIG(status);
    struct __ptrace_syscall_info info;
    t->tid = tid;
    if (event == PTRACE_EVENT_SECCOMP) {
        if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) <= 0) return;
        t->call = info.seccomp.nr;
        for (int i = 0; i < 6; i++) t->arg[i] = info.seccomp.args[i];
        if (!concerns(t)) return go_on(tid, PTRACE_CONT, 0);
        if (dying) return;
        t->begun = records, t->busy = 1, busy++;
        return go_on(tid, PTRACE_SYSCALL, 0);
    }
    if (by == (SIGTRAP | 0x80)) {
        if (t->busy && ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0) {
            if (!info.exit.is_error) succeeded(t, info.exit.rval);
            t->busy = 0, busy--;
        }
        if (dying) return die_if_quiet();
        return go_on(tid, PTRACE_CONT, 0);
    }
    go_on(tid, PTRACE_CONT, event || by == SIGTRAP || (is_new && by == SIGSTOP) ? 0 : by);
}

static void ended(pid_t tid, int status) {
    struct thread *t = find(tid);
    if (t->tid && t->busy) path("other", t->call, t->path), busy--;
    t->tid = 0;
    if (tid != program) return die_if_quiet();
    exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int main(int count, char **words) {
    if (count < 4) return 2;
    root = words[2];
    trace = open(words[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (trace < 0) fail(words[1]);
    program = fork();
    if (program == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) fail("being followed");
        raise(SIGSTOP);
        ask_at_them();
        execvp(words[3], words + 3);
        fail(words[3]);
    }
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGTERM);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    int status;
    if (waitpid(program, &status, 0) != program || !WIFSTOPPED(status)) fail("the program");
    find(program)->tid = program;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACESECCOMP |
                   PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, program, 0, options)) fail("following it");
    go_on(program, PTRACE_CONT, 0);
    for (;;) {
        pid_t tid;
        while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
            if (WIFSTOPPED(status)) stopped(tid, status);
            else ended(tid, status);
        }
        siginfo_t info;
        if (sigwaitinfo(&wanted, &info) == SIGTERM) dying = 1, die_if_quiet();
    }
}
