#include "engine/devices/vfio_user/state_sections.hpp"

#include <catch2/catch.hpp>

#include "channels/wire/big_endian.hpp"
#include "engine/packets/transfer_digest.hpp"

namespace multifd::vfio_user {
namespace {

const ServedIdentity kIdentity{"memory", "gpu0", 3};

struct Taken final : SectionSink {
    CallResult take_data(ConstBytes bytes) override {
        append_bytes(data, bytes);
        return refuses ? CallResult::failure(std::errc::io_error, "the device says no")
                       : CallResult::success();
    }
    CallResult take_config(ConstBytes bytes) override {
        ++configs;
        append_bytes(config, bytes);
        return CallResult::success();
    }
    Bytes data;
    Bytes config;
    int configs = 0;
    bool refuses = false;
};

Bytes text(std::string_view letters) {
    const auto bytes = bytes_of(letters);
    return {bytes.begin(), bytes.end()};
}

Bytes joined(Bytes first, const Bytes& second) {
    append_bytes(first, second);
    return first;
}

Bytes data_section(std::string_view letters) {
    Bytes bytes;
    append_data_head(bytes, letters.size());
    append_bytes(bytes, bytes_of(letters));
    return bytes;
}

Bytes whole_state() {
    Bytes bytes;
    append_state_header(bytes, kIdentity);
    append_bytes(bytes, data_section("some"));
    append_bytes(bytes, data_section(" state"));
    append_config(bytes, text("config"));
    append_footer_and_end(bytes, 10, hash_of(text("some stateconfig")));
    return bytes;
}

/// The first failure, be it of a byte or of the end; "" when there was none.
std::string failure_of(const Bytes& state, const ServedIdentity& identity = kIdentity) {
    SectionReader reader(identity);
    Taken taken;
    CallResult fed = reader.feed(state, taken);
    if (fed.ok()) fed = reader.finish();
    CHECK((fed.ok() || fed.error == std::errc::bad_message));
    return fed.detail;
}

}  // namespace

TEST_CASE("the sections of a state, byte by byte", "[vfio_user]") {
    Bytes bytes;
    append_state_header(bytes, {"m", "ab", 0x01020304});
    CHECK(text_of(bytes) == std::string_view("\x01MFVS\0\0\0\1\1m\2ab\1\2\3\4", 18));
    CHECK(text_of(data_section("xyz")) == std::string_view("\x02\0\0\0\3xyz", 8));
    bytes.clear();
    append_config(bytes, {});
    CHECK(bytes.empty());
    append_config(bytes, text("c"));
    CHECK(text_of(bytes) == std::string_view("\x03\0\0\0\1c", 6));
    bytes.clear();
    append_footer_and_end(bytes, 2, 0x1122);
    CHECK(text_of(bytes) == std::string_view("\x7e\0\0\0\0\0\0\0\2\0\0\0\0\0\0\x11\x22\0", 18));
}

TEST_CASE("a state is read in pieces of any size", "[vfio_user]") {
    const Bytes state = whole_state();
    for (std::size_t piece = 1; piece <= state.size(); ++piece) {
        CAPTURE(piece);
        SectionReader reader(kIdentity);
        Taken taken;
        for (std::size_t at = 0; at < state.size(); at += piece) {
            const auto part = ConstBytes(state).subspan(at, std::min(piece, state.size() - at));
            const CallResult fed = reader.feed(part, taken);
            INFO(fed.detail);
            REQUIRE(fed.ok());
        }
        CHECK(reader.finish().ok());
        CHECK(taken.data == text("some state"));
        CHECK(taken.config == text("config"));
        CHECK(taken.configs == 1);
    }
}

TEST_CASE("an empty state is one", "[vfio_user]") {
    Bytes empty;
    append_state_header(empty, kIdentity);
    append_footer_and_end(empty, 0, hash_of({}));
    CHECK(failure_of(empty).empty());
    CHECK(failure_of({}).empty());
}

TEST_CASE("a state that ends early is incomplete, wherever it ends", "[vfio_user]") {
    const Bytes state = whole_state();
    for (std::size_t length = 1; length < state.size(); ++length) {
        CAPTURE(length);
        const Bytes part(state.begin(), state.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK(failure_of(part).starts_with("the state is incomplete"));
    }
}

TEST_CASE("one wrong byte anywhere is noticed", "[vfio_user]") {
    const Bytes state = whole_state();
    for (std::size_t at = 0; at < state.size(); ++at) {
        for (const unsigned bit : {0x01U, 0x80U}) {
            CAPTURE(at, bit);
            Bytes wrong = state;
            wrong[at] ^= static_cast<std::byte>(bit);
            CHECK_FALSE(failure_of(wrong).empty());
        }
    }
}

TEST_CASE("what is wrong with a state is said", "[vfio_user]") {
    const Bytes state = whole_state();
    CHECK(failure_of(state, {"memory", "gpu1", 3})
              .find("state of memory \"gpu0\"/3, the device "
                    "is memory \"gpu1\"/3") != std::string::npos);
    CHECK(failure_of(state, {"file", "gpu0", 3}).find("is file") != std::string::npos);
    CHECK(failure_of(state, {"memory", "gpu0", 0}).find("gpu0\"/0") != std::string::npos);

    Bytes version = state;
    version[8] = std::byte{2};
    CHECK(failure_of(version).starts_with("the state has version 2, known is 1"));
    Bytes magic = state;
    magic[1] = std::byte{0};
    CHECK(failure_of(magic).starts_with("this is no state of a served device"));
    Bytes trailing = state;
    trailing.push_back(std::byte{0});
    CHECK(failure_of(trailing).find("follow the end") != std::string::npos);
    Bytes count = state;
    count[count.size() - 10] ^= std::byte{1};
    CHECK(failure_of(count).find("the footer tells of 11 bytes") != std::string::npos);
    Bytes digest = state;
    digest[digest.size() - 2] ^= std::byte{1};
    CHECK(failure_of(digest).find("digest") != std::string::npos);
}

TEST_CASE("sections have their order and their sizes", "[vfio_user]") {
    const auto after_header = [](const Bytes& rest) {
        Bytes bytes;
        append_state_header(bytes, kIdentity);
        append_bytes(bytes, rest);
        return failure_of(bytes);
    };
    Bytes config;
    append_config(config, text("c"));
    CHECK(after_header(text("\x05")).starts_with("a section of type 5"));
    CHECK(after_header(joined(config, data_section("late"))).starts_with("a section of type 2"));
    CHECK(after_header(joined(config, config)).starts_with("a section of type 3"));
    CHECK(after_header(text(std::string_view("\x02\0\0\0\0", 5))).starts_with("a section of 0"));
    CHECK(after_header(text(std::string_view("\x02\1\0\0\1", 5)))
              .starts_with("a section of 16777217 bytes"));
    CHECK(after_header(text(std::string_view("\x03\0\x10\0\1", 5)))
              .starts_with("a section of 1048577 bytes"));
}

TEST_CASE("a failure stays, also one of the device", "[vfio_user]") {
    const Bytes state = whole_state();
    SectionReader reader(kIdentity);
    Taken taken;
    taken.refuses = true;
    CHECK(reader.feed(state, taken).detail == "the device says no");
    taken.refuses = false;
    CHECK(reader.feed(state, taken).detail == "the device says no");
    CHECK(reader.finish().detail == "the device says no");
}

}  // namespace multifd::vfio_user
