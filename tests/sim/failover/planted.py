#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the protocol's sources with a bug in them.

    planted.py NAME SOURCES OUT     files OUT/NAME_failover.c and so on
    planted.py --list               what there is

A bug is a text that stands exactly once in one file of pkg/failover, and what
stands there instead. Where the text is not found once, the code has moved on and
the bug has to move with it: that is an error.
"""
import pathlib
import sys

FILES = ["failover.c", "follow.c", "lead.c", "lease.c", "seal.c", "server.c"]

BUGS = {
    # Nobody is asked to stop following, and so nobody says what it has.
    "no_seal": ("seal.c", "if (!missing || (f->seals.asked", "if (true || (f->seals.asked"),
    # A lease is valid from the reply, not from the sending.
    "valid_from_reply": ("lease.c",
                         "f->on_promises = false;\n                extend(f, f->write.sent);",
                         "f->on_promises = false;\n                extend(f, s->now);"),
    "promises_from_reply": ("lead.c", "extend(f, f->promises.sent);", "extend(f, s->now);"),
    # Another's Lease is taken before it was seen unchanged for L.
    "no_wait_for_l": ("follow.c", "at += f->timing.lease;", "at += f->timing.fence / 2;"),
    "promise_ignored": ("follow.c", "at = MAX(at, f->promised_until);", "at += 0;"),
    "one_promise_is_enough": ("lead.c", "if (others & ~f->promises.yes)", "if (!f->promises.yes)"),
    # F beyond L.
    "fence_too_late": ("failover.c", ".fence = lease / 4 * 3,", ".fence = lease / 4 * 5,"),
    "not_armed": ("server.c", "effect(s, FAILOVER_DO_ARM)->until = f->armed = f->valid_until;",
                  "f->armed = f->valid_until;"),
    "disarmed_early": ("server.c", "if (server->order > f->danger && !can_write(server->state))",
                       "if (true)"),
    # What is promoted.
    "empty_leads": ("seal.c", "c->data < least || !is_lineage(f, c) ||",
                    "c->data == FAILOVER_DATA_UNKNOWN ||"),
    "best_not_chosen": ("seal.c", "failover_ahead(&c->position, &f->seals.copies[best].position) ||", ""),
    "cold_waits_for_nobody": ("seal.c",
                              "if (missing) {\n                wait_for(s, FAILOVER_WAITING, missing);\n"
                              "                return FAILOVER_NOBODY;\n        }\n"
                              "        best = best_of(f, set",
                              "        best = best_of(f, set"),
    # A Lease that was made again says nothing of who kept up, nor of the epochs before it.
    "made_again_is_trusted": ("seal.c", "if (!f->record.lineage[0])\n",
                              "if (!f->record.lineage[0] && f->record.cause == FAILOVER_CAUSE_BOOTSTRAP)\n"),
    "epoch_comes_again": ("seal.c", "if (newest_timeline(f, all) >= f->epoch) {", "if (false) {"),
    "namesake": ("follow.c", "!is_held_by_namesake(f) && !is_out", "!is_out"),
    # A follower whose volume does not write goes on following.
    "frozen_disk_follows": ("follow.c", "has_leader(f) && !keeps_nothing(s)", "has_leader(f)"),
    "final_is_not_waited_for": ("seal.c", "return f->seals.final ? set", "return false ? set"),
    # A pod that was replaced comes back, in the set by its name alone.
    "outdated_leads": ("lead.c", "is_kept_by(s, r.in_sync) ? f->epoch : MAX(r.floor, f->next.floor);", "0;"),
    # The set.
    "not_narrowed": ("seal.c", "f->next.in_sync = equals(f, &f->next);", ""),
    "widened_early": ("lead.c", ": online && age <= f->timing.lag / 2 &&", ": online &&"),
    "widened_unknown": ("lead.c", "&& f->members[m].knows >= f->epoch)", ")"),
    "never_narrowed": ("lead.c", "if (inside ? age <= (online ? f->timing.lag : f->timing.lag / 2)",
                       "if (inside ? true"),
    "never_held_back": ("lead.c", "s->now - f->members[m].fresh > 2 * f->timing.lag)", "false)"),
    # What is told to be lost.
    "loss_not_told": ("seal.c", "*ret = there > here ? there - here : 0;", "*ret = 0;"),
    "loss_in_another_count": ("seal.c", "|| f->copy.data == FAILOVER_DATA_COLD || !is_one_count(f))",
                              ")"),
    "loss_never_known": ("seal.c", "return f->seals.final ? FAILOVER_LOSS_EXACT : FAILOVER_LOSS_AT_LEAST;",
                         "return FAILOVER_LOSS_UNKNOWN;"),
    "emptied_in_silence": ("seal.c", "if (f->copy.data <= FAILOVER_DATA_NONE)\n                return !r->",
                           "if (f->copy.data <= FAILOVER_DATA_NONE)\n                return true || !r->"),
    "all_while_writing": ("server.c", "f->had_all = f->server.state == FAILOVER_PAUSED;",
                          "f->had_all = true;"),
    # A volume that takes nothing, or is not there.
    "full_disk_follows": ("failover.c", ".wrote = INT64_MIN / 2,", ".wrote = now,"),
    "kept_by_a_full_disk": ("server.c", "if (kept && began > f->remembered_at)", "if (began > f->remembered_at)"),
    # A pod that was deleted by force, whose token is dead.
    "ended_for_ever": ("follow.c", "f->record.epoch == f->ended.epoch && holder->member == f->ended.member &&\n"
                       "               holder->incarnation == f->ended.life;", "holder->member == f->ended.member;"),
    # A hand-over.
    "unequal_offsets": ("lead.c", "f->server.acked[f->yield.to] >= f->server.offset;", "true;"),
    "resumes_on_a_guess": ("lead.c", "s->now >= f->yield.until && !f->yield.released)",
                           "s->now >= f->yield.until)"),
    # Writes and reads of the Lease.
    "epoch_not_raised": ("follow.c", "r.epoch = f->sealed + 1;", ""),
    "never_asked_again": ("seal.c", "~(known_of(f, everyone(f)) | self_set(f));",
                          "~(f->seals.answered | self_set(f));"),
    "gives_up_alive": ("follow.c", "f->write.kind != FAILOVER_WRITE_NONE || !harmless(f) ||",
                       "f->write.kind != FAILOVER_WRITE_NONE ||"),
    "promised_to_anyone": ("follow.c", "if (yes)\n", "if (false)\n"),
}


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(BUGS))
        return
    name, sources, out = sys.argv[1:]
    where, text, instead = BUGS[name]
    for file in FILES:
        code = (pathlib.Path(sources) / file).read_text()
        if file == where:
            if code.count(text) != 1:
                sys.exit(f"planted.py: {name}: what it replaces stands {code.count(text)} times in {where}, not once")
            code = code.replace(text, instead)
        (pathlib.Path(out) / f"{name}_{file}").write_text(code)


main()
