# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs in a pod of the Redis "sessions": writes to the Service of its primary for twelve
# seconds, one write after the other, each over a connection of its own. Then says how
# long nothing was taken, and how many of the writes that were are there.

IFS= read -r REDISCLI_AUTH
export REDISCLI_AUTH
cli=$(command -v redis-cli valkey-cli | head -n 1)
ask() { timeout 2 "$cli" --no-auth-warning --tls --cacert /tls/ca.crt -h sessions "$@" 2>/dev/null; }
now() { echo "${EPOCHREALTIME/[.,]/}"; } # microseconds

keys=() longest=0 number=0
run=$(now)
last=$run
echo writing
while [ "$(now)" -lt $((run + 12000000)) ]; do
        number=$((number + 1))
        [ "$(ask set "demo:$run:$number" 1 ex 600)" = OK ] || continue
        moment=$(now)
        [ ${#keys[@]} -eq 0 ] || [ $((moment - last)) -le "$longest" ] || longest=$((moment - last))
        last=$moment
        keys+=("demo:$run:$number")
done
[ ${#keys[@]} -gt 0 ] || { echo "no write was taken" && exit 1; }
printf 'of %d acknowledged writes %d are there; the longest pause between two was %d.%02d s\n' \
        ${#keys[@]} "$(ask exists "${keys[@]}")" $((longest / 1000000)) $((longest / 10000 % 100))
