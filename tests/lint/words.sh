#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Words that mean unfinished work, and paths that only one machine has.

cd "$(dirname "$0")/../.." || exit 1
found=$(git ls-files --cached --others --exclude-standard -z -- . ':!LICENSE' ':!tests/lint/words.sh' ':!*.sum' |
        xargs -0 grep -nIE \
                -e '\b(TODO|FIXME|XXX)\b' \
                -e '(^|[^A-Za-z0-9_.])/(root|work)/' \
                -e '\b(issue|pull request|PR) ?#?[0-9]+' \
                2>/dev/null)
[ -z "$found" ] && exit 0
printf '%s\n' "$found"
exit 1
