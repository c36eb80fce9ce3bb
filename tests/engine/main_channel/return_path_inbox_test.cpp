// What the destination says is kept for the source's main thread, and what makes no sense ends it.
#include "engine/main_channel/return_path_inbox.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <string_view>

#include "channels/wire/limits.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

void take(ReturnPathInbox& inbox, ReturnPathType type, std::span<const std::byte> body = {}) {
    inbox.take({static_cast<std::uint16_t>(type), body});
}

std::vector<std::byte> bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

Hello some_hello() {
    Hello hello;
    hello.devices.push_back({.identity = {"gpu0", 0}});
    hello.session = SessionId{};
    return hello;
}

const auto kNever = [] { return false; };

}  // namespace

TEST_CASE("every message is kept as what it says", "[engine]") {
    ReturnPathInbox inbox;
    take(inbox, ReturnPathType::hello, encode(some_hello()).value());
    take(inbox, ReturnPathType::pong, encode_u32(5));
    take(inbox, ReturnPathType::pong, encode_u32(6));
    take(inbox, ReturnPathType::ready);
    take(inbox, ReturnPathType::switchover_ack);
    take(inbox, ReturnPathType::running);
    take(inbox, ReturnPathType::shut, encode_u32(9));
    const auto mail = inbox.mail();
    REQUIRE(mail.hello);
    CHECK(*mail.hello == some_hello());
    CHECK(mail.ponged(5));
    CHECK(mail.ponged(6));
    CHECK_FALSE(mail.ponged(7));
    CHECK(mail.ready);
    CHECK(mail.switchover_ack);
    CHECK(mail.running);
    CHECK_FALSE(mail.running_problem);
    CHECK(mail.shut == 9U);
    CHECK_FALSE(mail.refused);
    CHECK_FALSE(mail.loaded);
    CHECK_FALSE(mail.ended);
}

TEST_CASE("a refusal and a problem while running carry the destination's reason, or none",
          "[engine]") {
    PeerError reason;
    reason.code = "device_failed";
    reason.message = "no disk";
    ReturnPathInbox explained, silent;
    take(explained, ReturnPathType::refused, encode(reason));
    take(explained, ReturnPathType::running, encode(reason));
    take(silent, ReturnPathType::refused);
    CHECK(explained.mail().refused == reason);
    CHECK(explained.mail().running);
    CHECK(explained.mail().running_problem == reason);
    CHECK(silent.mail().refused == PeerError{});
    CHECK_FALSE(silent.mail().running);
}

TEST_CASE("a table in several parts is loaded when the last has come", "[engine]") {
    std::vector<VerifyEntry> entries;
    for (std::uint32_t i = 0; i < kVerifyEntriesPerMessage + 1; ++i)
        entries.push_back({i, 1, 2, 3});
    const auto bodies = encode_verify(entries);
    REQUIRE(bodies.size() == 2);
    ReturnPathInbox inbox;
    take(inbox, ReturnPathType::loaded, bodies[0]);
    CHECK_FALSE(inbox.mail().loaded);
    take(inbox, ReturnPathType::loaded, bodies[1]);
    CHECK(inbox.mail().loaded);
    CHECK(inbox.mail().loaded_table == entries);
}

TEST_CASE("a message that makes no sense ends the path with its error", "[engine]") {
    struct Case {
        const char* name;
        ReturnPathType type;
        std::vector<std::byte> body;
        Errc expected;
    };
    const auto one = GENERATE(values<Case>({
        {"short pong", ReturnPathType::pong, bytes_of("abc"), Errc::message_malformed},
        {"short shut", ReturnPathType::shut, {}, Errc::message_malformed},
        {"hello", ReturnPathType::hello, bytes_of("no JSON"), Errc::hello_malformed},
        {"other protocol", ReturnPathType::hello, bytes_of(R"({"protocol":2,"devices":[]})"),
         Errc::hello_version_unsupported},
        {"loaded", ReturnPathType::loaded, bytes_of("ab"), Errc::message_malformed},
        {"running", ReturnPathType::running, bytes_of("{"), Errc::message_malformed},
        {"refused", ReturnPathType::refused, bytes_of("[]"), Errc::message_malformed},
        {"unknown", ReturnPathType{0x4d77}, {}, Errc::return_path_type_unknown},
    }));
    INFO(one.name);
    ReturnPathInbox inbox;
    take(inbox, one.type, one.body);
    const auto mail = inbox.mail();
    CHECK(mail.ended);
    CHECK(mail.error == one.expected);
    CHECK_FALSE(mail.hello);
    CHECK_FALSE(mail.running);
    CHECK_FALSE(mail.refused);
    CHECK_FALSE(mail.loaded);
}

