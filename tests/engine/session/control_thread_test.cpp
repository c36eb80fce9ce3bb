// The control thread over a socket pair: what it says, what it reports, and that it never waits.
#include "engine/session/control_thread.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <string>

#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

/// Keeps a line for everything that the thread tells, but ticks, which it counts.
class Witness final : public ControlEvents {
  public:
    std::atomic<int> ticks = 0;
    std::atomic<bool> throws_at_ready = false;

    void on_tick(Clock::time_point) override { ++ticks; }
    Heartbeat heartbeat() override { return {.progress = 41, .status = 2}; }
    void on_heartbeat(const Heartbeat& peer) override {
        note("heartbeat " + std::to_string(peer.progress));
    }
    void on_peer_error(const PeerError& error) override { note("error " + error.code); }
    void on_cancel_request() override { note("cancel request"); }
    void on_return_path(const Message& message) override {
        note("return path " + std::to_string(message.type));
        const bool ready = message.type == static_cast<std::uint16_t>(ReturnPathType::ready);
        if (ready && throws_at_ready) throw std::runtime_error("cannot take it");
    }
    void on_control_ended(ErrorCode error) override { note("control ended " + name_of(error)); }
    void on_return_path_ended(ErrorCode error) override {
        note("return path ended " + name_of(error));
    }
    void on_control_fault(std::exception_ptr) override { note("fault"); }

    [[nodiscard]] std::vector<std::string> lines() const {
        const std::scoped_lock lock(mutex_);
        return lines_;
    }
    [[nodiscard]] bool await_lines(std::size_t count) const {
        return await([&] { return lines().size() >= count; });
    }
    [[nodiscard]] bool await_ticks(int more) const {
        const int target = ticks + more;
        return await([&] { return ticks >= target; });
    }

  private:
    static std::string name_of(const ErrorCode& error) {
        return error ? std::string(error_name(error)) : "well";
    }
    void note(std::string line) {
        const std::scoped_lock lock(mutex_);
        lines_.push_back(std::move(line));
    }
    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

using Lines = std::vector<std::string>;

/// A started control thread with both of its connections.
struct Control {
    Witness witness;
    ConnectionPair control;
    ConnectionPair main;
    ControlThread thread{witness, 2ms};

    Control() { thread.start(); }
    void attach() { thread.attach(std::move(control.ours)); }
};

std::vector<std::byte> some_error(const std::string& code, std::size_t text_bytes = 0) {
    PeerError error;
    error.code = code;
    error.message = std::string(text_bytes, 'x');
    return encode(error);
}

/// A heartbeat, an error, a cancel request and another heartbeat.
std::vector<std::byte> conversation() {
    std::vector<std::byte> bytes;
    append_message(bytes, ControlType::heartbeat, encode(Heartbeat{.progress = 1, .status = 0}));
    append_message(bytes, ControlType::error, some_error("idx_gap"));
    append_message(bytes, ControlType::cancel_request);
    append_message(bytes, ControlType::heartbeat, encode(Heartbeat{.progress = 2, .status = 0}));
    return bytes;
}

const Lines kConversation{"heartbeat 1", "error idx_gap", "cancel request", "heartbeat 2"};

/// The types of all messages in `bytes`, which end with a whole one.
std::vector<ControlType> types_in(std::span<const std::byte> bytes) {
    std::vector<ControlType> types;
    while (!bytes.empty()) {
        const auto parsed = parse_control(bytes);
        REQUIRE((parsed.has_value() && parsed->message));
        types.push_back(static_cast<ControlType>(parsed->message->type));
        bytes = bytes.subspan(parsed->consumed);
    }
    return types;
}

}  // namespace

TEST_CASE("each tick sends a heartbeat that says what the session says", "[engine]") {
    Control end;
    end.attach();
    std::vector<std::byte> expected;
    append_message(expected, ControlType::heartbeat,
                   encode(Heartbeat{.progress = 41, .status = 2}));
    for (int i = 0; i < 3; ++i) {
        CHECK(read_exactly(end.control.theirs, expected.size()) == expected);
    }
    CHECK(end.witness.ticks >= 3);
}

TEST_CASE("the thread ticks without any connection", "[engine]") {
    Control end;
    CHECK(end.witness.await_ticks(3));
    CHECK_FALSE(end.thread.last_heard());
}

