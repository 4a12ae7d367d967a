/* SPDX-License-Identifier: Apache-2.0
 *
 * What it costs to convert an App of about 2 KB, and a list of them: bytes to bytes,
 * without the connection, which costs what it does for a review.
 *
 *      usage: bench_conversion REVIEW
 *
 * The App is the one that the webhook's benchmark has judged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "admission/conversion_review.h"
#include "app_v1alpha2.h"
#include "base/file.h"

#define ROUNDS 20000
#define LIST 500
#define LIST_ROUNDS 40
#define FILE_MAX ((size_t)64 * 1024)

static const struct conversion_kind *const kinds[] = { &app_two_versions };
static struct conversion_review review;
static struct buf request = BUF_INIT(REVIEW_BUF_MAX), reply = BUF_INIT(CONVERSION_REPLY_MAX);

static _Noreturn void die(const char *what)
{
        fprintf(stderr, "bench_conversion: %s\n", what);
        exit(EXIT_FAILURE);
}

static double cpu_usec(void)
{
        struct timespec t;

        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void make_request(const char *version, struct str object, size_t n)
{
        buf_clear(&request);
        buf_printf(&request,
                   "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"ConversionReview\",\"request\":{"
                   "\"uid\":\"u-1\",\"desiredAPIVersion\":\"keelson.dev/%s\",\"objects\":[",
                   version);
        for (size_t i = 0; i < n; i++) {
                if (i)
                        buf_add_char(&request, ',');
                buf_add_str(&request, object);
        }
        buf_add_c(&request, "]}}");
}

static void convert(void)
{
        _cleanup_(buf_release) struct buf body = BUF_INIT(REVIEW_BUF_MAX);
        struct conversion_outcome outcome;

        if (buf_add_str(&body, buf_str(&request)) < 0 ||
            conversion_review_answer(&review, &body, &reply, &outcome) != 200 ||
            !str_eq(outcome.result, STR("converted")))
                die("it was not converted");
}

/* Microseconds for one request. */
static double measure(unsigned rounds)
{
        double began;

        convert();
        began = cpu_usec();
        for (unsigned i = 0; i < rounds; i++)
                convert();
        return (cpu_usec() - began) / rounds;
}

/* The App that was converted last. */
static struct str converted(yyjson_doc **doc)
{
        yyjson_val *found;
        size_t len;
        char *text;

        if (json_parse(buf_str(&reply), doc, NULL) < 0)
                die("the reply is no JSON");
        found = json_get_path(yyjson_doc_get_root(*doc), "/response/convertedObjects/0");
        text = yyjson_val_write(found, 0, &len);
        if (!text)
                die("out of memory");
        return str_n(text, len);
}

int main(int argc, char **argv)
{
        struct buf file = BUF_INIT(FILE_MAX);
        yyjson_doc *asked, *there;
        struct str first, second;
        size_t len;
        char *text;

        if (argc != 2 || file_read(argv[1], &file) < 0 || json_parse(buf_str(&file), &asked, NULL) < 0)
                die("usage: bench_conversion REVIEW");
        text = yyjson_val_write(json_get_path(yyjson_doc_get_root(asked), "/request/object"), 0, &len);
        if (!text)
                die("the review has no object");
        first = str_n(text, len);
        conversion_review_init(&review, kinds, ARRAY_SIZE(kinds));

        make_request("v1alpha2", first, 1);
        printf("figure conversion.from_hub.cpu %.1f us\n", measure(ROUNDS));
        second = converted(&there);
        make_request("v1alpha1", second, 1);
        printf("figure conversion.to_hub.cpu %.1f us\n", measure(ROUNDS));
        make_request("v1alpha1", first, 1);
        printf("figure conversion.same_version.cpu %.1f us\n", measure(ROUNDS));
        make_request("v1alpha2", first, LIST);
        printf("figure conversion.list_%d.cpu %.2f ms\n", LIST, measure(LIST_ROUNDS) / 1e3);
        printf("figure conversion.object_size %zu bytes\n", first.len);

        free(text);
        free((void *)(uintptr_t)second.data);
        yyjson_doc_free(asked);
        yyjson_doc_free(there);
        conversion_review_release(&review);
        buf_release(&file);
        buf_release(&request);
        buf_release(&reply);
        return EXIT_SUCCESS;
}
