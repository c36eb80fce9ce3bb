// Foreign calls may throw, starve, block, or never return; the worker and its owner go on.
#include "engine/session/call_worker.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>

#include "channels/wire/assert.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

/// Runs one foreign call as a job and returns what it came to.
template <class Call>
CallOutcome outcome_of_job(CallWorker& worker, Call call) {
    CallOutcome outcome;
    worker.start([&] { outcome = worker.call("probe", call); });
    REQUIRE(worker.wait(patience()));
    return outcome;
}

/// Blocks a job until the test lets go.
class Gate {
  public:
    void pass() {
        reached_.set_value();
        released_.wait();
    }
    [[nodiscard]] bool reached() {
        return reached_.get_future().wait_for(kPatience) == std::future_status::ready;
    }
    void open() { release_.set_value(); }

  private:
    std::promise<void> reached_, release_;
    std::shared_future<void> released_{release_.get_future()};
};

/// Says when the last who shared it has let go.
std::shared_ptr<int> watched(const std::shared_ptr<std::promise<void>>& gone) {
    return {new int(7), [gone](const int* value) {
                delete value;
                gone->set_value();
            }};
}

}  // namespace

TEST_CASE("a failed call always has a reason to show", "[engine]") {
    CallWorker worker;
    const auto starved =
        outcome_of_job(worker, []() -> CallResult { throw std::bad_alloc(); }).reason();
    CHECK(starved == make_error_code(Errc::memory_exhausted).message());
    const auto strange = outcome_of_job(worker, []() -> CallResult { throw 1; }).reason();
    CHECK(strange == make_error_code(Errc::device_threw).message());
    const auto plain = outcome_of_job(worker, [] {
                           return CallResult::failure(std::errc::io_error, "no disk");
                       }).reason();
    CHECK(plain == "no disk");
}

TEST_CASE("a foreign call's outcome is its result, its failure or its exception", "[engine]") {
    struct Case {
        const char* name;
        std::function<CallResult()> call;
        Errc expected;
        const char* detail;
    };
    const auto one = GENERATE(values<Case>({
        {"success", [] { return CallResult::success(42); }, Errc::ok, ""},
        {"failure", [] { return CallResult::failure(std::errc::io_error, "no disk"); },
         Errc::device_failed, "no disk"},
        {"failure without words", [] { return CallResult::failure(std::errc::io_error, ""); },
         Errc::device_failed, "Input/output error"},
        {"interrupted", [] { return CallResult::failure(std::errc::operation_canceled, "stop"); },
         Errc::cancelled, "stop"},
        {"throws", []() -> CallResult { throw std::runtime_error("no register"); },
         Errc::device_threw, "no register"},
        {"throws no exception", []() -> CallResult { throw 7; }, Errc::device_threw, ""},
        {"starves", []() -> CallResult { throw std::bad_alloc(); }, Errc::memory_exhausted, ""},
    }));
    INFO(one.name);
    CallWorker worker;
    const auto outcome = outcome_of_job(worker, one.call);
    CHECK(outcome.ok() == (one.expected == Errc::ok));
    if (outcome.ok()) {
        CHECK(outcome.result.value == 42);
    } else {
        CHECK(outcome.error == one.expected);
        CHECK(outcome.result.detail == one.detail);
        CHECK(outcome.result.error);
    }
}

TEST_CASE("what escapes from a job ends the job alone", "[engine]") {
    CallWorker worker;
    worker.start([] { throw std::runtime_error("nobody catches this"); });
    CHECK(worker.wait(patience()));
    CHECK(outcome_of_job(worker, [] { return CallResult::success(1); }).ok());
}

TEST_CASE("a running call is named, with its beginning, until it returns", "[engine]") {
    CallWorker worker;
    Gate gate;
    CHECK_FALSE(worker.running_call());
    const auto before = Clock::now();
    worker.start([&] {
        (void)worker.call("read", [&] {
            gate.pass();
            return CallResult::success();
        });
    });
    REQUIRE(gate.reached());
    const auto call = worker.running_call();
    REQUIRE(call);
    CHECK(std::string(call->name) == "read");
    CHECK(call->since >= before);
    CHECK(call->since <= Clock::now());
    CHECK_FALSE(worker.idle());
    gate.open();
    REQUIRE(worker.wait(patience()));
    CHECK_FALSE(worker.running_call());
    CHECK(worker.idle());
}

