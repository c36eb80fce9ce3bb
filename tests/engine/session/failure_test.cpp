// The first cause is kept and told, here and at the other end.
#include "engine/session/failure.hpp"

#include <catch2/catch.hpp>
#include <new>
#include <stdexcept>

namespace multifd {
namespace {

Failure full_failure() {
    return {.code = Errc::device_failed,
            .detail = "write failed: no disk",
            .device = DeviceIdentity{"gpu0", 3},
            .idx = 7,
            .channel = ChannelId{2},
            .phase = "device"};
}

}  // namespace

TEST_CASE("a failure is described in one line, by what is known of its place", "[engine]") {
    CHECK(describe(full_failure()) ==
          "device_failed: device gpu0/3: idx 7: channel 2: write failed: no disk");
    CHECK(describe({.code = Errc::idx_gap}) ==
          "idx_gap: " + make_error_code(Errc::idx_gap).message());
    auto told = full_failure();
    told.code = Errc::peer_failed;
    told.told_by_peer = true;
    CHECK(describe(told) == "peer_failed: the peer says: write failed: no disk");
}

TEST_CASE("a report has the failure's code, place and exit code", "[engine]") {
    const auto report = to_report(full_failure(), "tcp:10.0.0.1:4444");
    CHECK(report.code == "device_failed");
    CHECK(report.phase == "device");
    CHECK(report.device == "gpu0/3");
    CHECK(report.idx == 7U);
    CHECK(report.channel == 2U);
    CHECK(report.peer == "tcp:10.0.0.1:4444");
    // The code stands beside it, once.
    CHECK(report.message == "device gpu0/3: idx 7: channel 2: write failed: no disk");
    CHECK(describe(report) == describe(full_failure()));

    const auto bare = to_report({.code = Errc::memory_exhausted}, "");
    CHECK_FALSE(bare.device);
    CHECK_FALSE(bare.idx);
    CHECK_FALSE(bare.channel);
    CHECK_FALSE(bare.peer);
}

TEST_CASE("each kind of failure has its exit code", "[engine]") {
    struct Case {
        Errc code;
        ExitCode expected;
    };
    const auto one = GENERATE(values<Case>({{Errc::connect_failed, ExitCode::connection},
                                            {Errc::peer_closed, ExitCode::peer_failed},
                                            {Errc::peer_failed, ExitCode::peer_failed},
                                            {Errc::device_stuck, ExitCode::device_failed},
                                            {Errc::idx_gap, ExitCode::protocol_violation},
                                            {Errc::digest_mismatch, ExitCode::verification},
                                            {Errc::stall_timeout, ExitCode::timeout},
                                            {Errc::peer_silent, ExitCode::timeout},
                                            {Errc::cancelled, ExitCode::cancelled},
                                            {Errc::cancelled_by_peer, ExitCode::cancelled},
                                            {Errc::unknown_owner, ExitCode::unknown_owner},
                                            {Errc::hello_missing, ExitCode::disagreement},
                                            {Errc::host_failed, ExitCode::host_failed},
                                            {Errc::memory_exhausted, ExitCode::resources},
                                            {Errc::internal_error, ExitCode::internal}}));
    CAPTURE(error_name(one.code));
    CHECK(to_report({.code = one.code}, "").exit_code == static_cast<int>(one.expected));
}

TEST_CASE("a failure told to the peer arrives with its code and place", "[engine]") {
    const auto there = failure_of(to_peer_error(full_failure()));
    CHECK(there.code == Errc::peer_failed);
    CHECK(there.told_by_peer);
    CHECK(there.detail == describe(full_failure()));
    REQUIRE(there.device);
    CHECK(to_string(*there.device) == "gpu0/3");
    CHECK(there.idx == 7U);
    CHECK(there.channel == ChannelId{2});
}

TEST_CASE("a cancel is a cancel at both ends", "[engine]") {
    CHECK(failure_of(to_peer_error({.code = Errc::cancelled})).code == Errc::cancelled_by_peer);
    // The peer grants what this end asked of it.
    CHECK(failure_of(to_peer_error({.code = Errc::cancelled_by_peer})).code == Errc::cancelled);
}

TEST_CASE("what a peer says of itself is taken only as far as it makes sense", "[engine]") {
    PeerError error;
    error.code = "a_code_of_the_future";
    error.channel = 258;
    const auto failure = failure_of(error);
    CHECK(failure.code == Errc::peer_failed);
    CHECK(failure.detail == "a_code_of_the_future");
    CHECK_FALSE(failure.device);
    CHECK_FALSE(failure.idx);
    CHECK_FALSE(failure.channel);
}

TEST_CASE("an Abort says why, or that it does not", "[engine]") {
    const auto reason = failure_of_abort(encode(to_peer_error(full_failure())));
    CHECK(reason.code == Errc::peer_failed);
    CHECK(reason.detail == describe(full_failure()));
    CHECK(failure_of_abort(encode(to_peer_error({.code = Errc::cancelled}))).code ==
          Errc::cancelled_by_peer);
    const std::byte junk[] = {std::byte{'{'}, std::byte{0xff}};
    for (const std::span<const std::byte> body : {std::span<const std::byte>(), {junk}}) {
        const auto silent = failure_of_abort(body);
        CHECK(silent.code == Errc::peer_failed);
        CHECK(silent.told_by_peer);
        CHECK_FALSE(silent.detail.empty());
    }
}

TEST_CASE("an exception is a failure of this end", "[engine]") {
    CHECK(failure_of(std::make_exception_ptr(std::bad_alloc())).code == Errc::memory_exhausted);
    const auto thrown = failure_of(std::make_exception_ptr(std::runtime_error("odd")));
    CHECK(thrown.code == Errc::internal_error);
    CHECK(thrown.detail == "odd");
    const auto strange = failure_of(std::make_exception_ptr(7));
    CHECK(strange.code == Errc::internal_error);
    CHECK_FALSE(strange.detail.empty());
}

TEST_CASE("only the end of a connection is a symptom", "[engine]") {
    for (const auto code : {Errc::peer_closed, Errc::channel_closed_early, Errc::stream_truncated})
        CHECK(is_symptom(code));
    CHECK(is_symptom(ErrorCode(ECONNRESET, boost::system::system_category())));
    for (const auto code : {Errc::peer_silent, Errc::peer_failed, Errc::cancelled, Errc::idx_gap})
        CHECK_FALSE(is_symptom(code));
}

TEST_CASE("the first cause is kept", "[engine]") {
    FirstFailure first;
    CHECK_FALSE(first.failed());
    CHECK_FALSE(first.get());
    CHECK(first.set({.code = Errc::device_failed}));
    CHECK(first.failed());
    CHECK_FALSE(first.set({.code = Errc::idx_gap}));
    CHECK_FALSE(first.set({.code = Errc::peer_closed}));
    CHECK(first.get()->code == Errc::device_failed);
}

TEST_CASE("a symptom gives way to its cause, until the matter is settled", "[engine]") {
    FirstFailure first;
    CHECK(first.set({.code = Errc::channel_closed_early}));
    CHECK_FALSE(first.set({.code = Errc::cancelled}));
    CHECK(first.get()->code == Errc::channel_closed_early);
    SECTION("a dead peer explains the end of its channel, not the other way round") {
        CHECK(first.set({.code = Errc::peer_closed}));
        CHECK_FALSE(first.set({.code = Errc::channel_closed_early}));
        CHECK(first.get()->code == Errc::peer_closed);
        CHECK(first.set({.code = Errc::device_failed}));
    }
    SECTION("a cause comes in time") {
        CHECK(first.set({.code = Errc::peer_failed}));
        CHECK_FALSE(first.set({.code = Errc::device_failed}));
        CHECK(first.get()->code == Errc::peer_failed);
    }
    SECTION("a cause comes too late") {
        first.settle();
        CHECK_FALSE(first.set({.code = Errc::peer_failed}));
        CHECK(first.get()->code == Errc::channel_closed_early);
    }
}

TEST_CASE("what is settled without a failure still takes the first", "[engine]") {
    FirstFailure first;
    first.settle();
    CHECK(first.set({.code = Errc::peer_closed}));
    CHECK_FALSE(first.set({.code = Errc::device_failed}));
}

}  // namespace multifd
