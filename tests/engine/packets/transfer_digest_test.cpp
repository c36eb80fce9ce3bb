#include "engine/packets/transfer_digest.hpp"

#include <catch2/catch.hpp>
#include <numeric>
#include <string_view>
#include <vector>

namespace multifd {
namespace {

void fold(TransferDigest& digest, std::uint32_t idx, std::uint32_t flags, std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    digest.fold(idx, flags, bytes.size(), hash_of(bytes));
}

}  // namespace

TEST_CASE("the digest is the one of the protocol's worked example", "[engine]") {
    TransferDigest digest;
    CHECK(digest_text(digest.value()) == "0000000000000000");
    fold(digest, TransferDigest::kMainChannelIdx, 0, "early");
    CHECK(digest_text(digest.value()) == "abee7697cb5e151d");
    fold(digest, 0, 0, "DATA");
    CHECK(digest_text(digest.value()) == "adb0000e2b64a492");
    fold(digest, 1, TransferDigest::kConfigFlag, "conf");
    CHECK(digest_text(digest.value()) == "95584244a1e6e77d");
}

TEST_CASE("a state on the main channel has the protocol's other worked digest", "[engine]") {
    TransferDigest digest;
    fold(digest, TransferDigest::kMainChannelIdx, 0, "late");
    fold(digest, TransferDigest::kMainChannelIdx, TransferDigest::kConfigFlag, "conf");
    CHECK(digest_text(digest.value()) == "1ce31805ade7b814");
}

TEST_CASE("pre-copy data on the channels has the protocol's third worked digest", "[engine]") {
    TransferDigest digest;
    fold(digest, 0, 0x80000000, "early");
    CHECK(digest_text(digest.value()) == "c51c0262b944d760");
    fold(digest, 1, 0, "DATA");
    fold(digest, 2, TransferDigest::kConfigFlag, "conf");
    CHECK(digest_text(digest.value()) == "14b0cfafd8365faf");
}

TEST_CASE("whatever differs in one item changes the digest", "[engine]") {
    TransferDigest reference;
    reference.fold(3, 0, 100, 0x1234);
    const auto differs = [&](auto... item) {
        TransferDigest other;
        other.fold(item...);
        return other.value() != reference.value();
    };
    CHECK(differs(4U, 0U, 100U, 0x1234U));
    CHECK(differs(3U, 1U, 100U, 0x1234U));
    CHECK(differs(3U, 0U, 101U, 0x1234U));
    CHECK(differs(3U, 0U, 100U, 0x1235U));
    CHECK_FALSE(differs(3U, 0U, 100U, 0x1234U));
}

TEST_CASE("the order of items matters", "[engine]") {
    TransferDigest forwards, backwards;
    fold(forwards, 0, 0, "a");
    fold(forwards, 1, 0, "b");
    fold(backwards, 1, 0, "b");
    fold(backwards, 0, 0, "a");
    CHECK(forwards.value() != backwards.value());
}

TEST_CASE("a hash by pieces is the hash of the whole, and can be taken again", "[engine]") {
    std::vector<std::byte> bytes(5000);
    std::iota(reinterpret_cast<unsigned char*>(bytes.data()),
              reinterpret_cast<unsigned char*>(bytes.data()) + bytes.size(), 0);
    PiecewiseHash hash;
    for (const std::size_t piece : {1U, 7U, 64U, 1000U, 5000U}) {
        CAPTURE(piece);
        hash.restart();
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            hash.add(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
        }
        CHECK(hash.value() == hash_of(bytes));
    }
    hash.restart();
    CHECK(hash.value() == hash_of({}));
}

}  // namespace multifd
