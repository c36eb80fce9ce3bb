// A cancel that cannot come too late: the destination is stopped until the source has ended.
#pragma once

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <future>

#include "tests/end_to_end/moments.hpp"

namespace multifd::vm {

/// Migrates up to `moment`, cancels at the source, and gives what both ends report.
inline Outcome cancel_at(const Plan& plan, const Moment& moment) {
    std::promise<void> reached;
    MomentousMigration momentous(plan, moment, [&](MomentousMigration& self) {
        self.migration().destination().process().signal(SIGSTOP);
        reached.set_value();
    });
    momentous.start();
    Migration& migration = momentous.migration();
    const bool came = reached.get_future().wait_for(kHangLimit) == std::future_status::ready;
    migration.source().process().signal(SIGINT);
    (void)migration.finish_source();
    migration.destination().process().signal(SIGCONT);
    Outcome outcome = migration.finish();
    INFO(describe(outcome));
    REQUIRE(came);
    return outcome;
}

}  // namespace multifd::vm