TEST_CASE("a call that has called back into the engine is not running meanwhile", "[engine]") {
    CallWorker worker;
    bool named_before = false, named_inside = true, named_after = false, later = false;
    worker.start([&] {
        (void)worker.call("save", [&] {
            const auto first = worker.running_call();
            named_before = first.has_value();
            {
                const CallWorker::Pause pause(worker);
                named_inside = worker.running_call().has_value();
            }
            const auto second = worker.running_call();
            named_after = second && std::string(second->name) == "save";
            later = first && second && second->since >= first->since;
            return CallResult::success();
        });
    });
    REQUIRE(worker.wait(patience()));
    CHECK(named_before);
    CHECK_FALSE(named_inside);
    CHECK(named_after);
    CHECK(later);
    CHECK_FALSE(worker.running_call());
}

TEST_CASE("waiting ends at the deadline, or by a changed mind, while the job goes on", "[engine]") {
    CallWorker worker;
    Gate gate;
    worker.start([&] { gate.pass(); });
    REQUIRE(gate.reached());
    SECTION("the deadline") {
        CHECK_FALSE(worker.wait(Clock::now()));
    }
    SECTION("a mind made up before") {
        CHECK_FALSE(worker.wait(kNoDeadline, [] { return true; }));
    }
    SECTION("a mind changed while waiting") {
        std::atomic<bool> give_up = false;
        std::promise<void> asked;
        std::atomic<bool> told = false;
        auto waiting = std::async(std::launch::async, [&] {
            return worker.wait(patience(), [&] {
                if (!told.exchange(true)) asked.set_value();
                return give_up.load();
            });
        });
        REQUIRE(asked.get_future().wait_for(kPatience) == std::future_status::ready);
        const auto before = Clock::now();
        give_up = true;
        worker.wake();
        CHECK_FALSE(waiting.get());
        CHECK(Clock::now() - before < kPatience / 2);
    }
    CHECK_FALSE(worker.idle());
    gate.open();
    CHECK(worker.wait(patience()));
}

TEST_CASE("an ended job has let go of everything it shared", "[engine]") {
    CallWorker worker;
    for (int i = 0; i < 100; ++i) {
        auto shared = std::make_shared<int>(i);
        const std::weak_ptr<int> seen = shared;
        worker.start([shared = std::move(shared)] {});
        REQUIRE(worker.wait(patience()));
        REQUIRE(seen.expired());
    }
}

TEST_CASE("a job that never returns is left behind with what it shares", "[engine]") {
    const auto gate = std::make_shared<Gate>();
    const auto gone = std::make_shared<std::promise<void>>();
    auto last_share = gone->get_future();
    std::weak_ptr<int> seen;
    std::promise<int> late_look;
    auto looked = late_look.get_future();
    {
        CallWorker worker;
        auto shared = watched(gone);
        seen = shared;
        worker.start([shared = std::move(shared), gate, &late_look] {
            gate->pass();
            late_look.set_value(*shared);
        });
        REQUIRE(gate->reached());
    }  // The destructor must not wait for the job: nobody has opened the gate yet.
    CHECK_FALSE(seen.expired());
    gate->open();
    REQUIRE(looked.wait_for(kPatience) == std::future_status::ready);
    CHECK(looked.get() == 7);
    CHECK(last_share.wait_for(kPatience) == std::future_status::ready);
}

TEST_CASE("a worker may end inside its own job, with the last share of its owner", "[engine]") {
    const auto gone = std::make_shared<std::promise<void>>();
    auto last_share = gone->get_future();
    {
        auto worker = std::make_shared<CallWorker>();
        worker->start([shared = watched(gone), worker] {});  // The worker's share goes first.
    }
    CHECK(last_share.wait_for(kPatience) == std::future_status::ready);
}

TEST_CASE("a busy worker takes no second job", "[engine]") {
    CallWorker worker;
    Gate gate;
    worker.start([&] { gate.pass(); });
    REQUIRE(gate.reached());
    CHECK_THROWS_AS(worker.start([] {}), InternalError);
    gate.open();
    CHECK(worker.wait(patience()));
}

}  // namespace multifd
