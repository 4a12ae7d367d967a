/* SPDX-License-Identifier: Apache-2.0 */
#include "node.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/issue.h"

struct loop *loop;
struct node nodes[NODES];
bool nodes_tls;
static int n_nodes;
static char root[] = "/tmp/redis-XXXXXX", program[64], tls[64];

#define USERS                                                                                                \
        "[{\"name\":\"default\",\"passwords\":[\"first\"],\"rules\":\"~* &* +@all\"},"                       \
        "{\"name\":\"replication\",\"passwords\":[\"secret\"],\"rules\":\"+psync +replconf +ping\"}]"

/* --- callbacks ------------------------------------------------------------------- */

static void looked(void *arg, const struct failover_server *server)
{
        struct node *n = arg;

        n->seen = *server;
        n->looks++;
        n->was_without_data |= server->state == FAILOVER_FOLLOWING && !server->has_data;
}

static void canary(void *arg, usec_t began, bool kept)
{
        struct node *n = arg;

        ck_assert_int_le(began, clock_now());
        n->canaries += kept;
}

static void complained(void *arg, const struct error *complaint)
{
        struct node *n = arg;

        n->complaint = *complaint;
        n->complaints++;
}

static void crashed(void *arg, const struct error *how)
{
        struct node *n = arg;

        n->crash = *how;
        n->crashes++;
}

static void volume(void *arg, const struct error *why)
{
        struct node *n = arg;

        n->opened = !why;
        if (why)
                n->unopened = *why;
}

/* --- beginning and end --------------------------------------------------------------- */

static bool is_free(uint16_t port)
{
        struct sockaddr_in a = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_ANY),
                                 .sin_port = htons(port) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool done = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

        close(fd);
        return done;
}

/* It stays free until the server has it: the kernel gives ports from 32768 on to whoever
 * connects to something, a server that is down among them. */
static uint16_t free_port(void)
{
        uint16_t port;

        do {
                ck_assert_int_eq(getrandom(&port, sizeof(port), 0), sizeof(port));
                port = (uint16_t)(10000 + port % 20000);
        } while (!is_free(port));
        return port;
}

void node_configure(struct node *n, const char *config, const char *users)
{
        struct error complaint = ERROR_INIT;
        char json[4096];

        snprintf(json, sizeof(json),
                 "{\"port\":%d,\"tls\":%s,\"minReplicasToWrite\":1,\"config\":%s,\"users\":%s}", n->port,
                 nodes_tls ? "true" : "false", config, users ? users : USERS);
        ck_assert_msg(n->engine->ops->configure(n->engine, str_c(json), &complaint) == 0, "%s: %s",
                      complaint.path, complaint.message);
}

void node_begin(struct node *n, const char *config)
{
        const struct engine_handlers handlers = { .looked = looked,
                                                  .canary = canary,
                                                  .complained = complained,
                                                  .crashed = crashed,
                                                  .volume = volume,
                                                  .arg = n };
        struct engine_config c = { .cluster = "shop",
                                   .member = n->member,
                                   .address = n->address,
                                   .data = n->data,
                                   .run = n->run,
                                   .tls = nodes_tls ? tls : NULL,
                                   .program = program };
        struct error err = ERROR_INIT;

        if (n->engine)
                n->engine->ops->free(n->engine);
        n->engine = NULL;
        n->number = 0;
        n->looks = n->canaries = 0;
        n->opened = false;
        memset(&n->seen, 0, sizeof(n->seen));
        ck_assert_msg(redis_engine_new(loop, &c, &handlers, &n->engine, &err) == 0, "%s", err.message);
        node_configure(n, config, NULL);
}

void node_renew(struct node *n, const char *config)
{
        node_begin(n, config);
        until(n->opened);
}

void nodes_write_tls(const char *file, struct str text)
{
        char path[128], new_path[132];
        FILE *f;

        snprintf(path, sizeof(path), "%s/%s", tls, file);
        snprintf(new_path, sizeof(new_path), "%s.new", path);
        f = fopen(new_path, "w");
        ck_assert_ptr_nonnull(f);
        ck_assert_uint_eq(fwrite(text.data, 1, text.len, f), text.len);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(rename(new_path, path), 0);
}

static void write_certificate(const char *file, const struct certificate *c)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(CERTIFICATE_TEXT_MAX);

        ck_assert_int_eq(certificate_write(c, &text), 0);
        nodes_write_tls(file, buf_str(&text));
}

