#include "engine/devices/vfio_user/version.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "channels/wire/big_endian.hpp"

namespace multifd::vfio_user {
namespace {

/// Version 0.1 with `text`, which brings its own NUL.
Bytes payload(std::string_view text, std::uint16_t major = 0, std::uint16_t minor = 1) {
    Bytes bytes;
    append_native(bytes, major);
    append_native(bytes, minor);
    append_bytes(bytes, bytes_of(text));
    return bytes;
}

Bytes json_payload(const std::string& text) {
    return payload(std::string_view(text.c_str(), text.size() + 1));
}

}  // namespace

TEST_CASE("what we say of ourselves can be read again", "[vfio_user]") {
    const auto decoded = decode_version(encode(own_version()));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == own_version());
    CHECK(encode(own_version()).back() == std::byte{0});
}

TEST_CASE("what is missing has the specification's default", "[vfio_user]") {
    const Version plain{0, 1, 1, 1048576};
    CHECK(*decode_version(payload("")) == plain);
    CHECK(*decode_version(json_payload("{}")) == plain);
    CHECK(*decode_version(json_payload(R"({"capabilities":{}})")) == plain);
    CHECK(*decode_version(json_payload(R"({"capabilities":{"migration":{"pgsize":4096}}})")) ==
          plain);
    const auto said = decode_version(
        json_payload(R"({"capabilities":{"max_msg_fds":8,"max_data_xfer_size":65536}})"));
    CHECK(*said == Version{0, 1, 8, 65536});
}

TEST_CASE("a version that cannot be taken is refused", "[vfio_user]") {
    struct Case {
        const char* name;
        Bytes payload;
        std::errc expected;
    };
    using namespace std::string_view_literals;
    const auto invalid = std::errc::invalid_argument;
    const auto broken = GENERATE_COPY(values<Case>({
        {"major 1", payload("", 1, 0), std::errc::protocol_not_supported},
        {"no NUL", payload("{}"), invalid},
        {"no JSON", json_payload("capabilities"), invalid},
        {"no object", json_payload("[]"), invalid},
        {"cut short", json_payload(R"({"capabilities":{"max_msg_fds":8)"), invalid},
        {"capabilities of another type", json_payload(R"({"capabilities":1})"), invalid},
        {"a text for a number", json_payload(R"({"capabilities":{"max_msg_fds":"8"}})"), invalid},
        {"a negative number", json_payload(R"({"capabilities":{"max_msg_fds":-1}})"), invalid},
        {"a fraction", json_payload(R"({"capabilities":{"max_data_xfer_size":1.5}})"), invalid},
        {"too many descriptors", json_payload(R"({"capabilities":{"max_msg_fds":1025}})"), invalid},
        {"no transfers", json_payload(R"({"capabilities":{"max_data_xfer_size":0}})"), invalid},
        {"bottomless", json_payload(std::string(60000, '[')), invalid},
        {"no UTF-8", json_payload("{\"\xff\":1}"), invalid},
        {"NUL inside", payload("{}\0{}\0"sv), invalid},
    }));
    INFO(broken.name);
    const auto decoded = decode_version(broken.payload);
    REQUIRE_FALSE(decoded.has_value());
    CHECK(decoded.error().error == broken.expected);
    CHECK_FALSE(decoded.error().what.empty());
}

TEST_CASE("a version is refused wherever it is cut", "[vfio_user]") {
    const Bytes whole = encode(own_version());
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CAPTURE(length);
        // Four bytes alone are a version without data.
        CHECK(decode_version(ConstBytes(whole).first(length)).has_value() == (length == 4));
    }
}

TEST_CASE("an answer never has a larger minor version, and transfers suit both", "[vfio_user]") {
    Version peer;
    peer.minor = 0;
    CHECK(answer_to(peer).minor == 0);
    peer.minor = 9;
    CHECK(answer_to(peer).minor == kVersionMinor);
    peer.max_data_xfer_size = 1000;
    CHECK(transfer_bytes(peer) == 1000);
    peer.max_data_xfer_size = UINT64_MAX;
    CHECK(transfer_bytes(peer) == kTransferBytesDefault);
}

}  // namespace multifd::vfio_user