TEST_CASE("the peer's messages are told in order, in pieces of every size", "[engine]") {
    const auto bytes = conversation();
    for (std::size_t piece = 1; piece <= bytes.size(); piece += piece < 20 ? 1 : 13) {
        CAPTURE(piece);
        Control end;
        end.attach();
        REQUIRE(write_in_pieces(end.control.theirs, bytes, piece));
        REQUIRE(end.witness.await_lines(kConversation.size()));
        end.thread.stop();
        REQUIRE(end.witness.lines() == kConversation);
    }
}

TEST_CASE("the last moment at which the peer was heard moves with what it says", "[engine]") {
    Control end;
    CHECK_FALSE(end.thread.last_heard());
    const auto before = Clock::now();
    end.attach();
    const auto attached = end.thread.last_heard();
    REQUIRE(attached);
    CHECK(*attached >= before);
    REQUIRE(end.witness.await_ticks(2));
    CHECK(end.thread.last_heard() == attached);
    REQUIRE(write_all(end.control.theirs, conversation()));
    REQUIRE(end.witness.await_lines(1));
    CHECK(*end.thread.last_heard() > *attached);
}

TEST_CASE("the end of the control connection is told once, with its reason", "[engine]") {
    struct Case {
        const char* name;
        std::vector<std::byte> bytes;
        Lines expected;
    };
    const std::vector<std::byte> part(3, std::byte{0x4d});
    std::vector<std::byte> damaged;
    append_message(damaged, ControlType::error, std::vector<std::byte>(5, std::byte{'{'}));
    auto after_garbage = std::vector<std::byte>(8, std::byte{0xab});
    const auto more = conversation();
    after_garbage.insert(after_garbage.end(), more.begin(), more.end());
    const auto one = GENERATE_COPY(values<Case>({
        {"in good order", {}, {"control ended well"}},
        {"inside a message", part, {"control ended stream_truncated"}},
        {"garbage", after_garbage, {"control ended return_path_type_unknown"}},
        {"an error that is none", damaged, {"control ended message_malformed"}},
    }));
    INFO(one.name);
    Control end;
    end.attach();
    REQUIRE(write_all(end.control.theirs, one.bytes));
    end.control.theirs.half_close();
    REQUIRE(end.witness.await_lines(1));
    REQUIRE(end.witness.await_ticks(3));
    CHECK(end.witness.lines() == one.expected);
}

TEST_CASE("what was said before the end is told before it", "[engine]") {
    Control end;
    end.attach();
    REQUIRE(write_all(end.control.theirs, conversation()));
    // Not closed: with heartbeats unread that would be a reset.
    end.control.theirs.half_close();
    REQUIRE(end.witness.await_lines(5));
    auto expected = kConversation;
    expected.emplace_back("control ended well");
    CHECK(end.witness.lines() == expected);
}

TEST_CASE("the return path is told, its end once, and the thread goes on", "[engine]") {
    Control end;
    std::vector<std::byte> bytes;
    append_message(bytes, ReturnPathType::pong, encode_u32(7));
    append_message(bytes, ReturnPathType::ready);
    Lines expected{"return path 2", "return path 19714"};
    SECTION("in good order") {
        expected.emplace_back("return path ended well");
    }
    SECTION("inside a message") {
        bytes.push_back(std::byte{0});
        expected.emplace_back("return path ended stream_truncated");
    }
    SECTION("garbage") {
        bytes.insert(bytes.end(), 100, std::byte{0xee});
        expected.emplace_back("return path ended return_path_type_unknown");
    }
    end.thread.watch_return_path(end.main.ours);
    REQUIRE(write_all(end.main.theirs, bytes));
    end.main.theirs.half_close();
    REQUIRE(end.witness.await_lines(3));
    end.attach();
    REQUIRE(write_all(end.control.theirs, conversation()));
    REQUIRE(end.witness.await_lines(7));
    REQUIRE(end.witness.await_ticks(2));
    expected.insert(expected.end(), kConversation.begin(), kConversation.end());
    CHECK(end.witness.lines() == expected);
}

