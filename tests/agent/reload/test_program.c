/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/reload/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "mounted.h"

/* --- one process --------------------------------------------------------------------- */

#define STAT(pid, name, state, parent, started)                                                              \
        pid " (" name ") " state " " parent " 15 15 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 " started          \
            " 4096 100 18446744073709551615\n"
#define STATUS(name, uid, blocked, ignored, caught)                                                          \
        "Name:\t" name "\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t" uid "\t" uid "\t" uid "\t" uid         \
        "\nGid:\t5\t5\t5\t5\nSigQ:\t0/9\nSigBlk:\t" blocked "\nSigIgn:\t" ignored "\nSigCgt:\t" caught "\n"
#define NONE "0000000000000000"
#define HUP "0000000000000001"
#define OTHERS "fffffffffffffffe"

static const struct {
        const char *stat, *status;
        struct reload_program program;
} processes[] = {
        { STAT("15", "shop", "S", "0", "4711"),
          STATUS("shop", "1001", NONE, NONE, HUP),
          { .pid = 15, .uid = 1001, .started = 4711, .hears = true } },
        { STAT("15", "shop", "S", "0", "4711"),
          STATUS("shop", "1001", NONE, HUP, NONE),
          { .pid = 15, .uid = 1001, .started = 4711, .hears = true } },
        { STAT("15", "shop", "S", "0", "4711"),
          STATUS("shop", "1001", HUP, NONE, NONE),
          { .pid = 15, .uid = 1001, .started = 4711, .hears = true } },
        { STAT("15", "shop", "S", "0", "4711"),
          STATUS("shop", "1001", OTHERS, OTHERS, OTHERS),
          { .pid = 15, .uid = 1001, .started = 4711 } },
        { STAT("22", "a) S 7 (b", "Z", "15", "99"),
          STATUS("a) S 7 (b", "0", NONE, NONE, NONE),
          { .pid = 22, .parent = 15, .started = 99, .ended = true } },
        { STAT("31", "runc:[2:INIT]", "S", "0", "5"),
          STATUS("runc:[2:INIT]", "1001", NONE, NONE, NONE),
          { .pid = 31, .uid = 1001, .started = 5, .beginning = true } },
};

START_TEST(a_process_is_read)
{
        for (size_t i = 0; i < ARRAY_SIZE(processes); i++) {
                const struct reload_program *e = &processes[i].program;
                struct reload_program p;

                ck_assert_int_eq(
                        reload_program_parse(str_c(processes[i].stat), str_c(processes[i].status), &p), 0);
                ck_assert_int_eq(p.pid, e->pid);
                ck_assert_int_eq(p.parent, e->parent);
                ck_assert_uint_eq(p.uid, e->uid);
                ck_assert_uint_eq(p.started, e->started);
                ck_assert_msg(p.ended == e->ended && p.beginning == e->beginning && p.hears == e->hears,
                              "case %zu", i);
        }
}
END_TEST

START_TEST(a_text_that_is_cut_is_refused)
{
        static const char stat[] = STAT("15", "shop", "S", "0", "4711");
        static const char status[] = STATUS("shop", "1001", NONE, NONE, HUP);
        struct reload_program p;

        for (size_t n = 0; n < strlen(stat); n++) {
                int r = reload_program_parse(str_n(stat, n), str_c(status), &p);

                ck_assert_msg(r == -EBADMSG || (r == 0 && n > strlen("15 (shop) S 0")), "%zu", n);
        }
        ck_assert_int_eq(reload_program_parse(str_c(stat), STR("Name:\tshop\n"), &p), -EBADMSG);
        ck_assert_int_eq(reload_program_parse(STR("shop"), str_c(status), &p), -EBADMSG);
}
END_TEST

static void on_hangup(int signum _unused_)
{
}

START_TEST(this_very_process_is_read)
{
        struct sigaction action = { .sa_handler = on_hangup }, before;
        struct reload_program p;

        ck_assert_int_eq(reload_program_read("/proc", getpid(), &p), 0);
        ck_assert_int_eq(p.pid, getpid());
        ck_assert_int_eq(p.parent, getppid());
        ck_assert_uint_eq(p.uid, getuid());
        ck_assert_int_eq(sigaction(SIGHUP, &action, &before), 0);
        ck_assert_int_eq(reload_program_read("/proc", getpid(), &p), 0);
        ck_assert(p.hears);
        ck_assert_int_eq(sigaction(SIGHUP, &before, NULL), 0);
}
END_TEST

/* Another /proc. */
static void put_process(const struct mounted *proc, const char *pid, const char *stat, const char *status,
                        const char *mountinfo)
{
        char path[256];

        snprintf(path, sizeof(path), "%s/%s", proc->path, pid);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        write_text(path, "stat", stat);
        write_text(path, "status", status);
        if (mountinfo)
                write_text(path, "mountinfo", mountinfo);
}

