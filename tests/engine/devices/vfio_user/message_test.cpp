#include "engine/devices/vfio_user/message.hpp"

#include <bit>
#include <catch2/catch.hpp>
#include <cstring>

namespace multifd::vfio_user {
namespace {

static_assert(std::endian::native == std::endian::little, "the bytes below are written down so");

Bytes bytes(std::initializer_list<unsigned> values) {
    Bytes result;
    for (const unsigned value : values) result.push_back(static_cast<std::byte>(value));
    return result;
}

template <class T>
std::string refusal(const Decoded<T>& decoded) {
    return decoded.has_value() ? "taken" : decoded.error().what;
}

Header header_of(ConstBytes message) {
    HeaderBytes head{};
    std::memcpy(head.data(), message.data(), head.size());
    return decode_header(head);
}

}  // namespace

TEST_CASE("a command is the header the specification draws, then its payload", "[vfio_user]") {
    const Bytes payload = bytes({0xaa, 0xbb});
    const Bytes message = make_command(0x1234, Command::mig_data_read, payload);
    CHECK(message == bytes({0x34, 0x12, 17, 0, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xaa, 0xbb}));
    CHECK(header_of(message).payload_bytes() == 2);
}

TEST_CASE("a reply repeats id and command, and an error reply is a header only", "[vfio_user]") {
    const Header command = header_of(make_command(7, Command::device_reset));
    const Header reply = header_of(make_reply(command, bytes({1, 2, 3})));
    CHECK(reply.id == 7);
    CHECK(reply.command == Command::device_reset);
    CHECK(reply.flags == 1);
    CHECK(reply.size == 19);

    const Bytes refused = make_error_reply(command, std::errc::device_or_resource_busy);
    CHECK(refused.size() == kHeaderBytes);
    CHECK(header_of(refused).flags == 0x21);
    CHECK(header_of(refused).error == 16);
    CHECK(header_of(refused).failed());
}

TEST_CASE("a header survives encoding, whatever is in it", "[vfio_user]") {
    const Header header{0xfffe, static_cast<Command>(999), 0xdeadbeef, 0x80000031, 42};
    CHECK(decode_header(encode(header)) == header);
    CHECK(header.no_reply());
}

TEST_CASE("a header that no message can follow is refused", "[vfio_user]") {
    struct Case {
        const char* name;
        std::uint32_t size;
        std::uint32_t flags;
        std::errc expected;
    };
    const auto broken = GENERATE(values<Case>({
        {"no room for itself", 15, 0, std::errc::message_size},
        {"size 0", 0, 0, std::errc::message_size},
        {"over the limit", 101, 0, std::errc::message_size},
        {"a reply where a command belongs", 16, 1, std::errc::invalid_argument},
        {"a type that is none", 16, 5, std::errc::invalid_argument},
    }));
    INFO(broken.name);
    const auto refusal =
        check({1, Command::version, broken.size, broken.flags, 0}, Header::kTypeCommand, 100);
    REQUIRE(refusal);
    CHECK(refusal->error == broken.expected);
    CHECK_FALSE(check({1, Command::version, 16, 0x10, 0}, Header::kTypeCommand, 100));
    CHECK_FALSE(check({1, Command::version, 100, 0, 0}, Header::kTypeCommand, 100));
}

TEST_CASE("every command has its name, and a stranger its number", "[vfio_user]") {
    CHECK(name_of(Command::mig_data_write) == "MIG_DATA_WRITE");
    CHECK(name_of(static_cast<Command>(14)) == "command 14");
    CHECK(name_of(static_cast<Command>(65535)) == "command 65535");
    for (std::uint16_t number = 1; number <= 18; ++number) {
        const bool known = number != 14;
        CAPTURE(number);
        CHECK(name_of(static_cast<Command>(number)).starts_with("command ") != known);
    }
}

TEST_CASE("features are decoded, and contradictions refused", "[vfio_user]") {
    const auto decoded = [](std::uint32_t argsz, std::uint32_t flags) {
        return decode_feature(encode(FeatureMessage{argsz, flags}));
    };
    const auto state = decoded(16, FeatureMessage::kGet | 2U);
    REQUIRE(state.has_value());
    CHECK(state->feature() == Feature::mig_device_state);
    CHECK(state->get());
    CHECK_FALSE(state->set());
    CHECK(decoded(8, FeatureMessage::kProbe | 2U).has_value());
    CHECK(decoded(8, FeatureMessage::kProbe | FeatureMessage::kGet | FeatureMessage::kSet | 2U)
              .has_value());

    CHECK(refusal(decoded(16, 2)) != "taken");
    CHECK(refusal(decoded(16, FeatureMessage::kGet | FeatureMessage::kSet | 2U)) != "taken");
    CHECK(refusal(decoded(16, FeatureMessage::kGet | 0x80000U | 2U)) != "taken");
    CHECK(refusal(decoded(7, FeatureMessage::kGet | 2U)) != "taken");
}

TEST_CASE("migration data: sizes must fit the negotiation, the reply and the message",
          "[vfio_user]") {
    constexpr std::size_t kMost = 64;
    const auto read = [](std::uint32_t argsz, std::uint32_t size) {
        return decode_data_read(encode(MigrationData{argsz, size}), kMost);
    };
    CHECK(read(72, 64)->size == 64);
    CHECK(read(8, 0).has_value());
    CHECK(refusal(read(1000, 65)).find("at most 64") != std::string::npos);
    CHECK(refusal(read(71, 64)).find("argsz") != std::string::npos);
    // A sum that wraps around would let it through.
    CHECK(refusal(read(7, 0xffffffff)) != "taken");

    const Bytes data(64, std::byte{5});
    const auto write = [&](std::uint32_t size, std::size_t given) {
        return decode_data_write(encode(MigrationData{72, size, ConstBytes(data).first(given)}),
                                 kMost);
    };
    CHECK(write(64, 64)->data.size() == 64);
    CHECK(write(0, 0).has_value());
    CHECK(refusal(write(64, 63)).find("63 bytes of data") != std::string::npos);
    CHECK(refusal(write(63, 64)) != "taken");
    CHECK(refusal(write(65, 64)).find("at most 64") != std::string::npos);
}

TEST_CASE("region accesses: as many bytes as they say, and no more than negotiated",
          "[vfio_user]") {
    const Bytes data(8, std::byte{5});
    const RegionAccess access{0x1122334455667788, 7, 8, data};
    const Bytes encoded = encode(access);
    const auto decoded = decode_region_write(encoded, 8);
    REQUIRE(decoded.has_value());
    CHECK(decoded->offset == access.offset);
    CHECK(decoded->region == 7);
    CHECK(decoded->data.size() == 8);
    CHECK(refusal(decode_region_write(encoded, 7)) != "taken");
    CHECK(refusal(decode_region_write(ConstBytes(encoded).first(encoded.size() - 1), 8)) !=
          "taken");
    CHECK(decode_region_read(encode(RegionAccess{0, 7, 8}), 8).has_value());
    CHECK(refusal(decode_region_read(encode(RegionAccess{0, 7, 9}), 8)) != "taken");
}

TEST_CASE("a payload that was cut short is refused at every length", "[vfio_user]") {
    const auto cut_everywhere = [](const Bytes& whole, std::size_t needed, auto decode) {
        for (std::size_t length = 0; length < whole.size(); ++length) {
            CAPTURE(length);
            CHECK(decode(ConstBytes(whole).first(length)).has_value() == (length >= needed));
        }
    };
    cut_everywhere(encode(DeviceInfo{}), 16, decode_device_info);
    cut_everywhere(encode(RegionInfo{}), 32, decode_region_info);
    cut_everywhere(encode(FeatureMessage{16, FeatureMessage::kGet | 1U}), 8, decode_feature);
    cut_everywhere(encode(MigrationData{8, 0}), 8,
                   [](ConstBytes payload) { return decode_data_read(payload, 64); });
    cut_everywhere(encode(RegionAccess{0, 7, 4}), 16,
                   [](ConstBytes payload) { return decode_region_read(payload, 64); });
    CHECK_FALSE(decode_device_info(encode(DeviceInfo{.argsz = 15})).has_value());
    CHECK_FALSE(decode_region_info(encode(RegionInfo{.argsz = 31})).has_value());
}

}  // namespace multifd::vfio_user
