// Hashes in the order in which channels finish, folded in the order of idx.
#include "engine/packets/sent_digest.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <future>
#include <numeric>

#include "channels/wire/assert.hpp"
#include "tests/support/connection_pair.hpp"

namespace multifd {
namespace {

SentItem item(std::uint32_t idx) {
    return {.idx = idx, .flags = idx % 3, .length = 100 + idx, .hash = 0x1000 + idx};
}

/// What folding from `first` on, in order, comes to.
std::uint64_t folded(std::uint32_t first, std::uint32_t count) {
    TransferDigest digest;
    for (std::uint32_t idx = first; idx < first + count; ++idx) {
        const auto next = item(idx);
        digest.fold(next.idx, next.flags, next.length, next.hash);
    }
    return digest.value();
}

}  // namespace

TEST_CASE("every order of arrival comes to the digest of the order of idx", "[engine]") {
    const std::uint32_t first = GENERATE(0U, 7U, 0xfffffff0U);
    std::array<std::uint32_t, 5> arrival{};
    std::iota(arrival.begin(), arrival.end(), first);
    do {
        CAPTURE(arrival);
        TransferDigest target;
        SentDigest digest(target, first);
        for (const auto idx : arrival) {
            REQUIRE(digest.await_room(idx));
            digest.add(item(idx));
        }
        CHECK(target.value() == folded(first, 5));
    } while (std::ranges::next_permutation(arrival).found);
}

TEST_CASE("what is behind a missing packet is not folded yet", "[engine]") {
    TransferDigest target;
    SentDigest digest(target, 0);
    digest.add(item(0));
    digest.add(item(2));
    CHECK(target.value() == folded(0, 1));
    digest.add(item(1));
    CHECK(target.value() == folded(0, 3));
}

TEST_CASE("a device a window ahead of a slow channel's packet waits for it", "[engine]") {
    TransferDigest target;
    SentDigest digest(target, 0);
    for (std::uint32_t idx = 1; idx < SentDigest::kWindow; ++idx) {
        REQUIRE(digest.await_room(idx));
        digest.add(item(idx));
    }
    auto room =
        std::async(std::launch::async, [&] { return digest.await_room(SentDigest::kWindow); });
    SECTION("until that has been sent") {
        digest.add(item(0));
        REQUIRE(room.wait_for(kPatience) == std::future_status::ready);
        CHECK(room.get());
        digest.add(item(SentDigest::kWindow));
        CHECK(target.value() == folded(0, SentDigest::kWindow + 1));
    }
    SECTION("or until an abort") {
        digest.abort();
        digest.abort();
        REQUIRE(room.wait_for(kPatience) == std::future_status::ready);
        CHECK_FALSE(room.get());
        CHECK_FALSE(digest.await_room(0));
    }
}

TEST_CASE("an idx that has no place, or comes twice, is a fault of ours", "[engine]") {
    TransferDigest target;
    SentDigest digest(target, 5);
    digest.add(item(6));
    CHECK_THROWS_AS(digest.add(item(6)), InternalError);
    CHECK_THROWS_AS(digest.add(item(4)), InternalError);
    CHECK_THROWS_AS(digest.add(item(5 + SentDigest::kWindow)), InternalError);
}

}  // namespace multifd
