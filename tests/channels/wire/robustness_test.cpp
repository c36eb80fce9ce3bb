// Short streams of every kind, cut at every byte and flipped at every byte: a typed error or a
// request for more, never a read outside. Each view is a heap block of its exact size, so the
// address sanitizer sees what a check here cannot.
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>

#include "channels/wire/hello.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/recording.hpp"
#include "channels/wire/transfer_report.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

/// A block of exactly these bytes.
class Exact {
  public:
    explicit Exact(std::span<const std::byte> bytes)
        : bytes_(std::make_unique<std::byte[]>(bytes.size())), size_(bytes.size()) {
        std::ranges::copy(bytes, bytes_.get());
    }
    [[nodiscard]] std::span<const std::byte> view() const { return {bytes_.get(), size_}; }

  private:
    std::unique_ptr<std::byte[]> bytes_;
    std::size_t size_;
};

template <class Reader>
std::string drain(Reader& reader, std::size_t bytes) {
    for (std::size_t reads = 0; reads <= bytes; ++reads) {
        const auto next = reader.next();
        if (!next) return outcome(next);
        if (!*next) return "ok";
    }
    return "no end";
}

struct Kind {
    const char* name;
    Bytes sample;
    std::string (*read)(std::span<const std::byte>);
};

std::string read_session(std::span<const std::byte> bytes) {
    return receive(bytes, session_sections()).end;
}
std::string read_as_qemu(std::span<const std::byte> bytes) {
    return receive(bytes, session_sections(), {.extensions = false}).end;
}
std::string read_recording(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    MainStreamReader reader(exact.view());
    return drain(reader, bytes.size());
}
std::string read_channel(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    ChannelReader reader(exact.view());
    const auto init = reader.init();
    return init ? drain(reader, bytes.size()) : outcome(init);
}
template <RecordingKind Messages>
std::string read_messages(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    MessageReader reader(exact.view(), Messages);
    return drain(reader, bytes.size());
}
std::string read_hello(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    return outcome(decode_hello(exact.view()));
}
std::string read_peer_error(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    return outcome(decode_peer_error(exact.view()));
}
std::string read_verify(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    return outcome(decode_verify(exact.view()));
}
std::string read_transfer_report(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    return outcome(decode_transfer_report(exact.view()));
}
std::string read_heartbeat(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    return outcome(decode_heartbeat(exact.view()));
}
std::string read_config(std::span<const std::byte> bytes) {
    const Exact exact(bytes);
    return outcome(unwrap_config(exact.view()));
}

Bytes channel_sample() {
    Bytes bytes(kChannelInitBytes);
    encode(ChannelInit{.session = {}, .id = 1}, kMultifdMagic,
           std::span<std::byte, kChannelInitBytes>(bytes));
    Bytes ram =
        from_hex("11223344 00000001 00000000 00000080 00000000 00000000 0000000000000001 00000002");
    ram.resize(kRamHeaderBytes);
    std::ranges::copy(bytes_of("pc.ram"), ram.begin() + 64);
    append_bytes(bytes, ram);
    std::array<std::byte, kDeviceStatePrologueBytes> prologue{};
    encode({.idstr = "gpu0", .instance_id = 0, .idx = 0, .config = false, .data_bytes = 5},
           prologue);
    append_bytes(bytes, prologue);
    append_bytes(bytes, bytes_of("state"));
    encode({.idstr = "gpu0", .instance_id = 0, .idx = 1, .config = true, .data_bytes = 17},
           prologue);
    append_bytes(bytes, prologue);
    append_bytes(bytes, from_hex("ffffffffef100002 63 ffffffffef100001"));
    std::array<std::byte, kPacketPrefixBytes> end{};
    encode_channel_end(end);
    append_bytes(bytes, end);
    return bytes;
}

Bytes return_path_sample() {
    Bytes bytes;
    append_message(bytes, ReturnPathType::hello, bytes_of("{}"));
    append_message(bytes, ReturnPathType::pong, encode_u32(kHelloPing));
    append_message(bytes, ReturnPathType::ready);
    append_message(bytes, ReturnPathType::switchover_ack);
    append_message(bytes, ReturnPathType::transfer_report, encode(TransferReport{}));
    append_message(bytes, ReturnPathType::loaded, encode_verify({{VerifyEntry{}}}).front());
    append_message(bytes, ReturnPathType::running);
    append_message(bytes, ReturnPathType::shut, encode_u32(0));
    return bytes;
}