TEST_CASE("what may come once ends the path when it comes again", "[engine]") {
    ReturnPathInbox inbox;
    SECTION("hello") {
        take(inbox, ReturnPathType::hello, encode(some_hello()).value());
        REQUIRE_FALSE(inbox.mail().ended);
        take(inbox, ReturnPathType::hello, encode(some_hello()).value());
        CHECK(inbox.mail().error == Errc::hello_unexpected);
    }
    SECTION("a complete table") {
        take(inbox, ReturnPathType::loaded, encode_verify({}).front());
        REQUIRE_FALSE(inbox.mail().ended);
        take(inbox, ReturnPathType::loaded, encode_verify({}).front());
        CHECK(inbox.mail().error == Errc::message_malformed);
    }
    SECTION("a transfer report") {
        inbox.expect_transfer_report();
        take(inbox, ReturnPathType::transfer_report, encode(TransferReport{}));
        REQUIRE_FALSE(inbox.mail().ended);
        take(inbox, ReturnPathType::transfer_report, encode(TransferReport{}));
        CHECK(inbox.mail().error == Errc::message_malformed);
    }
}

TEST_CASE("a transfer report is kept when it was agreed", "[engine]") {
    const TransferReport report{.us = 5, .processors = 3, .write_us = 4};
    ReturnPathInbox inbox;
    inbox.expect_transfer_report();
    take(inbox, ReturnPathType::transfer_report, encode(report));
    take(inbox, ReturnPathType::loaded, encode_verify({}).front());
    CHECK(inbox.mail().transfer_report == report);
    CHECK(inbox.mail().loaded);
}

TEST_CASE("a transfer report that was not agreed, is wrong or late ends the path", "[engine]") {
    ReturnPathInbox inbox;
    SECTION("not agreed") {
        take(inbox, ReturnPathType::transfer_report, encode(TransferReport{}));
        CHECK(inbox.mail().error == Errc::return_path_type_unknown);
    }
    SECTION("wrong") {
        inbox.expect_transfer_report();
        take(inbox, ReturnPathType::transfer_report, bytes_of(R"({"us":1})"));
        CHECK(inbox.mail().error == Errc::message_malformed);
    }
    SECTION("after Loaded") {
        inbox.expect_transfer_report();
        take(inbox, ReturnPathType::loaded, encode_verify({}).front());
        take(inbox, ReturnPathType::transfer_report, encode(TransferReport{}));
        CHECK(inbox.mail().error == Errc::message_malformed);
    }
    CHECK(inbox.mail().ended);
    CHECK_FALSE(inbox.mail().transfer_report);
}

TEST_CASE("a destination gone mad cannot fill this end's memory", "[engine]") {
    ReturnPathInbox inbox;
    SECTION("with pongs") {
        for (std::uint32_t i = 0; i < 100; ++i) take(inbox, ReturnPathType::pong, encode_u32(i));
        CHECK(inbox.mail().pongs.size() == 64);
    }
    SECTION("with tables that never end") {
        const std::vector<VerifyEntry> entries(kVerifyEntriesPerMessage + 1);
        const auto unfinished = encode_verify(entries).front();
        for (int i = 0; i < 5; ++i) take(inbox, ReturnPathType::loaded, unfinished);
        CHECK(inbox.mail().loaded_table.size() <= limits::kDevicesMax);
    }
    CHECK(inbox.mail().ended);
    CHECK(inbox.mail().error == Errc::message_malformed);
}

