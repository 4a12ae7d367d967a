/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the exec plugin of a kubeconfig: a program that prints credentials. It
 * gets its arguments as a vector, our environment with that of the kubeconfig
 * over it, KUBERNETES_EXEC_INFO, and no terminal.
 *
 *      exec_plugin_start --> done(credential)
 *                        `-> done(NULL, "exec plugin aws exited with 1: no such profile")
 */
#pragma once

#include "kube/exec_credential.h"
#include "loop/child.h"

#define EXEC_PLUGIN_TIMEOUT USEC_MINUTE
/* Of what it writes to its standard error, which goes into the message. */
#define EXEC_PLUGIN_COMPLAINT_MAX ((size_t)400)

/* CREDENTIAL is the callee's, who may release the plugin; NULL: ERR (-ENOKEY)
 * says in one line why there is none. */
typedef void exec_plugin_done_fn(struct exec_credential *credential, const struct error *err, void *arg);

/* Embedded by its owner. */
struct exec_plugin {
        struct loop *loop;
        const struct kube_config *config;
        exec_plugin_done_fn *done;
        void *arg;
        usec_t timeout;      /* may be changed before a start */
        struct child *child; /* while it runs */
        struct buf out, complaint;
};

/* CONFIG, which has an exec, must outlive P. */
void exec_plugin_init(struct exec_plugin *p, struct loop *l, const struct kube_config *config,
                      exec_plugin_done_fn *done, void *arg);
/* Ends the program too. */
void exec_plugin_release(struct exec_plugin *p);

/* 0, or -ENOKEY with why it cannot run; done is not called then. */
int exec_plugin_start(struct exec_plugin *p, struct error *err) _must_check_;

bool exec_plugin_is_running(const struct exec_plugin *p);