Bytes control_sample() {
    Bytes bytes;
    append_message(bytes, ControlType::heartbeat, encode(Heartbeat{7, 3}));
    append_message(bytes, ControlType::error, bytes_of("{}"));
    append_message(bytes, ControlType::cancel_request);
    return bytes;
}

Bytes hello_sample() {
    Hello hello;
    hello.software = "multifd";
    hello.features = {"zstd"};
    hello.channels = 4;
    hello.packet_bytes = 4096;
    hello.session = SessionId{};
    hello.devices = {{.identity = {"gpu0", 1}, .multifd = MultifdChoice::on, .running = false}};
    return encode(hello).value();
}

std::vector<Kind> kinds() {
    const PeerError error{.code = "idx_gap",
                          .phase = "device",
                          .device = "gpu0",
                          .idx = 1,
                          .channel = 2,
                          .message = "m"};
    const Bytes heartbeat = [] {
        const auto bytes = encode(Heartbeat{1, 2});
        return Bytes(bytes.begin(), bytes.end());
    }();
    return {
        {"session", session_stream(), read_session},
        {"session of a QEMU peer", session_stream(), read_as_qemu},
        {"recording", qemu_stream(), read_recording},
        {"recording of a session", session_stream(), read_recording},
        {"channel", channel_sample(), read_channel},
        {"return path", return_path_sample(), read_messages<RecordingKind::return_path>},
        {"control", control_sample(), read_messages<RecordingKind::control>},
        {"hello", hello_sample(), read_hello},
        {"error", encode(error), read_peer_error},
        {"verify", encode_verify({{VerifyEntry{1, 2, 3, 4}}}).front(), read_verify},
        {"transfer report", encode(TransferReport{}), read_transfer_report},
        {"heartbeat", heartbeat, read_heartbeat},
        {"config", from_hex("ffffffffef100002 0102 ffffffffef100001"), read_config},
    };
}

/// A name of the error list, or "ok".
bool typed(const std::string& end) {
    return end == "ok" || errc_of_name(end) != Errc::ok;
}

}  // namespace

TEST_CASE("every kind of stream is read whole", "[wire][robustness]") {
    for (const Kind& kind : kinds()) {
        INFO(kind.name);
        const bool refused = kind.read == read_as_qemu;
        CHECK(kind.read(kind.sample) == (refused ? "command_unknown" : "ok"));
    }
}

TEST_CASE("a stream cut at any byte gives a typed error or a clean end", "[wire][robustness]") {
    for (const Kind& kind : kinds()) {
        INFO(kind.name);
        for (std::size_t length = 0; length <= kind.sample.size(); ++length) {
            const std::string end = kind.read(std::span(kind.sample).first(length));
            if (!typed(end) || end == "internal_error") FAIL("cut at " << length << ": " << end);
        }
    }
}

TEST_CASE("a stream flipped at any byte gives a typed error or other content",
          "[wire][robustness]") {
    for (const Kind& kind : kinds()) {
        INFO(kind.name);
        for (std::size_t at = 0; at < kind.sample.size(); ++at) {
            for (const unsigned flip : {0xffU, 1U, 2U, 4U, 8U, 16U, 32U, 64U, 128U}) {
                Bytes flipped = kind.sample;
                flipped[at] ^= static_cast<std::byte>(flip);
                const std::string end = kind.read(flipped);
                if (typed(end) && end != "internal_error") continue;
                FAIL("flip " << flip << " at " << at << ": " << end);
            }
        }
    }
}

TEST_CASE("every prologue and RAM header with one byte changed decodes or is refused",
          "[wire][robustness]") {
    const Bytes sample = channel_sample();
    const auto at_device = kChannelInitBytes + kRamHeaderBytes;
    for (std::size_t at = 0; at < kDeviceStatePrologueBytes; ++at) {
        for (unsigned value = 0; value < 256; ++value) {
            std::array<std::byte, kDeviceStatePrologueBytes> wire{};
            std::copy_n(sample.begin() + static_cast<std::ptrdiff_t>(at_device), wire.size(),
                        wire.begin());
            wire[at] = static_cast<std::byte>(value);
            const auto decoded = decode_device_state(wire);
            if (!decoded) continue;
            // What was accepted is within the limits, and is what these bytes say.
            std::array<std::byte, kDeviceStatePrologueBytes> again{};
            encode(*decoded, again);
            if (again != wire) FAIL("byte " << at << " = " << value);
        }
    }
}