TEST_CASE("the end of the path is kept with its first error", "[engine]") {
    ReturnPathInbox inbox;
    inbox.end(Errc::stream_truncated);
    inbox.end(Errc::peer_closed);
    CHECK(inbox.mail().ended);
    CHECK(inbox.mail().error == Errc::stream_truncated);

    ReturnPathInbox damaged;
    take(damaged, ReturnPathType{0x4d77});
    damaged.end({});
    CHECK(damaged.mail().error == Errc::return_path_type_unknown);
}

TEST_CASE("after a message that makes no sense nothing is believed any more", "[engine]") {
    ReturnPathInbox inbox;
    take(inbox, ReturnPathType::pong, encode_u32(5));
    take(inbox, ReturnPathType::pong);
    take(inbox, ReturnPathType::loaded, encode_verify({}).front());
    take(inbox, ReturnPathType::running);
    const auto mail = inbox.mail();
    CHECK(mail.ponged(5));
    CHECK_FALSE(mail.loaded);
    CHECK_FALSE(mail.running);
    CHECK(mail.error == Errc::message_malformed);
}

TEST_CASE("waiting ends with what was awaited, with the path, with the will, or in time",
          "[engine]") {
    ReturnPathInbox inbox;
    const auto ready = [](const ReturnPathMail& mail) { return mail.ready; };
    SECTION("it came before") {
        take(inbox, ReturnPathType::ready);
        CHECK(inbox.wait(ready, Clock::now(), kNever));
    }
    SECTION("it came before the path ended") {
        take(inbox, ReturnPathType::ready);
        inbox.end({});
        CHECK(inbox.wait(ready, kNoDeadline, kNever));
    }
    SECTION("the path has ended without it") {
        inbox.end({});
        CHECK_FALSE(inbox.wait(ready, kNoDeadline, kNever));
    }
    SECTION("the deadline") {
        CHECK_FALSE(inbox.wait(ready, Clock::now(), kNever));
    }
    SECTION("a will from the beginning") {
        CHECK_FALSE(inbox.wait(ready, kNoDeadline, [] { return true; }));
    }
}

TEST_CASE("who waits is woken by a message, by the end, and by a changed will", "[engine]") {
    ReturnPathInbox inbox;
    std::promise<void> asked;
    std::atomic<bool> told = false;
    std::atomic<bool> will = false;
    auto waiting = std::async(std::launch::async, [&] {
        return inbox.wait([](const ReturnPathMail& mail) { return mail.ready; }, kNoDeadline,
                          [&] {
                              if (!told.exchange(true)) asked.set_value();
                              return will.load();
                          });
    });
    REQUIRE(asked.get_future().wait_for(kPatience) == std::future_status::ready);
    bool expected = false;
    SECTION("a message") {
        take(inbox, ReturnPathType::ready);
        expected = true;
    }
    SECTION("the end") {
        inbox.end({});
    }
    SECTION("the will") {
        will = true;
        inbox.wake();
    }
    const bool woken = waiting.wait_for(kPatience) == std::future_status::ready;
    CHECK(woken);
    will = true;
    inbox.wake();
    CHECK(waiting.get() == expected);
}

TEST_CASE("an ended path can still be waited on for the operator's will alone", "[engine]") {
    ReturnPathInbox inbox;
    inbox.end({});
    std::promise<void> asked;
    std::atomic<int> times = 0;
    std::atomic<bool> will = false;
    auto waiting = std::async(std::launch::async, [&] {
        inbox.wait_for_will([&] {
            if (times++ == 0) asked.set_value();
            return will.load();
        });
    });
    REQUIRE(asked.get_future().wait_for(kPatience) == std::future_status::ready);
    inbox.wake();
    REQUIRE(await([&] { return times >= 2; }));
    will = true;
    inbox.wake();
    CHECK(waiting.wait_for(kPatience) == std::future_status::ready);
}

}  // namespace multifd