/* A thread of another /proc. */
static void put_thread(const struct mounted *proc, const char *pid, const char *tid, const char *blocked,
                       const char *wchan)
{
        char path[256], status[512];

        snprintf(path, sizeof(path), "%s/%s/task", proc->path, pid);
        (void)mkdir(path, 0700);
        snprintf(path, sizeof(path), "%s/%s/task/%s", proc->path, pid, tid);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        snprintf(status, sizeof(status), STATUS("x", "1001", "%s", NONE, NONE), blocked);
        write_text(path, "status", status);
        if (wchan)
                write_text(path, "wchan", wchan);
}

static const struct {
        const char *blocked, *wchan, *other_blocked, *other_wchan;
        bool hears;
} threads[] = {
        { NONE, "do_nanosleep", NONE, "ep_poll", false },
        { NONE, NULL, OTHERS, "0", false },
        { NONE, "do_sigtimedwait.isra.0", HUP, "ep_poll", true }, /* sigwait in one of several */
        { NONE, "0", HUP, "0", true },                            /* a kernel that does not tell */
        { NONE, "do_sigtimedwait", NONE, "do_sys_poll", true },   /* no mask shows it */
        { NONE, "ep_poll", NONE, "__do_sys_rt_sigtimedwait", true },
};

START_TEST(a_program_that_waits_for_signals_in_a_thread_hears_them)
{
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                struct reload_program p;
                struct mounted proc;

                mounted_init(&proc);
                put_process(&proc, "15", STAT("15", "x", "S", "0", "5"),
                            STATUS("x", "1001", NONE, NONE, NONE), NULL);
                put_thread(&proc, "15", "15", threads[i].blocked, threads[i].wchan);
                put_thread(&proc, "15", "16", threads[i].other_blocked, threads[i].other_wchan);
                ck_assert_int_eq(reload_program_read(proc.path, 15, &p), 0);
                ck_assert_msg(p.hears == threads[i].hears, "case %zu", i);
                mounted_remove(&proc);
        }
}
END_TEST

