/* SPDX-License-Identifier: Apache-2.0
 *
 * Kubeconfig files as trees, and typed reads out of them whose errors name the
 * file and the field. Only config*.c includes this.
 */
#pragma once

#include <yyjson.h>

#include "kube/config.h"

struct config_file {
        struct str path; /* NUL-terminated */
        yyjson_doc *doc;
};

struct config_files {
        struct config_file files[KUBE_CONFIG_FILES_MAX];
        size_t n;
        struct arena *arena; /* of the config under way */
        struct error *err;
};

/* A value in one of the files, and how a message calls it. */
struct config_at {
        struct config_files *files;
        const struct config_file *file;
        yyjson_val *value;
        char path[160]; /* "users[1].user" */
};

int config_out_of_memory(struct config_files *files);

/* "FILE: PATH.KEY: …"; KEY may be NULL. Returns CODE. */
int config_fail(const struct config_at *at, const char *key, int code, const char *format, ...)
        _printf_(4, 5);

/* Takes TEXT in as the next file. */
int config_files_add(struct config_files *files, struct str path, struct str text) _must_check_;
/* Reads it first; *ret_missing is whether there is no such file, which then is no error. */
int config_files_read(struct config_files *files, struct str path, bool *ret_missing) _must_check_;
void config_files_release(struct config_files *files);

/* The first value of a top-level string in any file, or the absent string. */
int config_top_str(struct config_files *files, const char *key, struct str *ret) _must_check_;

/* The member KEY ("cluster") of the entry of that name in LIST ("clusters"), in
 * the first file that has one. WHO asks for it, for the message. */
int config_find(struct config_files *files, const char *list, const char *key, struct str name,
                const char *who, struct config_at *ret) _must_check_;

/* A member. What is absent, null or (for a string) empty gives the absent string, or false. */
int config_str(const struct config_at *at, const char *key, struct str *ret) _must_check_;
int config_bool(const struct config_at *at, const char *key, bool *ret) _must_check_;
/* A file name, made absolute. */
int config_path(const struct config_at *at, const char *key, struct str *ret) _must_check_;
/* A certificate or key in PEM: from KEY-data in base64 or else from the file KEY. */
int config_pem(const struct config_at *at, const char *key, struct str *ret_pem, struct str *ret_file)
        _must_check_;

/* The text of a PEM file. FIELD says who asks for it. */
int config_read_pem(struct arena *a, struct str path, struct str *ret, struct error *err) _must_check_;