static void make_tls(void)
{
        const struct str names[] = { STR("*.shop-members.shop.svc") };
        struct certificate_wish wish = { .common_name = STR("shop"),
                                         .not_before = clock_wall() - USEC_HOUR,
                                         .not_after = clock_wall() + USEC_HOUR };
        struct certificate ca = { 0 }, leaf = { 0 };
        struct key ca_key = { 0 }, key = { 0 };
        struct secret pem = { 0 };

        snprintf(tls, sizeof(tls), "%s/tls", root);
        ck_assert_int_eq(mkdir(tls, 0700), 0);
        ck_assert_int_eq(key_make(&ca_key, NULL), 0);
        ck_assert_int_eq(key_make(&key, NULL), 0);
        ck_assert_int_eq(certificate_make_ca(&wish, &ca_key, &ca, NULL), 0);
        wish.names = names;
        wish.n_names = ARRAY_SIZE(names);
        ck_assert_int_eq(certificate_issue(&wish, &key, &ca, &ca_key, &leaf, NULL), 0);
        ck_assert_int_eq(key_write(&key, &pem), 0);
        write_certificate("ca.crt", &ca);
        write_certificate("tls.crt", &leaf);
        nodes_write_tls("tls.key", secret_str(&pem));
        secret_release(&pem);
        certificate_release(&ca);
        certificate_release(&leaf);
        key_release(&ca_key);
        key_release(&key);
}

void nodes_begin(int n, const char *config)
{
        const char *server = getenv("KEELSON_TEST_SERVER");

        ck_assert_ptr_nonnull(mkdtemp(root));
        /* Debian has it in redis-tools under its other name, and without a service. */
        snprintf(program, sizeof(program), "%s/redis-server", root);
        ck_assert_int_eq(symlink(server ? server : REDIS_PROGRAM, program), 0);
        ck_assert_int_eq(loop_new(&loop), 0);
        if (nodes_tls)
                make_tls();
        n_nodes = n;
        for (int i = 0; i < n; i++) {
                struct node *node = &nodes[i];

                *node = (struct node){ .member = i, .port = free_port() };
                snprintf(node->data, sizeof(node->data), "%s/data-%d", root, i);
                snprintf(node->run, sizeof(node->run), "%s/run-%d", root, i);
                snprintf(node->address, sizeof(node->address), "127.0.0.1:%d", node->port);
                ck_assert_int_eq(mkdir(node->data, 0700), 0);
                ck_assert_int_eq(mkdir(node->run, 0700), 0);
                node_renew(node, config);
        }
        for (int i = 0; i < n; i++)
                for (int k = 0; k < n; k++)
                        nodes[i].engine->ops->member_at(nodes[i].engine, k, 100 + (uint64_t)k,
                                                        nodes[k].address);
}

static int remove_one(const char *path, const struct stat *st _unused_, int type _unused_,
                      struct FTW *ftw _unused_)
{
        return remove(path);
}

