#include "engine/session/migration_status.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <vector>

#include "channels/wire/assert.hpp"

namespace multifd {
namespace {

constexpr auto kAll =
    std::to_array({Status::none, Status::setup, Status::active, Status::pre_switchover,
                   Status::device, Status::completed, Status::failed, Status::cancelling,
                   Status::cancelled, Status::unknown_owner});

using Table = std::map<Status, std::set<Status>>;

/// Written apart from the table under test: what QEMU's migration and the commit allow.
Table expected(Role role) {
    using enum Status;
    Table table{{none, {setup, failed, cancelling}},
                {setup, {active, failed, cancelling}},
                {active, {device, failed, cancelling}},
                {device, {completed, failed, cancelling, unknown_owner}},
                {cancelling, {cancelled, failed, completed}},
                {unknown_owner, {completed, failed, cancelled}}};
    if (role == Role::source) {
        table[active].insert(pre_switchover);
        table[pre_switchover] = {device, failed, cancelling};
    } else {
        table[active].insert(completed);
        table[cancelling].insert(unknown_owner);
    }
    return table;
}

/// A tracker that has gone to `target` by allowed steps; empty when there is no way.
std::optional<StatusTracker> tracker_in(Role role, Status target) {
    std::vector<StatusTracker> reached{StatusTracker(role)};
    std::set<Status> seen{Status::none};
    for (std::size_t next = 0; next < reached.size(); ++next) {
        if (reached[next].status() == target) return reached[next];
        for (const Status status : kAll) {
            StatusTracker copy = reached[next];
            if (copy.try_set(status) && seen.insert(status).second) reached.push_back(copy);
        }
    }
    return std::nullopt;
}

}  // namespace

TEST_CASE("every pair of statuses follows or does not, as the table says", "[status]") {
    const Role role = GENERATE(Role::source, Role::destination);
    Table table = expected(role);
    for (const Status from : kAll) {
        for (const Status to : kAll) {
            INFO(to_string(role) << ": " << to_string(from) << " -> " << to_string(to));
            CHECK(may_follow(role, from, to) == table[from].contains(to));
        }
    }
}

TEST_CASE("the tracker takes every allowed status and asserts on every other", "[status]") {
    const Role role = GENERATE(Role::source, Role::destination);
    for (const Status from : kAll) {
        const auto start = tracker_in(role, from);
        if (!start) {
            CHECK((role == Role::destination && from == Status::pre_switchover));
            continue;
        }
        for (const Status to : kAll) {
            INFO(to_string(role) << ": " << to_string(from) << " -> " << to_string(to));
            StatusTracker tracker = *start;
            if (may_follow(role, from, to)) {
                CHECK_NOTHROW(tracker.set(to));
                CHECK(tracker.status() == to);
            } else {
                CHECK_THROWS_AS(tracker.set(to), InternalError);
                CHECK_FALSE(tracker.try_set(to));
                CHECK(tracker.status() == from);
            }
        }
    }
}

TEST_CASE("nothing follows an end, and every other status has a way to one", "[status]") {
    const Role role = GENERATE(Role::source, Role::destination);
    for (const Status status : kAll) {
        if (!tracker_in(role, status)) continue;
        INFO(to_string(status));
        CHECK(followers(role, status).empty() == is_final(status));
    }
    const std::set<Status> ends{Status::completed, Status::failed, Status::cancelled};
    CHECK(std::ranges::all_of(
        kAll, [&](Status status) { return is_final(status) == ends.contains(status); }));
}

TEST_CASE("a migration that goes well runs through QEMU's statuses", "[status]") {
    using enum Status;
    StatusTracker source(Role::source);
    for (const Status next : {setup, active, pre_switchover, device, completed}) source.set(next);
    CHECK(to_string(source.status()) == "completed");
    StatusTracker destination(Role::destination);
    for (const Status next : {setup, active, device, completed}) destination.set(next);
    CHECK(destination.role() == Role::destination);
    CHECK(destination.status() == completed);
}

}  // namespace multifd
