/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <errno.h>

#include "json/read.h"

static const struct kube_kind pod = {
        .version = STR_INIT("v1"), .plural = STR_INIT("pods"), .kind = STR_INIT("Pod"), .namespaced = true
};

struct loop *loop;
struct fake_api fake;
struct kube_client *client;
struct reflector reflector;
struct buf heard;
static const char *until; /* what the test waits for */
int fail_objects;
int fail_list_ends;
const char *stop_at;
bool start_again;
const char *listener_user;

static void stop_if(struct reflector *r, struct str name)
{
        if (!stop_at || !str_eq_c(name, stop_at))
                return;
        stop_at = NULL;
        reflector_stop(r);
        buf_add_c(&heard, "stop ");
        if (start_again)
                ck_assert_int_eq(reflector_start(r), 0);
}

static void on_list_begin(struct reflector *r _unused_, void *arg _unused_)
{
        buf_add_c(&heard, "begin ");
}

static int on_object(struct reflector *r, enum reflector_event event, yyjson_val *object, void *arg _unused_)
{
        static const char *const names[] = { "LISTED", "ADDED", "MODIFIED", "DELETED" };
        struct str name = json_get_str(yyjson_obj_get(object, "metadata"), "name");

        if (fail_objects > 0) {
                fail_objects--;
                buf_add_c(&heard, "failed ");
                return -ENOMEM;
        }
        buf_printf(&heard, "%s:%.*s ", names[event], STR_FMT(name));
        stop_if(r, name);
        return 0;
}

static void on_set_back(struct reflector *r, void *arg _unused_)
{
        buf_add_c(&heard, "back ");
        stop_if(r, STR("back"));
}

static int on_list_end(struct reflector *r, struct str version, void *arg _unused_)
{
        if (fail_list_ends > 0) {
                fail_list_ends--;
                buf_add_c(&heard, "failed-end ");
                return -EIO;
        }
        buf_printf(&heard, "end:%.*s ", STR_FMT(version));
        stop_if(r, STR("end"));
        return 0;
}

static void on_state(struct reflector *r _unused_, enum reflector_state state, const struct error *err,
                     void *arg _unused_)
{
        if (state == REFLECTOR_SYNCED)
                buf_add_c(&heard, "synced ");
        else
                buf_printf(&heard, "failing(%s) ", err->message);
}

static bool was_heard(void *arg _unused_)
{
        return heard.data && strstr(heard.data, until) != NULL;
}

void wait_for(const char *text)
{
        until = text;
        fake_api_wait(&fake, was_heard, NULL);
}

static bool was_asked(void *arg)
{
        size_t lines = 0;

        for (size_t i = 0; i < fake.asked.len; i++)
                lines += fake.asked.data[i] == '\n';
        return lines >= *(size_t *)arg;
}

void wait_for_requests(size_t n)
{
        fake_api_wait(&fake, was_asked, &n);
}

void time_is_up(void)
{
        struct loop_timer *timer = &reflector.timer;

        ck_assert_int_eq(loop_timer_set(loop, timer, loop_now(loop), timer->fn, timer->arg), 0);
        ck_assert_int_eq(loop_turn(loop, 0), 0);
}

void open_listener(const struct reflector_config *config)
{
        struct reflector_handlers handlers = { on_list_begin, on_object, on_list_end,
                                               on_set_back,   on_state,  NULL };

        buf_init(&heard, 64 * 1024);
        ck_assert_ptr_nonnull(buf_reserve(&heard, 32 * 1024));
        buf_add_c(&heard, "");
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&fake, loop);
        client = fake_api_client(&fake, listener_user);
        reflector_init(&reflector, client, config, &handlers);
        reflector.config.kind = &pod;
        reflector.config.seed = 7;
}

void start(void)
{
        ck_assert_int_eq(reflector_start(&reflector), 0);
}

void close_listener(void)
{
        reflector_release(&reflector);
        kube_client_free(client);
        fake_api_stop(&fake);
        loop_free(loop);
        buf_release(&heard);
}

void will(int status, const char *body, enum fake_end end)
{
        fake_api_will(&fake, (struct fake_step){ .status = status, .body = body, .end = end });
}

void check_asked(const char *expected)
{
        struct buf plain = BUF_INIT(64 * 1024);
        const char *at = fake.asked.data, *cut;

        while ((cut = strstr(at, "&timeoutSeconds="))) {
                long seconds = strtol(cut + strlen("&timeoutSeconds="), NULL, 10);

                ck_assert_int_ge(seconds, 300);
                ck_assert_int_le(seconds, 600);
                buf_add(&plain, at, (size_t)(cut - at));
                at = cut + strlen("&timeoutSeconds=300");
        }
        buf_add_c(&plain, at);
        ck_assert_str_eq(plain.data, expected);
        buf_release(&plain);
}