/* Another program, since valgrind handles all signals of this one. */
START_TEST(one_that_does_nothing_about_the_signal_does_not_hear_it)
{
        struct reload_program p;
        int pipe[2];
        char byte;
        pid_t pid;

        ck_assert_int_eq(pipe2(pipe, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                signal(SIGHUP, SIG_DFL);
                execlp("sleep", "sleep", "60", NULL);
                _exit(127);
        }
        close(pipe[1]);
        ck_assert_int_eq(read(pipe[0], &byte, 1), 0); /* it is sleep by now */
        close(pipe[0]);
        ck_assert_int_eq(reload_program_read("/proc", pid, &p), 0);
        ck_assert(!p.hears && !p.ended);
        ck_assert_int_eq(p.parent, getpid());
        ck_assert_int_eq(kill(pid, SIGKILL), 0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(one_that_has_ended_is_none)
{
        struct reload_program p;
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert_int_eq(reload_program_read("/proc", pid, &p), -ESRCH);
}
END_TEST

/* --- mounts ------------------------------------------------------------------------------ */

#define ROOT "20 1 0:30 / / rw,relatime - overlay overlay rw\n"
#define VOLUMES "/var/lib/kubelet/pods/6a-1/volumes/"
#define MAP(root, point)                                                                                     \
        "31 20 254:1 " VOLUMES "kubernetes.io~configmap/" root " " point " ro - ext4 /dev/vda rw\n"
#define TMPFS(device, point) "32 20 " device " / " point " ro - tmpfs tmpfs rw\n"
#define MINE ROOT MAP("config-0", "/config/0") TMPFS("0:41", "/config/1")

static const struct {
        const char *theirs;
        bool shared;
} mounts[] = {
        { ROOT MAP("config-0", "/etc/shop") TMPFS("0:41", "/etc/keys"), true },
        { TMPFS("0:41", "/a") ROOT TMPFS("0:50", "/run") MAP("config-0", "/b/c"), true },
        { ROOT MAP("config-0", "/etc/shop"), false },
        { ROOT MAP("config-1", "/etc/shop") TMPFS("0:41", "/etc/keys"), false },
        { ROOT MAP("config-0", "/etc/shop") TMPFS("0:42", "/etc/keys"), false },
        { ROOT MAP("config-01", "/etc/shop") TMPFS("0:41", "/etc/keys"), false },
        { "", false },
};

START_TEST(folders_are_the_same_wherever_they_are_mounted)
{
        static const struct str folders[] = { STR_INIT("/config/0"), STR_INIT("/config/1") };
        static const struct str absent[] = { STR_INIT("/config/2") };

        for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
                ck_assert_msg(reload_shares_folders(STR(MINE), str_c(mounts[i].theirs), folders, 2) ==
                                      mounts[i].shared,
                              "case %zu", i);
        ck_assert(!reload_shares_folders(STR(MINE), STR(MINE), absent, 1));
}
END_TEST

/* What lies below a mount cannot be seen. */
START_TEST(of_two_mounts_at_one_point_the_last_counts)
{
        static const struct str folders[] = { STR_INIT("/config/0") };

        ck_assert(reload_shares_folders(STR(MAP("config-0", "/config/0") MAP("config-1", "/config/0")),
                                        STR(MAP("config-1", "/x")), folders, 1));
        ck_assert(!reload_shares_folders(STR(MAP("config-1", "/config/0") MAP("config-0", "/config/0")),
                                         STR(MAP("config-1", "/x")), folders, 1));
}
END_TEST

/* --- all processes --------------------------------------------------------------------------- */

#define THEIRS ROOT MAP("config-0", "/etc/shop") TMPFS("0:41", "/etc/keys")
#define OTHER ROOT TMPFS("0:60", "/data")
#define PROCESS(proc, pid, parent, uid, started, mountinfo)                                                  \
        put_process((proc), pid, STAT(pid, "x", "S", parent, started), STATUS("x", uid, NONE, NONE, HUP),    \
                    (mountinfo))

static void begin_pod(struct mounted *proc)
{
        mounted_init(proc);
        PROCESS(proc, "1", "0", "1001", "10", THEIRS);
        PROCESS(proc, "7", "0", "1001", "20", MINE);
        write_text(proc->path, "uptime", "1 1");
}

static int find(const struct mounted *proc, struct reload_program *ret)
{
        static const struct str folders[] = { STR_INIT("/config/0"), STR_INIT("/config/1") };

        return reload_program_find(proc->path, 7, folders, 2, ret);
}

START_TEST(the_program_is_the_first_process_that_has_the_folders)
{
        struct reload_program p;
        struct mounted proc;

        begin_pod(&proc);
        PROCESS(&proc, "40", "0", "1001", "25", OTHER);   /* another container */
        PROCESS(&proc, "15", "0", "1001", "30", THEIRS);  /* the one */
        PROCESS(&proc, "22", "15", "1001", "31", THEIRS); /* its child */
        PROCESS(&proc, "9", "0", "1001", "99", THEIRS);   /* kubectl exec, later; a small number by chance */
        PROCESS(&proc, "50", "0", "0", "5", THEIRS);      /* another user's */
        ck_assert_int_eq(find(&proc, &p), 0);
        ck_assert_int_eq(p.pid, 15);
        mounted_remove(&proc);
}
END_TEST

START_TEST(nobody_else_is_taken_for_it)
{
        struct reload_program p = { .pid = 77 };
        struct mounted proc;

        begin_pod(&proc);
        PROCESS(&proc, "40", "0", "1001", "25", OTHER);
        PROCESS(&proc, "22", "15", "1001", "31", THEIRS);
        PROCESS(&proc, "50", "0", "0", "5", THEIRS);
        PROCESS(&proc, "51", "0", "1001", "5", NULL); /* ends while it is looked at */
        put_process(&proc, "60", STAT("60", "x", "Z", "0", "5"), STATUS("x", "1001", NONE, NONE, HUP),
                    THEIRS);
        put_process(&proc, "61", STAT("61", "runc:[2:INIT]", "S", "0", "5"),
                    STATUS("runc:[2:INIT]", "1001", NONE, NONE, NONE), THEIRS);
        ck_assert_int_eq(find(&proc, &p), -ESRCH);
        ck_assert_int_eq(p.pid, 77);
        mounted_remove(&proc);
}
END_TEST

START_TEST(a_folder_that_is_no_mount_is_an_error)
{
        static const struct str folders[] = { STR_INIT("/tmp") };
        struct reload_program p;
        struct mounted proc;

        begin_pod(&proc);
        PROCESS(&proc, "15", "0", "1001", "30", THEIRS);
        ck_assert_int_eq(reload_program_find(proc.path, 7, folders, 1, &p), -ENODEV);
        mounted_remove(&proc);
}
END_TEST

static int find_once(void *arg)
{
        struct reload_program p;

        return find(arg, &p);
}

START_TEST(it_survives_the_lack_of_memory)
{
        struct mounted proc;

        begin_pod(&proc);
        PROCESS(&proc, "15", "0", "1001", "30", THEIRS);
        torture(find_once, &proc, 0);
        mounted_remove(&proc);
}
END_TEST

static const TTest *const tests[] = {
        a_process_is_read,
        a_text_that_is_cut_is_refused,
        this_very_process_is_read,
        one_that_does_nothing_about_the_signal_does_not_hear_it,
        a_program_that_waits_for_signals_in_a_thread_hears_them,
        one_that_has_ended_is_none,
        folders_are_the_same_wherever_they_are_mounted,
        of_two_mounts_at_one_point_the_last_counts,
        the_program_is_the_first_process_that_has_the_folders,
        nobody_else_is_taken_for_it,
        a_folder_that_is_no_mount_is_an_error,
        it_survives_the_lack_of_memory,
};
TEST_MAIN("reload/program", tests)
