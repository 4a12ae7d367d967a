/* SPDX-License-Identifier: Apache-2.0 */
#include "object_api.h"

#include <stdio.h>

#define RECORD                                                                                               \
        "{\\\"phase\\\":\\\"Held\\\",\\\"epoch\\\":7,\\\"holder\\\":{\\\"member\\\":2,"                      \
        "\\\"uid\\\":\\\"8f14\\\",\\\"incarnation\\\":\\\"00c0ffee00c0ffee\\\","                             \
        "\\\"address\\\":\\\"10.0.0.3\\\"},\\\"inSync\\\":[0,1,2],\\\"lineage\\\":\\\"abc\\\","              \
        "\\\"position\\\":{\\\"timeline\\\":7,\\\"offset\\\":1},\\\"final\\\":false,"                        \
        "\\\"cause\\\":\\\"None\\\",\\\"lost\\\":0,\\\"request\\\":0,\\\"consent\\\":0}"

struct loop *loop;
struct fake_api api;
struct kube_client *client;
int version, duration = 9;
struct fake_step write_as, read_as;
int transitions;
const char *record, *annotations, *labels, *endpoints, *ports;

static const struct fake_step not_found = {
        .status = 404,
        .body = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"NotFound\",\"code\":404}"
};
const struct fake_step object_conflict = {
        .status = 409,
        .body = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"Conflict\",\"code\":409}"
};
const struct fake_step object_hangs = { .status = 200, .body = "", .end = FAKE_HANG };

static struct fake_step object(bool lease, const char *before, const char *after)
{
        static char out[8][2048]; /* answers are sent later */
        static unsigned next;
        char *to = out[next++ % ARRAY_SIZE(out)];

        if (lease)
                snprintf(
                        to, sizeof(out[0]),
                        "%s{\"kind\":\"Lease\",\"metadata\":{\"name\":\"shop\",\"resourceVersion\":\"%d\","
                        "\"labels\":{\"of\":\"us\"},\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Redis\","
                        "\"name\":\"shop\",\"uid\":\"u\",\"controller\":true,\"blockOwnerDeletion\":true}],"
                        "\"annotations\":{\"" FAILOVER_ANNOTATION "\":\"%s\"}},"
                        "\"spec\":{\"holderIdentity\":\"2/8f14/00c0ffee00c0ffee\",\"leaseTransitions\":%d,"
                        "\"leaseDurationSeconds\":%d}}%s",
                        before, version, record ? record : RECORD, transitions, duration, after);
        else
                snprintf(to, sizeof(out[0]),
                         "{\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"shop-primary\","
                         "\"resourceVersion\":\"%d\",\"annotations\":%s,\"labels\":%s},\"endpoints\":%s,"
                         "\"ports\":%s}",
                         version, annotations, labels, endpoints, ports);
        return (struct fake_step){ .body = to };
}

static struct fake_step watched(const char *asked)
{
        if (strstr(asked, "sendInitialEvents")) /* a server that does not know them */
                return (struct fake_step){ .status = 400, .body = "{\"kind\":\"Status\",\"code\":400}" };
        if (strstr(asked, "watch=true"))
                return object_hangs;
        if (!version)
                return (struct fake_step){
                        .body = "{\"kind\":\"LeaseList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[]}"
                };
        return object(true, "{\"kind\":\"LeaseList\",\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[",
                      "]}");
}

static struct fake_step respond(const char *asked)
{
        if (strstr(asked, "fieldSelector="))
                return watched(asked);
        if (strncmp(asked, "GET ", 4) != 0) {
                struct fake_step as = write_as;

                write_as = (struct fake_step){ 0 };
                if (as.status)
                        return as;
                version++;
        } else if (read_as.status) {
                return read_as;
        } else if (!version) {
                return not_found;
        }
        return object(strstr(asked, "/leases") != NULL, "", "");
}

void object_open(int at)
{
        version = at;
        write_as = read_as = (struct fake_step){ 0 };
        record = NULL;
        transitions = 7;
        annotations = "{}";
        labels = "{\"kubernetes.io/service-name\":\"shop\"}";
        endpoints = "[]";
        ports = "[{\"name\":\"redis\",\"port\":6379}]";
        ck_assert_int_eq(loop_new(&loop), 0);
        fake_api_start(&api, loop);
        api.respond = respond;
        client = fake_api_client(&api, NULL);
}

void object_close(void)
{
        kube_client_free(client);
        fake_api_stop(&api);
        loop_free(loop);
}

unsigned object_n_asked(const char *head)
{
        unsigned n = 0;

        for (const char *at = api.asked.data; at && (at = strstr(at, head)); at += strlen(head))
                n++;
        return n;
}
