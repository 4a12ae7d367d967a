/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the API server is and who we are to it.
 *
 *      --kubeconfig FILE                      that file alone
 *      KUBECONFIG=a:b                         both, merged: the first file that has a name wins
 *      /var/run/secrets/kubernetes.io/…       the service account of the pod we run in
 *      ~/.kube/config
 *
 * The first of these that there is counts. (Kubernetes docs, "Organizing
 * Cluster Access Using kubeconfig Files" and "Accessing the API from a Pod".)
 *
 * Only what the chosen context uses is looked at closely, so that a broken
 * entry for another cluster is in nobody's way. Relative paths in a file start
 * at that file's folder.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"

#define KUBE_CONFIG_FILES_MAX 32
#define KUBE_CONFIG_FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define KUBE_CONFIG_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define KUBE_TOKEN_BYTES_MAX ((size_t)64 * 1024)
#define KUBE_EXEC_ARGS_MAX 256

struct kube_exec_env {
        struct str name, value;
};

/* A program that prints credentials (client.authentication.k8s.io/v1). All
 * strings are NUL-terminated. */
struct kube_exec {
        struct str api_version;
        struct str command; /* a path, or a name to look for in PATH */
        struct str *args;
        size_t n_args;
        struct kube_exec_env *env; /* beside our own environment */
        size_t n_env;
        struct str install_hint;     /* for when the command is missing */
        struct str interactive_mode; /* "Never", "IfAvailable", "Always" */
        bool provide_cluster_info;
};

/* Absent strings were not given. All of it lives in the arena. */
struct kube_config {
        struct arena arena;
        struct str source;    /* for messages: the file, or "in-cluster" */
        struct str context;   /* the chosen one; absent in-cluster */
        struct str server;    /* "https://10.0.0.1:6443", without a slash at its end */
        struct str namespace; /* of the context or the service account; "default" if neither says */
        struct str ca_pem, client_cert_pem, client_key_pem;
        /* Where the PEM texts came from, if from files: those may change under us. */
        struct str ca_file, client_cert_file, client_key_file;
        struct str tls_server_name;
        struct str proxy;
        bool insecure_skip_verify;
        struct str exec_config; /* JSON for an exec plugin, out of the cluster's extensions */
        struct str token;       /* a fixed one */
        struct str token_file;  /* or one that is read again now and then */
        struct kube_exec *exec; /* or a program that gives one; else NULL */
        bool in_cluster;
};

/* What decides where the settings come from. */
struct kube_config_sources {
        struct str path;                /* --kubeconfig */
        struct str context;             /* --context; absent: the file's current-context */
        struct str kubeconfig;          /* $KUBECONFIG */
        struct str home;                /* $HOME */
        struct str service_host;        /* $KUBERNETES_SERVICE_HOST */
        struct str service_port;        /* $KUBERNETES_SERVICE_PORT */
        struct str service_account_dir; /* token, ca.crt, namespace */
};

/* From the process's environment. PATH may be absent. On failure *err has one
 * line that names the file, the field and what to do: -ENOENT (no settings
 * anywhere, or a file that must be there is not), -EINVAL, -ENOMEM, or what
 * reading a file gave. */
int kube_config_load(struct str path, struct kube_config *ret, struct error *err) _must_check_;

/* The same from sources that the caller names. */
int kube_config_load_from(const struct kube_config_sources *sources, struct kube_config *ret,
                          struct error *err) _must_check_;

/* One kubeconfig as text; FILE is its name, for messages and for relative paths. */
int kube_config_parse(struct str text, struct str file, struct kube_config *ret, struct error *err)
        _must_check_;

/* Reads a token out of a file, without the white space around it, into the
 * arena. -EINVAL if it is empty or could not stand in a header. */
int kube_token_read(struct str file, struct arena *a, struct str *ret, struct error *err) _must_check_;

/* Whether it can be one: it goes into a header, so nothing in it may end that. */
bool kube_token_is_valid(struct str token);

void kube_config_release(struct kube_config *c);