void nodes_end(void)
{
        for (int i = 0; i < n_nodes; i++)
                if (nodes[i].engine)
                        nodes[i].engine->ops->free(nodes[i].engine);
        loop_free(loop);
        (void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* --- orders --------------------------------------------------------------------------------- */

void node_order(struct node *n, enum failover_order what, const struct node *whom)
{
        struct failover_id id = { .member = whom ? whom->member : 0 };

        if (whom)
                memcpy(id.address, whom->address, sizeof(whom->address));
        n->engine->ops->order(n->engine, what, ++n->number, whom ? &id : NULL, 1);
}

void node_kill(struct node *n)
{
        n->engine->ops->kill(n->engine, ++n->number);
}

void node_remember(struct node *n, uint64_t timeline)
{
        struct failover_copy copy = { .data = FAILOVER_DATA_WARM,
                                      .position = { timeline, n->seen.offset },
                                      .lineage = "ours" };

        n->engine->ops->remember(n->engine, &copy);
}

void node_catch_up(const struct node *n)
{
        usec_t since = clock_now();

        until(n->seen.at > since);
}

bool node_obeyed(const struct node *n, enum failover_server_state state)
{
        return n->seen.order == n->number && n->seen.state == state;
}

void node_make_leader(struct node *n, uint64_t timeline)
{
        node_order(n, FAILOVER_LEAD, n);
        until(node_obeyed(n, FAILOVER_WRITABLE));
        ck_assert(n->seen.has_data);
        node_remember(n, timeline);
}

void node_follow(struct node *n, const struct node *leader, uint64_t timeline)
{
        node_order(n, FAILOVER_FOLLOW, leader);
        until(node_obeyed(n, FAILOVER_FOLLOWING) && n->seen.in_sync);
        ck_assert(n->seen.has_data);
        node_remember(n, timeline);
}

/* --- clients ---------------------------------------------------------------------------------- */

redisContext *node_client(const struct node *n, const char *password)
{
        redisContext *c = redisConnectWithTimeout("127.0.0.1", n->port, (struct timeval){ .tv_sec = 20 });

        ck_assert_msg(c && !c->err, "no connection: %s", c ? c->errstr : "no memory");
        ck_assert_int_eq(redisSetTimeout(c, (struct timeval){ .tv_sec = 20 }), REDIS_OK);
        if (password)
                ck_assert(ask(c, NULL, "AUTH %s", password));
        return c;
}

bool ask(redisContext *c, char reply[256], const char *format, ...)
{
        redisReply *r;
        va_list args;
        bool well;

        va_start(args, format);
        r = redisvCommand(c, format, args);
        va_end(args);
        well = r && r->type != REDIS_REPLY_ERROR;
        if (reply)
                snprintf(reply, 256, "%s", !r ? c->errstr : r->str ? r->str : "");
        if (r && reply && r->type == REDIS_REPLY_ARRAY && r->elements == 2)
                snprintf(reply, 256, "%s", r->element[1]->str);
        if (r)
                freeReplyObject(r);
        return well;
}

long long ask_number(redisContext *c, const char *format, ...)
{
        redisReply *r;
        long long n;
        va_list args;

        va_start(args, format);
        r = redisvCommand(c, format, args);
        va_end(args);
        n = r && r->type == REDIS_REPLY_INTEGER ? r->integer : -1;
        if (r)
                freeReplyObject(r);
        return n;
}

pid_t node_server(const struct node *n)
{
        redisContext *c = node_client(n, "first");
        redisReply *r = redisCommand(c, "INFO server");
        const char *at = r && r->str ? strstr(r->str, "process_id:") : NULL;
        long pid = at ? strtol(at + strlen("process_id:"), NULL, 10) : 0;

        if (r)
                freeReplyObject(r);
        redisFree(c);
        ck_assert_int_gt(pid, 1);
        return (pid_t)pid;
}

/* --- three of them ------------------------------------------------------------------------- */

void node_write_keys(const struct node *n, int count)
{
        redisContext *c = node_client(n, "first");

        for (int i = 0; i < count; i++)
                ck_assert(ask(c, NULL, "SET key-%d value-%d", i, i));
        redisFree(c);
}

long long node_keys(const struct node *n)
{
        redisContext *c = node_client(n, "first");
        long long keys = ask_number(c, "DBSIZE");

        redisFree(c);
        return keys;
}

struct str node_described(struct node *n, const char *key, struct buf *out)
{
        struct str rest, value;

        buf_clear(out);
        ck_assert_int_eq(n->engine->ops->describe(n->engine, out), 0);
        rest = str_c(strstr(out->data, key));
        ck_assert(rest.data);
        rest = str_n(rest.data + strlen(key), rest.len - strlen(key));
        (void)str_cut(rest, ',', &value, &rest);
        return value;
}

/* What a restart is known to bring back. */
bool node_claims(struct node *n, uint64_t offset)
{
        _cleanup_(buf_release) struct buf text = BUF_INIT(65536);
        const char *at;
        long long claimed;

        (void)node_described(n, "\"restartBringsBack\":", &text);
        at = strstr(strstr(text.data, "restartBringsBack"), "\"offset\":");
        claimed = strtoll(at + strlen("\"offset\":"), NULL, 10);
        return claimed >= 0 && (uint64_t)claimed >= offset;
}

void nodes_lead_three(const char *config)
{
        nodes_begin(NODES, config);
        for (int i = 0; i < NODES; i++)
                node_order(&nodes[i], FAILOVER_STAND, NULL);
        for (int i = 0; i < NODES; i++) {
                until(node_obeyed(&nodes[i], FAILOVER_STANDING));
                ck_assert(!nodes[i].seen.has_data);
        }
        node_make_leader(&nodes[0], 1);
        node_follow(&nodes[1], &nodes[0], 1);
        node_follow(&nodes[2], &nodes[0], 1);
        until(nodes[0].seen.online == 0x6);
}

bool node_all_confirmed(const struct node *n)
{
        return (n->seen.online & 0x6) == 0x6 && n->seen.acked[1] >= n->seen.offset &&
               n->seen.acked[2] >= n->seen.offset;
}