TEST_CASE("a message that cannot be taken is a fault, told once, and the thread goes on",
          "[engine]") {
    Control end;
    end.witness.throws_at_ready = true;
    std::vector<std::byte> bytes;
    append_message(bytes, ReturnPathType::pong, encode_u32(7));
    append_message(bytes, ReturnPathType::ready);
    append_message(bytes, ReturnPathType::switchover_ack);
    end.thread.watch_return_path(end.main.ours);
    REQUIRE(write_all(end.main.theirs, bytes));
    REQUIRE(end.witness.await_lines(4));
    REQUIRE(end.witness.await_ticks(3));
    std::vector<std::byte> later;
    append_message(later, ReturnPathType::pong, encode_u32(8));
    REQUIRE(write_all(end.main.theirs, later));
    REQUIRE(end.witness.await_lines(5));
    REQUIRE(end.witness.await_ticks(2));
    CHECK(end.witness.lines() ==
          Lines{"return path 2", "return path 19714", "fault", "return path 7", "return path 2"});
}

TEST_CASE("what is flushed has been handed to the kernel, in order", "[engine]") {
    Control end;
    end.attach();
    end.thread.send(ControlType::error, some_error("idx_gap", 1000));
    end.thread.send(ControlType::cancel_request);
    end.thread.flush(patience());
    const auto types = types_in(read_available(end.control.theirs));
    const auto error = std::ranges::find(types, ControlType::error);
    REQUIRE(error != types.end());
    CHECK(std::find(error, types.end(), ControlType::cancel_request) != types.end());
}

TEST_CASE("without a connection nothing is kept and nothing is waited for", "[engine]") {
    Control end;
    const auto before = Clock::now();
    end.thread.send(ControlType::cancel_request);
    end.thread.flush(patience());
    end.thread.await_last_word(patience());
    CHECK(Clock::now() - before < kPatience / 2);
    end.attach();
    const auto types = types_in(read_exactly(end.control.theirs, 2 * (4 + kHeartbeatBytes)));
    CHECK(std::ranges::count(types, ControlType::heartbeat) == 2);
}

TEST_CASE("a peer that does not read costs bounded memory and stops no tick", "[engine]") {
    Control end;
    shrink_send_buffer(end.control.ours);
    end.attach();
    const auto body = some_error("idx_gap", 1000);
    constexpr std::size_t kMessages = 20'000;
    for (std::size_t i = 0; i < kMessages; ++i) end.thread.send(ControlType::error, body);
    REQUIRE(end.witness.await_ticks(3));
    const auto before = Clock::now();
    end.thread.flush(Clock::now() + 30ms);
    CHECK(Clock::now() - before >= 30ms);

    auto reading = std::async(std::launch::async, [&] { return read_all(end.control.theirs); });
    end.thread.flush(patience());
    end.thread.stop();
    const auto bytes = reading.get();
    CHECK(bytes.size() >= (1U << 20U));
    CHECK(bytes.size() < 2 * (1U << 20U));
    CHECK(bytes.size() < kMessages * body.size() / 5);
    CHECK(types_in(bytes).size() > 1000);  // All of them whole.
}

TEST_CASE("the last word is awaited until the peer ends, or in time", "[engine]") {
    Control end;
    end.attach();
    SECTION("it ends") {
        auto waiting =
            std::async(std::launch::async, [&] { end.thread.await_last_word(kNoDeadline); });
        REQUIRE(write_all(end.control.theirs, conversation()));
        end.control.theirs.half_close();
        REQUIRE(waiting.wait_for(kPatience) == std::future_status::ready);
        CHECK(end.witness.lines().size() == 5);
    }
    SECTION("it does not") {
        const auto before = Clock::now();
        end.thread.await_last_word(before + 20ms);
        CHECK(Clock::now() - before >= 20ms);
        CHECK(end.witness.lines().empty());
    }
}

TEST_CASE("stopping ends every wait, closes the connection, and can be repeated", "[engine]") {
    Control end;
    shrink_send_buffer(end.control.ours);
    end.attach();
    const auto body = some_error("idx_gap", 1000);
    for (int i = 0; i < 2000; ++i) end.thread.send(ControlType::error, body);
    auto flushing = std::async(std::launch::async, [&] { end.thread.flush(patience()); });
    auto waiting = std::async(std::launch::async, [&] { end.thread.await_last_word(patience()); });
    REQUIRE(end.witness.await_ticks(2));
    end.thread.stop();
    CHECK(flushing.wait_for(kPatience / 2) == std::future_status::ready);
    CHECK(waiting.wait_for(kPatience / 2) == std::future_status::ready);
    (void)read_all(end.control.theirs);
    CHECK(reads_end(end.control.theirs));
    const int ticks = end.witness.ticks;
    end.thread.stop();
    CHECK(end.witness.ticks == ticks);
    CHECK(end.witness.lines().empty());
}

}  // namespace multifd
