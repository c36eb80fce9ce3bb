#include "engine/cli/signals.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "engine/cli/child_process.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

constexpr std::chrono::seconds kPatience{30};

/// Counts what the signals' thread reports.
struct Heard {
    Signals::Action action(std::optional<std::chrono::milliseconds> again = std::nullopt) {
        return [this, again](int signal, int count) -> std::optional<std::chrono::milliseconds> {
            const std::lock_guard lock(mutex);
            calls.emplace_back(signal, count);
            changed.notify_all();
            return again;
        };
    }
    bool wait_for(std::size_t count) {
        std::unique_lock lock(mutex);
        return changed.wait_for(lock, kPatience, [&] { return calls.size() >= count; });
    }

    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::pair<int, int>> calls;
};

}  // namespace

TEST_CASE("signals come as events, counted over both kinds", "[cli]") {
    Heard heard;
    Signals signals(heard.action());
    ::kill(::getpid(), SIGINT);
    REQUIRE(heard.wait_for(1));
    ::kill(::getpid(), SIGTERM);
    REQUIRE(heard.wait_for(2));
    CHECK(heard.calls == std::vector<std::pair<int, int>>{{SIGINT, 1}, {SIGTERM, 2}});
    CHECK(std::string(signal_name(SIGINT)) == "SIGINT");
    CHECK(std::string(signal_name(SIGTERM)) == "SIGTERM");
}

TEST_CASE("a hangup is a signal too, unless it was ignored before", "[cli]") {
    const bool ignored = GENERATE(false, true);
    CAPTURE(ignored);
    ::signal(SIGHUP, ignored ? SIG_IGN : SIG_DFL);
    {
        Heard heard;
        Signals signals(heard.action());
        ::kill(::getpid(), SIGHUP);
        ::kill(::getpid(), SIGTERM);
        REQUIRE(heard.wait_for(ignored ? 1 : 2));
        const auto hangups = std::ranges::count(heard.calls, SIGHUP, &std::pair<int, int>::first);
        CHECK(hangups == (ignored ? 0 : 1));
    }
    // Nothing ends the process from here on, nor the test.
    ::kill(::getpid(), SIGHUP);
    ::kill(::getpid(), SIGTERM);
    CHECK(std::string(signal_name(SIGHUP)) == "SIGHUP");
}

TEST_CASE("an action may ask to be called again", "[cli]") {
    Heard heard;
    Signals signals(heard.action(std::chrono::milliseconds(1)));
    ::kill(::getpid(), SIGTERM);
    REQUIRE(heard.wait_for(3));
    CHECK(heard.calls[2] == std::pair(SIGTERM, 1));
}

TEST_CASE("a child that is signalled as soon as it is there tells its parent nothing", "[cli]") {
    const TemporaryFolder folder;
    Heard heard;
    {
        Signals signals(heard.action());
        for (int child = 0; child < 50; ++child) {
            // This program again; if the signal comes too late it lists its tags and ends.
            ChildProcess process({"--list-tags"}, {folder / "output", folder / "errors"});
            process.signal(SIGINT);
            REQUIRE(process.wait(kPatience).has_value());
        }
    }
    CHECK(heard.calls.empty());
}

TEST_CASE("after handle() the former action runs no more", "[cli]") {
    Heard before;
    Heard after;
    Signals signals(before.action());
    signals.handle(after.action());
    ::kill(::getpid(), SIGTERM);
    REQUIRE(after.wait_for(1));
    CHECK(before.calls.empty());
}

TEST_CASE("the handling of signals is given back", "[cli]") {
    struct sigaction former {};
    REQUIRE(::sigaction(SIGPIPE, nullptr, &former) == 0);
    {
        const Signals signals(nullptr);
        struct sigaction now {};
        ::sigaction(SIGPIPE, nullptr, &now);
        CHECK(now.sa_handler == SIG_IGN);
        ::sigaction(SIGTERM, nullptr, &now);
        CHECK(now.sa_handler != SIG_DFL);
    }
    struct sigaction later {};
    ::sigaction(SIGPIPE, nullptr, &later);
    CHECK(later.sa_handler == former.sa_handler);
}

}  // namespace multifd
