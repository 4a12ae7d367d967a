/* SPDX-License-Identifier: Apache-2.0 */
#include "http/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG 512 /* the kernel's own bound may be lower */

struct address {
        struct sockaddr_storage storage;
        socklen_t len;
};

static void set_in6(struct address *a, const struct in6_addr *ip, uint16_t port)
{
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = *ip, .sin6_port = htons(port) };

        memcpy(&a->storage, &in6, sizeof(in6));
        a->len = sizeof(in6);
}

static void set_in4(struct address *a, struct in_addr ip, uint16_t port)
{
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = ip, .sin_port = htons(port) };

        memcpy(&a->storage, &in, sizeof(in));
        a->len = sizeof(in);
}

static int parse_host(struct str host, uint16_t port, struct address *ret)
{
        char text[INET6_ADDRSTRLEN] = "";
        bool brackets = str_starts(host, STR("[")) && str_ends(host, STR("]"));
        struct in6_addr ip6;
        struct in_addr ip4;

        if (brackets)
                host = str_n(host.data + 1, host.len - 2);
        if (host.len >= sizeof(text))
                return -EINVAL;
        memcpy(text, host.data, host.len);
        if (brackets) {
                if (inet_pton(AF_INET6, text, &ip6) != 1)
                        return -EINVAL;
                set_in6(ret, &ip6, port);
                return 0;
        }
        if (str_empty(host)) {
                set_in6(ret, &in6addr_any, port);
                return 0;
        }
        if (inet_pton(AF_INET, text, &ip4) != 1)
                return -EINVAL;
        set_in4(ret, ip4, port);
        return 0;
}

static int parse_address(struct str listen, struct address *ret, struct error *err)
{
        struct str host, tail;
        int64_t port = -1;
        size_t colon = listen.len;

        while (colon > 0 && listen.data[colon - 1] != ':')
                colon--;
        if (colon == 0)
                return error_set(err, -EINVAL, "cannot listen on \"%.*s\": want ADDRESS:PORT, such as :8080",
                                 STR_FMT(listen));
        host = str_n(listen.data, colon - 1);
        tail = str_n(listen.data + colon, listen.len - colon);
        if (str_to_int64(tail, &port) < 0 || port < 0 || port > UINT16_MAX)
                return error_set(err, -EINVAL, "cannot listen on \"%.*s\": the port must be from 0 to 65535",
                                 STR_FMT(listen));
        if (parse_host(host, (uint16_t)port, ret) < 0)
                return error_set(err, -EINVAL,
                                 "cannot listen on \"%.*s\": the address must be an IP of this machine, "
                                 "such as 0.0.0.0, or an IPv6 one in brackets, such as [::]",
                                 STR_FMT(listen));
        return 0;
}

int http_check_address(struct str listen, struct error *err)
{
        struct address a;

        return parse_address(listen, &a, err);
}

static int open_socket(const struct address *a)
{
        const int on = 1, off = 0;
        int fd = socket(a->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int r;

        if (fd < 0)
                return -errno;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
            (a->storage.ss_family == AF_INET6 &&
             setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0) ||
            bind(fd, (const void *)&a->storage, a->len) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}

static const char *advice(int code)
{
        switch (code) {
        case -EADDRINUSE:
                return "address in use; choose another port";
        case -EACCES:
                return "ports below 1024 need the capability NET_BIND_SERVICE; choose another port";
        case -EADDRNOTAVAIL:
                return "no such address on this machine; use 0.0.0.0 or [::] for all of them";
        case -EAFNOSUPPORT:
                return "this machine has no IPv6; use 0.0.0.0";
        default:
                return strerror(-code);
        }
}

/* Where the kernel has no IPv6, ":8080" still means every address. */
int http_listen(struct str listen, struct error *err)
{
        struct address a;
        int fd;

        if (parse_address(listen, &a, err) < 0)
                return -EINVAL;
        fd = open_socket(&a);
        if ((fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) && str_starts(listen, STR(":"))) {
                const struct sockaddr_in6 *in6 = (const void *)&a.storage;

                set_in4(&a, (struct in_addr){ htonl(INADDR_ANY) }, ntohs(in6->sin6_port));
                fd = open_socket(&a);
        }
        if (fd < 0)
                return error_set(err, fd, "cannot listen on %.*s: %s", STR_FMT(listen), advice(fd));
        return fd;
}

uint16_t http_port(int fd)
{
        struct sockaddr_storage a;
        socklen_t len = sizeof(a);

        if (getsockname(fd, (void *)&a, &len) < 0)
                return 0;
        if (a.ss_family == AF_INET)
                return ntohs(((const struct sockaddr_in *)(const void *)&a)->sin_port);
        return ntohs(((const struct sockaddr_in6 *)(const void *)&a)->sin6_port);
}
