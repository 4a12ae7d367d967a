#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# hardening.sh BINARY: that the linker and the compiler did what they were asked for.

binary=${1:?which binary?}
[ -f "$binary" ] || {
        echo "$binary is not there"
        exit 1
}
bad=0

# expect WHAT TEXT PATTERN: TEXT has a line of that PATTERN.
expect() {
        if grep -qE "$3" <<<"$2"; then
                echo "ok: $1"
        else
                echo "missing: $1"
                bad=1
        fi
}

header=$(readelf -hW "$binary")
segments=$(readelf -lW "$binary")
dynamic=$(readelf -dW "$binary")
sections=$(readelf -SW "$binary")
symbols=$(readelf --dyn-syms -W "$binary")

expect "position independent" "$header" 'Type: +DYN'
expect "an executable, not a library" "$dynamic" 'FLAGS_1.*PIE'
expect "RELRO" "$segments" 'GNU_RELRO'
expect "bound at start" "$dynamic" 'BIND_NOW|FLAGS_1.*NOW'
expect "a stack that is not executable" "$segments" 'GNU_STACK +.* RW +0x'
expect "stack protector" "$symbols" '__stack_chk_fail'
expect "fortified functions" "$symbols" '__(memcpy|snprintf|vsnprintf|memset|memmove|fprintf|read|recv|fdelt)_chk'
if grep -q 'X86-64' <<<"$header"; then
        # The linker's note (IBT, SHSTK) wants all objects to agree, and those of Debian's
        # C library that start a program do not; so look at our code itself.
        marks=$(objdump -d --no-show-raw-insn "$binary" | grep -c 'endbr64')
        expect "control flow protection ($marks marks)" "$marks" '^[1-9][0-9]{2,}$'
fi
if grep -qE ' \.(symtab|debug_info) ' <<<"$sections"; then
        echo "missing: stripped"
        bad=1
else
        echo "ok: stripped"
fi
if grep -qE 'R(UN)?PATH' <<<"$dynamic"; then
        echo "missing: no library path of the build"
        bad=1
fi
exit $bad
